/**
 * Where runtimes differ in what Plinth cannot make the same: docs/RUNTIMES.md says it, and these show it. When one of them fails, a
 * runtime has changed, and that page with it.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { BaseHTTPRequestHandler, HTTPServer } from "plinth";
import { programFile } from "../support/places.ts";
import { runtime, type Runtime, testOn } from "../support/runtime.ts";
import { type Ended, folderWith, runIn } from "../threads/support.ts";

/** What is expected here. */
function here<T>(expected: Readonly<Record<Runtime, T>>): T {
  return expected[runtime];
}

test("requestQueueSize bounds how many connections wait to be accepted; on Bun it is always 512", async (t) => {
  // In a thread that listens, and then looks at nothing.
  const go = new Int32Array(new SharedArrayBuffer(4));
  const thread = new Worker(programFile("test/transport/programs/deaf"), { workerData: go });
  t.after(async () => {
    Atomics.store(go, 0, 1);
    Atomics.notify(go, 0);
    await once(thread, "exit");
  });
  const [port] = (await once(thread, "message")) as [number];
  let connected = 0;
  const sockets = Array.from({ length: 20 }, () => net.connect(port, "127.0.0.1", () => connected++));
  for (const socket of sockets) socket.on("error", () => {});
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  await sleep(600); // the kernel tries again after a second, so that is no matter of chance
  assert.equal(connected > 10, here({ node: false, bun: true, deno: false }), String(connected));
});

test("a thread that takes more memory than resourceLimits says is ended; on Bun it goes on", async () => {
  const thread = new Worker(programFile("test/transport/programs/large"), {
    resourceLimits: { maxOldGenerationSizeMb: 16 },
  });
  const outcome = await new Promise<string>((resolve) => {
    thread.once("message", (text: string) => resolve(text));
    thread.once("error", (error: Error) => resolve(/memory/.test(error.message) ? "ended" : error.message));
  });
  await thread.terminate();
  assert.equal(outcome, here({ node: "ended", bun: "goes on", deno: "ended" }));
});

test("who does not read does not hear of a reset; on Bun who does not read hears at once", async (t) => {
  let gone: unknown = null;
  class Slow extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      this.signal.addEventListener("abort", () => (gone = this.signal.reason));
      await sleep(300);
      this.sendText("done");
    }
  }
  const httpd = new HTTPServer(["127.0.0.1", 0], Slow, { log: "none", maxBodySize: 2 ** 30 });
  await httpd.serverActivate();
  t.after(() => httpd.serverClose());
  const socket = net.connect(httpd.serverAddress[1], "127.0.0.1");
  socket.on("error", () => {});
  // More than is taken in for a handler that does not read, so that the server has stopped reading.
  socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
  socket.write(Buffer.alloc(8_000_000));
  await sleep(100);
  socket.resetAndDestroy();
  await sleep(100);
  assert.equal(gone !== null, here({ node: false, bun: true, deno: false }));
});

/** Runs a program that serves, and asks it once by each method. @returns its exit status, and what it has said */
async function runServer(
  t: TestContext,
  before: string,
  methods: readonly string[],
  flags: string[] = [],
): Promise<Ended> {
  const main = `import process from "node:process";
    import { BaseHTTPRequestHandler, HTTPServer } from "plinth";
    ${before}
    class Handler extends BaseHTTPRequestHandler {
      do_GET() { this.sendText("served"); }
      do_POST() { void Promise.reject(new Error("forgotten")); this.sendText("served"); }
      do_PUT() { setTimeout(() => { throw new Error("in a timer"); }); this.sendText("served"); }
    }
    const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: (line) => console.log(line) });
    await httpd.serverActivate();
    setTimeout(async () => {
      for (const method of ${JSON.stringify(methods)}) {
        await (await fetch("http://127.0.0.1:" + httpd.serverAddress[1], { method })).text();
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      console.log("goes on");
      await httpd.shutdown();
    });
    await httpd.serveForever();
    console.log("stopped");`;
  const args = [...(runtime === "deno" ? ["run", "-A"] : []), ...flags, "main.js"];
  return await runIn(folderWith(t, { "main.js": main }), args, { NODE_V8_COVERAGE: "" });
}

test("an error that nobody catches ends the process; on Bun not while a top-level await waits, and the status is 1", async (t) => {
  for (const method of ["POST", "PUT"]) {
    const { status, lines } = await runServer(t, "", [method, "GET"]);
    assert.equal(status, 1);
    assert.equal(lines.includes("stopped"), here({ node: false, bun: true, deno: false }));
  }
  const clean = await runServer(t, "", ["GET"]);
  assert.deepEqual([clean.status, clean.lines.at(-1)], [0, "stopped"]);
  // What the page says to write ends it everywhere.
  const ends = `for (const event of ["uncaughtException", "unhandledRejection"])
    process.on(event, (error) => { console.log("caught", error.message); process.exit(1); });`;
  for (const [method, message] of [
    ["POST", "forgotten"],
    ["PUT", "in a timer"],
  ] as const) {
    const { status, lines } = await runServer(t, ends, [method, "GET"]);
    assert.deepEqual([status, lines.at(-1)], [1, `caught ${message}`]);
  }
});

testOn("bun")("bun --hot does not do for a server, and the log says so", async (t) => {
  const ends = "setTimeout(() => process.exit(0), 2000);";
  const { lines } = await runServer(t, ends, [], ["--hot"]);
  const told = lines.filter((line) => line.includes("bun --hot"));
  assert.equal(told.length, 1, lines.join("\n"));
  assert.match(told[0], /\] bun --hot does not replace .*Run bun --watch instead, which restarts the program$/);
});
