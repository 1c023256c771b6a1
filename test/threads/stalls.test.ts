/** Threads that are all busy for long while requests wait: the log says so, once. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ThreadingHTTPServer } from "plinth";
import { connect, request, until } from "../server/support.ts";
import { BEGUN, Queued } from "./handlers.ts";
import { serve, type Threaded } from "./support.ts";
import { thorough } from "../support/thorough.ts";

/** How long it takes until the log says so, and more, in milliseconds. */
const LONG = 5_000;
const PATIENCE = 12_000;

const told = (log: readonly string[]): string[] => log.filter((line) => line.includes("handlerTimeout"));

/** Holds two threads, has three requests wait, and waits until the log says so for the nth time. Then lets all go on. */
async function stall(server: Threaded, nth: number): Promise<void> {
  server.reset();
  const clients = Array.from({ length: 5 }, () => server.connect());
  for (const client of clients) await client.send(request("GET", "/held"));
  await server.wordIs(BEGUN, 2);
  await until(() => told(server.log).length === nth, "a line of the log", PATIENCE);
  await sleep(1000);
  assert.equal(told(server.log).length, nth, "it is said once");
  server.release();
  for (const client of clients) assert.equal((await client.response()).status, 200);
}

describe("stalls", { concurrency: 2 }, () => {
  test("all threads are busy and requests wait: the log says so when that takes five seconds, once each time", async (t) => {
    const [stalled, busy, streaming] = await Promise.all([
      serve(t, Queued, { threads: 2 }),
      serve(t, Queued, { threads: 2 }),
      serve(t, Queued, { threads: 2 }),
    ]);
    // One thread is held, the other goes on.
    await busy.connect().send(request("GET", "/held"));
    // One request has the place of those whose content streams, others wait for that.
    for (let i = 0; i < 3; i++) {
      const client = streaming.connect();
      await client.send("POST /content HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
      await client.send("x".repeat(70_000));
    }
    const began = performance.now();
    await stall(stalled, 1);
    assert.ok(performance.now() - began > LONG);
    await until(() => stalled.httpd.stats().waiting === 0, "those that waited to be served");
    await sleep(500);
    if (thorough) await stall(stalled, 2);
    for (const other of [busy, streaming]) {
      assert.equal((await other.get("/quick")).body, "quick");
      assert.deepEqual(told(other.log), []);
    }
    // That requests with much content wait for each other is said as well, once.
    const streams = streaming.log.filter((line) => line.includes("streamingThreads"));
    assert.equal(streams.length, 1, streams.join("\n"));
    assert.match(
      streams[0],
      /all 1 threads \(of 2\) that may run requests whose content is still coming are busy, and 2 such requests wait, the first of them for [5-9]\.\d s\. streamingThreads sets/,
    );
    busy.release();
    const [line] = told(stalled.log);
    // On a busy machine a thread may begin a moment after the next request has begun to wait.
    assert.match(
      line,
      /all 2 threads are busy, and 3 requests wait for one, the first of them for [5-9]\.\d s; GET \/held has run longest, for [4-9]\.\d s\./,
    );
    assert.match(line, /handlerTimeout \(not set\) ends them/);
  });

  test("handlers that ask their own server wait for each other; the log says so, and handlerTimeout ends them", async (t) => {
    const log: string[] = [];
    const httpd = new ThreadingHTTPServer(["127.0.0.1", 0], Queued, {
      threads: 2,
      handlerTimeout: LONG + 2000,
      threadData: new Int32Array(new SharedArrayBuffer(4096)),
      log: (line) => log.push(line),
    });
    t.after(() => httpd.serverClose());
    await httpd.serverActivate();
    const alone = await connect(t, httpd.serverAddress);
    assert.equal((await alone.ask(request("GET", "/asksItself"))).body, "it said quick", "one of them finds a thread");
    const clients = await Promise.all([connect(t, httpd.serverAddress), connect(t, httpd.serverAddress)]);
    for (const client of clients) await client.send(request("GET", "/asksItself"));
    await until(() => told(log).length === 1, "a line of the log", PATIENCE);
    assert.match(told(log)[0], /GET \/asksItself has run longest/);
    assert.match(told(log)[0], /handlerTimeout \(7000 ms\) ends them/);
    await until(() => clients.every(({ reading }) => reading.responses.length === 1), "their responses", PATIENCE);
    const statuses = clients.map(({ reading }) => reading.responses[0].status);
    assert.ok(statuses.includes(503), `the one that was ended gets 503; they are ${statuses.join()}`);
    assert.equal((await alone.ask(request("GET", "/quick"))).body, "quick");
  });
});
