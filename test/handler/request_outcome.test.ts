/** What a server, and a class beside the log, is told of requests that have ended. test/behaviour/cases/outcomes.ts has the rest. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  BaseHTTPRequestHandler,
  HTTPServer,
  MemoryTransport,
  type RequestHandlerClass,
  type RequestOutcome,
  Router,
  ThreadingHTTPServer,
  type ThreadingHTTPServerOptions,
} from "plinth";
import { Queued } from "../threads/handlers.ts";
import { beside, GET, inMemory, MemoryClient, post, postChunks, request, turn, until } from "../server/support.ts";

class Handler extends BaseHTTPRequestHandler {
  do_GET(): void {
    this.sendText("hello");
  }

  async do_POST(): Promise<void> {
    this.sendText(`${(await this.bytes()).length}`);
  }
}

/** Serves in memory with a server that keeps what it is told. */
async function watched(
  t: TestContext,
  handlers: RequestHandlerClass | Router,
  options: ThreadingHTTPServerOptions = {},
  Server: typeof HTTPServer = HTTPServer,
) {
  const outcomes: RequestOutcome[] = [];
  class Watching extends Server {
    override requestEnded(outcome: RequestOutcome): void {
      outcomes.push(outcome);
    }
  }
  const transport = new MemoryTransport();
  const httpd = new Watching(["memory", 80], handlers as RequestHandlerClass, { log: "none", transport, ...options });
  await httpd.serverActivate();
  t.after(() => httpd.shutdown());
  return { outcomes, httpd, connect: () => new MemoryClient(transport) };
}

test("the server is told of each request that had a head, in order; of a malformed head it is not", async (t) => {
  const { outcomes, connect } = await watched(t, new Router({ "/": Handler }), { maxBodySize: 3 });
  const peer = connect();
  await peer.ask(GET);
  await peer.ask(request("GET", "/missing"));
  await peer.ask(request("RICKROLL"));
  await peer.ask(post("abc"));
  await peer.ask(postChunks(["ab", "cd"]));
  await connect().ask("GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
  assert.deepEqual(
    outcomes.map((one) => [one.method, one.path, one.status, one.bytesReceived, one.bytesSent, one.reason, one.code]),
    [
      ["GET", "/", 200, 0, 5, "complete", undefined],
      ["GET", "/missing", 404, 0, 77, "complete", undefined],
      ["RICKROLL", "/", 501, 0, 99, "complete", undefined],
      ["POST", "/", 200, 3, 1, "complete", undefined],
      ["POST", "/", 413, 2, 114, "malformed", "BODY_TOO_LARGE"],
    ],
  );
  const [{ headers, clientAddress, requestVersion, duration, error }] = outcomes;
  assert.deepEqual(
    [headers.get("host"), clientAddress[0], requestVersion, error],
    ["a", "memory", "HTTP/1.1", undefined],
  );
  assert.ok(duration >= 0 && duration < 10_000);
  assert.match(String(outcomes[4].error), /too large/);
});

test("a request ends when its response has left, not when its handler has", async (t) => {
  class Large extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendText("x".repeat(1_000_000));
    }
  }
  const { outcomes, connect } = await watched(t, Large);
  const reading = connect();
  const leaving = connect();
  await reading.send(GET);
  await reading.responses(1);
  await until(() => outcomes.length === 1, "the outcome");
  assert.deepEqual([outcomes[0].bytesSent, outcomes[0].reason], [1_000_000, "complete"]);
  await leaving.send(GET);
  leaving.destroy();
  await until(() => outcomes.length === 2, "the outcome");
  assert.equal(outcomes[1].reason, "closed");
  assert.ok(outcomes[1].bytesSent < 1_000_000, `${outcomes[1].bytesSent}`);
});

test("what a requestEnded throws, or rejects with, is logged and harms nobody", async (t) => {
  let count = 0;
  class Failing extends Handler {
    override requestEnded(): void {
      if (count++ % 2 === 0) throw new Error("no room for it");
      return Promise.reject(new Error("later")) as unknown as void;
    }
  }
  const server = await inMemory(t, Failing);
  const peer = server.connect();
  for (let i = 0; i < 4; i++) assert.equal((await peer.ask(GET)).status, 200);
  await turn();
  const faults = beside(server.log).filter((line) => line.includes("requestEnded has failed"));
  assert.equal(faults.length, 4);
  assert.ok(faults[0].includes("no room for it") && faults[1].includes("later"));
});

test("a class is told though the server logs nothing", async (t) => {
  const lines: string[] = [];
  class Own extends Handler {
    override requestEnded({ status, bytesSent }: RequestOutcome): void {
      lines.push(`${this.path} ${status} ${bytesSent}`);
    }
  }
  const peer = (await inMemory(t, Own, { log: "none" })).connect();
  await peer.ask(GET);
  await peer.ask(request("DELETE", "/a"));
  assert.deepEqual(lines, ["/ 200 5", "/a 405 102"]);
});

test("a server with threads is told here, of what threads refuse and lose as well", async (t) => {
  const words = new Int32Array(new SharedArrayBuffer(4 * 2048));
  const options = { threads: 1, queue: 0, handlerTimeout: 100, threadData: words };
  const { outcomes, connect } = await watched(t, Queued, options, ThreadingHTTPServer as unknown as typeof HTTPServer);
  await connect().ask(request("GET", "/quick"));
  const held = connect();
  await held.send(request("GET", "/held"));
  await until(() => Atomics.load(words, 1) === 1, "the handler");
  await connect().ask(request("GET", "/quick"));
  await held.responses(1);
  const leaving = connect();
  await leaving.send(request("GET", "/held"));
  await until(() => outcomes.length >= 3, "three outcomes");
  assert.deepEqual(
    outcomes.map(({ path, status, reason }) => [path, status, reason]),
    [
      ["/quick", 200, "complete"],
      ["/quick", 503, "complete"],
      ["/held", 503, "complete"],
    ],
  );
  assert.ok(outcomes[2].duration >= 90, `${outcomes[2].duration}`);
});
