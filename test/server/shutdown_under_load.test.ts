/** A server that is told to stop while clients ask: each request that was sent gets a response, on the event loop, in threads, by listeners. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { describe, test, type TestContext } from "node:test";
import { sharesPorts } from "../support/runtime.ts";
import { sendSignal } from "../support/system.ts";
import { folderWith } from "../threads/support.ts";
import { LoadClients } from "./load_clients.ts";
import { until } from "./support.ts";
import { thoroughly, runs } from "../support/thorough.ts";

const HANDLER = `
  import { existsSync, writeSync } from "node:fs";
  import { BaseHTTPRequestHandler } from "plinth";
  export class Handler extends BaseHTTPRequestHandler {
    static module = import.meta.url;
    do_GET() { this.sendText("here"); }
    /** Keeps the event loop until there is a file. */
    do_BLOCK() {
      writeSync(1, "blocked\\n");
      const word = new Int32Array(new SharedArrayBuffer(4));
      while (!existsSync("go")) Atomics.wait(word, 0, 0, 5);
      this.sendText("blocked");
    }
  }`;

/** The grace is long, so that it is not what counts on a machine that is busy. */
const MAIN = `
  import { HTTPServer, ThreadingHTTPServer } from "plinth";
  import { Handler } from "./handler.js";
  const options = { log: "none", shutdownGrace: 5000 };
  const address = ["127.0.0.1", 0];
  const make = {
    "on the event loop": () => new HTTPServer(address, Handler, options),
    "with threads": () => new ThreadingHTTPServer(address, Handler, { ...options, threads: 2 }),
    "with listeners": () => new HTTPServer(address, Handler, { ...options, listeners: 2 }),
  };
  const httpd = make[process.argv[2]]();
  process.on("SIGTERM", () => void httpd.shutdown());
  await httpd.serverActivate();
  console.log("port " + httpd.serverAddress[1]);
  await httpd.serveForever();
  process.exit(0);`;

interface Program {
  readonly child: ChildProcess;
  readonly port: number;
  said(): string;
  ended(): Promise<number | null>;
}

async function start(t: TestContext, folder: string, mode: string): Promise<Program> {
  const child = spawn(process.execPath, ["main.js", mode], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  const closed = once(child, "close") as Promise<[number | null]>;
  t.after(() => child.exitCode === null && child.kill("SIGKILL"));
  await until(() => said.includes("\n") || child.exitCode !== null, "the start", 30_000);
  return {
    child,
    port: Number(/^port ([0-9]+)\n/.exec(said)![1]),
    said: () => said,
    ended: async () => (await closed)[0],
  };
}

const CLIENTS = 64;
const STOPS = runs(2, 1);
const modes = ["on the event loop", "with threads", ...(sharesPorts ? ["with listeners"] : [])];

for (const mode of modes) {
  describe(mode, () => {
    (mode === "on the event loop" ? thoroughly(test) : test)(
      "clients that ask until they are told that the connection closes lose no request",
      async (t) => {
        const folder = folderWith(t, { "main.js": MAIN, "handler.js": HANDLER });
        for (let i = 0; i < STOPS; i++) {
          const program = await start(t, folder, mode);
          const load = new LoadClients(program.port, CLIENTS, "stops");
          await load.reach(CLIENTS * (2 + 3 * Math.random()));
          sendSignal(program.child, "SIGTERM");
          await load.ended();
          assert.equal(await program.ended(), 0);
          assert.deepEqual([load.lost, load.refused], [0, 0]);
        }
      },
    );

    (mode === "with threads" ? test : thoroughly(test))(
      "clients that come back at once are refused in the end, and have lost next to nothing",
      async (t) => {
        const folder = folderWith(t, { "main.js": MAIN, "handler.js": HANDLER });
        let lost = 0;
        for (let i = 0; i < STOPS; i++) {
          const program = await start(t, folder, mode);
          const load = new LoadClients(program.port, CLIENTS, "reconnects");
          await load.reach(CLIENTS * (2 + 3 * Math.random()));
          sendSignal(program.child, "SIGTERM");
          await load.ended();
          assert.equal(await program.ended(), 0);
          assert.equal(load.refused, CLIENTS);
          lost += load.lost;
        }
        t.diagnostic(`${lost} of ${STOPS * CLIENTS} clients have lost a request`);
        // Between the last look at a socket and its close, a connection may come.
        assert.ok(lost <= (STOPS * CLIENTS) / 10, `${lost} were lost`);
      },
    );
  });
}

test("connections that wait to be accepted when the signal comes are accepted, and their requests responded to", async (t) => {
  const folder = folderWith(t, { "main.js": MAIN, "handler.js": HANDLER });
  const program = await start(t, folder, "on the event loop");
  const blocking = net.connect(program.port, "127.0.0.1");
  t.after(() => blocking.destroy());
  blocking.write("BLOCK / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  blocking.resume();
  await until(() => program.said().includes("blocked"), "the handler that blocks");
  const load = new LoadClients(program.port, CLIENTS, "stops");
  await until(() => load.connected === CLIENTS, "the connections");
  sendSignal(program.child, "SIGTERM");
  writeFileSync(path.join(folder, "go"), "");
  await load.ended();
  assert.deepEqual([load.lost, load.refused], [0, 0]);
  assert.ok(load.responded >= CLIENTS);
  assert.equal(await program.ended(), 0);
});
