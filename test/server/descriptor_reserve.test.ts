/** Programs that may have few file descriptors: they never spin, never hang, say it once, and serve again when there are some. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import net from "node:net";
import process from "node:process";
import tls from "node:tls";
import { describe, test, type TestContext } from "node:test";
import { BaseHTTPRequestHandler, HTTPServer, MemoryTransport, selfSignedCertificate } from "plinth";
import { ConnectionAdmission } from "../../src/server/connection_admission.ts";
import { connectionsFor } from "../../src/server/descriptor_reserve.ts";
import type { Descriptors, Transport } from "plinth";
import { runtime, sharesPorts, testOn } from "../support/runtime.ts";
import { sendSignal } from "../support/system.ts";
import { folderWith } from "../threads/support.ts";
import { until } from "./support.ts";
import { thoroughly } from "../support/thorough.ts";

/** Where the limit can be read: elsewhere connections are not bounded by it. */
const system = { skip: existsSync("/proc/self/limits") ? false : "this system does not say its limits in /proc" };

/** Serves, and says each half second how many milliseconds of a core it has taken. `hold` takes all file descriptors for a while. */
const program = (server: string): string => `
  import { closeSync, openSync } from "node:fs";
  import { BaseHTTPRequestHandler, HTTPServer, HTTPSServer, ThreadingHTTPServer } from "plinth";

  class Handler extends BaseHTTPRequestHandler {
    do_GET() { this.sendText("served"); }
    /** Computes for a while, and says how many threads there are. */
    do_POST() {
      const end = Date.now() + 100;
      while (Date.now() < end);
      this.sendText("threads: " + this.server.stats().threads);
    }
  }

  const httpd = ${server};
  await httpd.serverActivate();
  console.log("port " + httpd.serverAddress[1]);
  let before = process.cpuUsage();
  setInterval(() => {
    const { user, system } = process.cpuUsage(before);
    before = process.cpuUsage();
    console.log("cpu " + Math.round((user + system) / 1000));
  }, 500);
  process.on("SIGUSR2", () => {
    const held = [];
    try {
      for (;;) held.push(openSync("/dev/null", "r"));
    } catch {
      console.log("all are taken");
    }
    setTimeout(() => {
      for (const descriptor of held) closeSync(descriptor);
      console.log("all are given back");
    }, 3000);
  });
  process.on("SIGTERM", async () => {
    await httpd.shutdown();
    process.exit(0);
  });`;

interface Run {
  readonly child: ChildProcess;
  readonly port: number;
  /** It speaks HTTPS. */
  readonly isSecure: boolean;
  /** What it has said on stdout, and in its log. */
  said(): string;
  log(): string[];
}

/** Runs main.js of a folder, with so many file descriptors, until the test ends. */
async function runWith(t: TestContext, limit: number, server: string, permissions = ["-A"]): Promise<Run> {
  const folder = folderWith(t, { "main.js": program(server) });
  const command = [process.execPath, ...(runtime === "deno" ? ["run", ...permissions] : []), "main.js"];
  const child = spawn("sh", ["-c", `ulimit -n ${limit}; exec "$0" "$@"`, ...command], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_V8_COVERAGE: "", DENO_TLS_CA_STORE: "", NODE_EXTRA_CA_CERTS: "" },
  });
  t.after(() => child.kill("SIGKILL"));
  let said = "";
  let log = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
  await until(() => said.includes("port") || child.exitCode !== null, "its port", 30_000);
  const [, port] = /port (\d+)/.exec(said) ?? assert.fail(log);
  return {
    child,
    port: Number(port),
    isSecure: server.includes("HTTPSServer"),
    said: () => said,
    log: () => log.split("\n").slice(0, -1),
  };
}

function connect({ port, isSecure }: Run, onOpen: () => void): net.Socket {
  const host = "127.0.0.1";
  return isSecure ? tls.connect({ port, host, rejectUnauthorized: false }, onOpen) : net.connect(port, host, onOpen);
}

/** Many connections at once, each with a request. */
class Crowd {
  served = 0;
  closed = 0;
  readonly #sockets: net.Socket[];

  constructor(t: TestContext, run: Run, size: number, method = "GET") {
    const message = `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`;
    this.#sockets = Array.from({ length: size }, () => {
      const socket = connect(run, () => socket.write(message));
      let wasServed = false;
      socket.on("data", () => {
        if (!wasServed) this.served++;
        wasServed = true;
      });
      socket.on("close", () => {
        if (!wasServed) this.closed++;
      });
      socket.on("error", () => {});
      return socket;
    });
    t.after(() => this.leave());
  }

  leave(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Whether a connection that is opened now is served. */
function isServed(run: Run): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(run, () => socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    let text = "";
    socket.setTimeout(3000, () => socket.destroy());
    socket.on("data", (data) => (text += data.toString()));
    socket.on("error", () => {});
    socket.on("close", () => resolve(text.includes("served")));
  });
}

