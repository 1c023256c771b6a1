/** Listening sockets that somebody else has bound, and that outlive the server. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { describe, test, type TestContext } from "node:test";
import { BaseHTTPRequestHandler, HTTPServer, inheritedSockets } from "plinth";
import { programFile, root } from "../support/places.ts";
import { requireProgram } from "../support/system.ts";
import { folderWith } from "../threads/support.ts";
import { LoadClients } from "../server/load_clients.ts";
import { connect, GET, until } from "../server/support.ts";
import { thoroughly } from "../support/thorough.ts";

class Handler extends BaseHTTPRequestHandler {
  do_GET(): void {
    this.sendText("here");
  }
}

const python = requireProgram("python3");

interface Held {
  /** The lines that holder.py has said. */
  lines(): string[];
  restart(): Promise<void>;
  /** Ends the program, and with it the holder. @returns its exit status */
  end(): Promise<number | null>;
}

/** Starts a program with a listening socket as file descriptor 3. */
async function hold(t: TestContext, where: string, command: readonly string[]): Promise<Held> {
  const file = path.join(root, "test/program/programs/holder.py");
  const holder: ChildProcess = spawn(python.path, [file, where, ...command], { stdio: ["pipe", "pipe", "inherit"] });
  const closed = once(holder, "close") as Promise<[number | null]>;
  t.after(() => holder.stdin!.end());
  let said = "";
  holder.stdout!.setEncoding("utf8").on("data", (text: string) => (said += text));
  const lines = (): string[] => said.split("\n").slice(0, -1);
  const next = async (count: number): Promise<void> => {
    await until(() => lines().length >= count || holder.exitCode !== null, `line ${count} of the holder`, 30_000);
    assert.equal(holder.exitCode, null, said);
  };
  await next(2);
  return {
    lines,
    async restart() {
      const count = lines().length;
      holder.stdin!.write("restart\n");
      await next(count + 1);
    },
    async end() {
      holder.stdin!.end();
      return (await closed)[0];
    },
  };
}

const HANDLER = `
  import { BaseHTTPRequestHandler } from "plinth";
  export class Handler extends BaseHTTPRequestHandler {
    static module = import.meta.url;
    do_GET() { this.sendText("here"); }
  }`;

/** Says where it listens, and what is left of the environment. */
const MAIN = `
  import { HTTPServer, inheritedSockets, ThreadingHTTPServer } from "plinth";
  import { Handler } from "./handler.js";
  const socket = inheritedSockets().find(({ name }) => name === "web");
  export class Own extends Handler {} // threads import this very program for it
  const httpd = process.argv[2] === "threads"
    ? new ThreadingHTTPServer(socket, Own, { log: "none", threads: 1 })
    : new HTTPServer(socket, Handler, { log: "none" });
  process.on("SIGTERM", () => void httpd.shutdown());
  await httpd.serverActivate();
  const left = Object.keys(process.env).filter((name) => name.startsWith("LISTEN_")).length;
  console.log(JSON.stringify([socket, httpd.serverAddress, left]));
  await httpd.serveForever();
  process.exit(0);`;

describe("a program that is started with a socket", { skip: python.skip }, () => {
  for (const mode of ["loop", "threads"]) {
    (mode === "loop" ? thoroughly(test) : test)(
      `restarted under load, loses no request, and refuses no connection (${mode})`,
      async (t) => {
        const folder = folderWith(t, { "main.js": MAIN, "handler.js": HANDLER });
        const held = await hold(t, "tcp", [process.execPath, path.join(folder, "main.js"), mode]);
        const port = Number(/^port ([0-9]+)$/.exec(held.lines()[0])![1]);
        assert.deepEqual(JSON.parse(held.lines()[1]), [{ fd: 3, name: "web" }, ["127.0.0.1", port], 0]);
        const load = new LoadClients(port, 16, "reconnects", true);
        t.after(() => load.stop());
        for (let i = 0; i < 3; i++) {
          await load.reach(load.responded + 100);
          await held.restart();
        }
        await load.reach(load.responded + 100);
        load.stop();
        await load.ended();
        assert.deepEqual([load.lost, load.refused], [0, 0]);
        assert.equal(await held.end(), 0);
      },
    );
  }

  test("by a Unix socket, whose name it is not told", async (t) => {
    const folder = folderWith(t, { "main.js": MAIN, "handler.js": HANDLER });
    const file = path.join(folder, "socket");
    const held = await hold(t, `unix:${file}`, [process.execPath, path.join(folder, "main.js")]);
    assert.deepEqual(JSON.parse(held.lines()[1]), [{ fd: 3, name: "web" }, ["", 0], 0]);
    const peer = await connect(t, file);
    assert.equal((await peer.ask(GET)).body, "here");
    await peer.end();
    await held.restart();
    const second = await connect(t, file);
    assert.equal((await second.ask(GET)).body, "here");
    await second.end();
    assert.equal(await held.end(), 0);
  });

  test("the addition server finds it, and takes no other address then", async (t) => {
    const held = await hold(t, "tcp", [process.execPath, programFile("apps/addition/main"), "--log", "none"]);
    const port = Number(/^port ([0-9]+)$/.exec(held.lines()[0])![1]);
    assert.match(held.lines()[1], new RegExp(`^The addition server is at http://127\\.0\\.0\\.1:${port}/ `));
    const response = await fetch(`http://127.0.0.1:${port}/?val_a=3&val_b=4`, { headers: { Connection: "close" } });
    assert.deepEqual(await response.json(), { sum: 7 });
    assert.equal(await held.end(), 0);
  });
});