/** Waits until every one of many is served: each event loop finds out by itself that there is room again. */
async function isServedAgain(run: Run): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (let inARow = 0; inARow < 20;) {
    inARow = (await isServed(run)) ? inARow + 1 : 0;
    assert.ok(performance.now() < deadline, "not all are served again");
  }
}

/** Waits for two half seconds in which the program has next to nothing to do. */
async function doesNotSpin({ said }: Run): Promise<void> {
  const start = said().length;
  const times = (): number[] =>
    [
      ...said()
        .slice(start)
        .matchAll(/cpu (\d+)\n/g),
    ].map(([, time]) => Number(time));
  // What comes first may be a part of the work.
  await until(() => times().length >= 4, "four half seconds", 20_000);
  assert.ok(Math.min(...times()) < 100, `it has taken ${times().join()} ms of 500`);
}

async function ends({ child }: Run): Promise<void> {
  sendSignal(child, "SIGTERM");
  if (child.exitCode === null) await once(child, "exit");
  assert.equal(child.exitCode, 0);
}

const { cert, key } = selfSignedCertificate(["localhost"]);

const servers: Record<string, { server: string; limit: number; loops: number }> = {
  "one event loop": { server: 'new HTTPServer(["127.0.0.1", 0], Handler)', limit: 100, loops: 1 },
  HTTPS: {
    server: `new HTTPSServer(["127.0.0.1", 0], Handler, ${JSON.stringify({ cert, key, maxHandshakes: 500 })})`,
    limit: 100,
    loops: 1,
  },
  threads: {
    server: 'new ThreadingHTTPServer(["127.0.0.1", 0], Handler, { threads: 2 })',
    limit: 120,
    loops: 1,
  },
  ...(sharesPorts
    ? {
        "two event loops": {
          server: 'new HTTPServer(["127.0.0.1", 0], Handler, { listeners: 2 })',
          limit: 120,
          loops: 2,
        },
      }
    : {}),
};

const WARNING =
  /\] maxConnections is 16384, but this process may have only (\d+) file descriptors \(ulimit -n\): at most (\d+) connections are open at a time( on each of 2 event loops)?$/;

for (const [where, { server, limit, loops }] of Object.entries(servers)) {
  // The short run has one event loop.
  const testHere = where === "one event loop" ? test : thoroughly(test);
  describe(`with few file descriptors, ${where}`, { ...system, concurrency: 2 }, () => {
    testHere(
      "more clients than descriptors: as many as there may be are served, the others closed, and it is said once",
      async (t) => {
        const run = await runWith(t, limit, server);
        await until(() => run.log().length > 0, "a warning");
        const [, told, most] = WARNING.exec(run.log()[0]) ?? assert.fail(run.log().join("\n"));
        assert.equal(Number(told), limit);
        const all = Number(most) * loops;
        assert.ok(all > 20 && all < limit - 20, most);

        const crowd = new Crowd(t, run, 300);
        await until(() => crowd.served + crowd.closed === 300, "a response or an end for each", 30_000);
        assert.ok(crowd.served <= all, `${crowd.served} of ${all}`);
        // Which event loop a connection comes to is the kernel's to say.
        assert.ok(crowd.served > all / 2, `${crowd.served} of ${all}`);
        await doesNotSpin(run);
        const told2 = run.log().filter((line) => line.includes("too many connections"));
        assert.equal(told2.length, 1, told2.join("\n"));
        assert.match(
          told2[0],
          new RegExp(`\\] too many connections: with ${most} open, further ones are closed at once$`),
        );

        crowd.leave();
        await isServedAgain(run);
        await ends(run);
        const others = run.log().filter((line) => !line.endsWith(' "GET / HTTP/1.1" 200 6'));
        assert.deepEqual(
          others.filter(
            (line) => !WARNING.test(line) && !told2.includes(line) && !/extra certs|TLS handshake/.test(line),
          ),
          [],
        );
      },
    );

    testHere(
      "the program itself takes all descriptors: connections are closed, that is said once, and it recovers",
      async (t) => {
        const run = await runWith(t, limit, server);
        assert.ok(await isServed(run));
        sendSignal(run.child, "SIGUSR2");
        await until(() => run.said().includes("all are taken"), "the descriptors");
        await until(() => run.log().some((line) => line.includes("no file descriptor is left")), "a line of the log");
        const crowd = new Crowd(t, run, 100);
        await until(() => crowd.served + crowd.closed === 100, "a response or an end for each", 30_000);
        await doesNotSpin(run);
        await until(() => run.said().includes("all are given back"), "the descriptors");
        crowd.leave();
        await isServedAgain(run);
        await ends(run);
        assert.equal(
          run.log().filter((line) => /no file descriptor is left/.test(line)).length,
          1,
          run.log().join("\n"),
        );
      },
    );
  });
}