test("what is no listening socket is refused in words when the server is activated", async (t) => {
  const file = openSync(path.join(root, "package.json"), "r");
  t.after(() => closeSync(file));
  for (const fd of [file, 999]) {
    const httpd = new HTTPServer({ fd }, Handler, { log: "none" });
    t.after(() => httpd.serverClose());
    assert.deepEqual(httpd.serverAddress, ["", 0]);
    await assert.rejects(httpd.serverActivate(), (error: NodeJS.ErrnoException) => {
      assert.equal(
        error.message,
        `cannot listen on file descriptor ${fd}: it is not an open socket that connections can be accepted on`,
      );
      assert.match(error.code!, /^(EINVAL|EBADF|ENOTSOCK)$/);
      return true;
    });
  }
});

test("what is no file descriptor is refused at once, and so are several listeners", () => {
  for (const fd of [-1, 1.5, NaN, "3", null, undefined])
    assert.throws(() => new HTTPServer({ fd } as never, Handler), {
      name: "TypeError",
      message: /^the fd of a server address is a file descriptor, a whole number from 0 on, not /,
    });
  assert.throws(() => new HTTPServer({ fd: 3 }, Handler, { listeners: 2 }), {
    name: "RangeError",
    message: /^a socket that the process was started with has one listener, not 2/,
  });
});

describe("inheritedSockets", () => {
  const names = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"];
  const from = (values: Record<string, string>): (() => unknown) => {
    Object.assign(process.env, values);
    return () => {
      try {
        return inheritedSockets();
      } finally {
        assert.deepEqual(
          names.filter((name) => process.env[name] !== undefined),
          [],
          "children are told of none",
        );
      }
    };
  };
  const LISTEN_PID = String(process.pid);

  test("are numbered from 3 on, in order, with their names", () => {
    assert.deepEqual(from({ LISTEN_PID, LISTEN_FDS: "1" })(), [{ fd: 3, name: "unknown" }]);
    assert.deepEqual(from({ LISTEN_PID, LISTEN_FDS: "2", LISTEN_FDNAMES: "web:admin", LISTEN_PIDFDID: "5" })(), [
      { fd: 3, name: "web" },
      { fd: 4, name: "admin" },
    ]);
  });

  test("are none where the process was started in another way, where they are another's, and the second time", () => {
    assert.deepEqual(inheritedSockets(), []);
    assert.deepEqual(from({ LISTEN_PID: "1", LISTEN_FDS: "1" })(), []);
    assert.deepEqual(from({ LISTEN_FDS: "1" })(), []);
    assert.deepEqual(from({ LISTEN_PID })(), []);
    assert.deepEqual(from({ LISTEN_PID, LISTEN_FDS: "0" })(), []);
    from({ LISTEN_PID, LISTEN_FDS: "1" })();
    assert.deepEqual(inheritedSockets(), []);
  });

  test("a number that is none is refused", () => {
    for (const LISTEN_FDS of ["", "one", "-1", "1.5", "1e3"])
      assert.throws(
        from({ LISTEN_PID, LISTEN_FDS }),
        /^Error: cannot take over sockets: LISTEN_FDS must be the number of sockets/,
      );
  });
});