thoroughly(test)("no thread is started while all descriptors are taken, and the process goes on", system, async (t) => {
  const server = 'new ThreadingHTTPServer(["127.0.0.1", 0], Handler, { threads: { min: 1, max: 6 } })';
  const run = await runWith(t, 140, server);
  const sockets = Array.from({ length: 6 }, () => net.connect(run.port, "127.0.0.1"));
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  let text = "";
  const responses = (): number[] => [...text.matchAll(/threads: (\d+)/g)].map(([, threads]) => Number(threads));
  for (const socket of sockets) socket.on("data", (data: Buffer) => (text += data.toString())).on("error", () => {});
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  // All of them are accepted: one that still waits for that could not be, without a descriptor. One after the other, for one thread.
  for (const [i, socket] of sockets.entries()) {
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => text.split("served").length === i + 2, "a response");
  }
  sendSignal(run.child, "SIGUSR2");
  await until(() => run.said().includes("all are taken"), "the descriptors");
  const post = (): void => {
    for (const socket of sockets) socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  };
  post();
  await until(() => responses().length === 6, "responses");
  assert.deepEqual(responses(), Array<number>(6).fill(1));
  await until(() => run.said().includes("all are given back"), "the descriptors");
  // Then more are started.
  for (let count = 12; Math.max(...responses()) === 1 && count < 300; count += 6) {
    post();
    await until(() => responses().length === count, "responses");
  }
  assert.ok(Math.max(...responses()) > 1);
  await ends(run);
  assert.doesNotMatch(run.log().join("\n"), /could not be started|panicked/);
});

testOn("deno")(
  "where it may not read its limit, it recovers as well, and asks for no permission",
  system,
  async (t) => {
    const run = await runWith(t, 100, servers["one event loop"].server, ["--allow-net", "--no-prompt"]);
    const crowd = new Crowd(t, run, 200);
    await until(() => crowd.served > 20, "some that are served");
    await doesNotSpin(run);
    crowd.leave();
    await isServedAgain(run);
  },
);

testOn("deno")(
  "where it may not read its limit, no thread is started while clients have all descriptors, and the process goes on",
  system,
  async (t) => {
    const server = 'new ThreadingHTTPServer(["127.0.0.1", 0], Handler, { threads: { min: 1, max: 6 } })';
    const run = await runWith(t, 140, server, ["--allow-net", "--allow-read", "--no-prompt"]);
    const crowd = new Crowd(t, run, 200, "POST");
    await until(() => crowd.served > 40, "some that are served", 30_000);
    crowd.leave();
    await isServedAgain(run);
    await ends(run);
    assert.doesNotMatch(run.log().join("\n"), /could not be started|panicked/);
  },
);

test("where there are enough, nothing is said, nor where there are fewer connections by choice", system, async (t) => {
  class Handler extends BaseHTTPRequestHandler {}
  for (const options of [{ maxConnections: 10 }, { transport: new MemoryTransport(), maxConnections: Infinity }]) {
    const log: string[] = [];
    const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: (line) => log.push(line), ...options });
    t.after(() => httpd.serverClose());
    await httpd.serverActivate();
    assert.deepEqual(log, []);
  }
});

test("event loops share what there is, and that is said where all together may have fewer than one was allowed", () => {
  const bound = (limit: number, most: number, listeners: number): [most: number, warning: string | null] => {
    const admission = new ConnectionAdmission(most, () => {});
    const descriptors = (): Descriptors => ({ limit, open: 24 });
    const [warning = null] = admission.open({ descriptors } as Transport, 0, listeners, false);
    return [admission.most, warning];
  };
  assert.deepEqual(bound(20_000, 16_384, 1), [16_384, null]);
  assert.deepEqual(bound(20_000, 16_384, 3), [Math.floor((20_000 - 24 - 256 - 30) / 3), null]);
  assert.deepEqual(bound(20_000, 100, 3), [100, null]);
  const [most, warning] = bound(1024, Infinity, 2);
  assert.equal(most, (1024 - 24 - 128 - 20) / 2);
  assert.match(
    warning!,
    /^maxConnections is Infinity, .* only 1024 .*: at most 426 connections .* on each of 2 event loops$/,
  );
});

test("how many connections there may be", () => {
  const connections = (limit: number, open: number, threads = 0, listeners = 1): number =>
    connectionsFor({ limit, open }, threads, listeners);
  assert.equal(connections(1024, 24), 1024 - 24 - 10 - 128);
  assert.equal(connections(1024, 24, 16), 1024 - 24 - 10 - 128 - 16 * 8);
  assert.equal(connections(1024, 24, 0, 4), (1024 - 24 - 4 * 10 - 128) / 4);
  assert.equal(connections(20_000, 24), 20_000 - 24 - 10 - 256);
  assert.equal(connections(64, 20), 64 - 20 - 10 - 8);
  // A quarter of what is left, where threads alone would take more than there is.
  assert.equal(connections(64, 24, 16), 10);
  assert.equal(connections(20, 30), 1);
});
