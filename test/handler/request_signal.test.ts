/** What a handler hears of a peer that goes away, and that one which only has no more to say still gets its response. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BaseHTTPRequestHandler, PeerGoneError } from "plinth";
import { beside, Gate, GET, inMemory, onSocket, post, request, turn, until } from "../server/support.ts";

/** Keeps the signal of each request, responses when told to. */
class Watcher {
  readonly gate = new Gate();
  readonly signals: AbortSignal[] = [];
  readonly Handler: typeof BaseHTTPRequestHandler;

  constructor() {
    const { gate, signals } = this;
    this.Handler = class Handler extends BaseHTTPRequestHandler {
      async do_GET(): Promise<void> {
        signals.push(this.signal);
        await gate.opened;
        this.sendResponse(200);
        this.endHeaders();
        this.wfile.write(this.path);
      }

      async do_POST(): Promise<void> {
        signals.push(this.signal);
        await this.rfile.read();
      }
    };
  }

  /** Why the last signal aborted, once it has. */
  async reason(): Promise<string> {
    await until(() => this.signals.at(-1)?.aborted === true, "the signal");
    const reason: unknown = this.signals.at(-1)!.reason;
    assert.ok(reason instanceof PeerGoneError, String(reason));
    return reason.reason;
  }
}

test("a peer that breaks off aborts the signal", async (t) => {
  const watcher = new Watcher();
  const server = await onSocket(t, watcher.Handler);
  const peer = await server.connect();
  await peer.send(GET);
  await until(() => watcher.signals.length === 1, "the handler");
  assert.equal(watcher.signals[0].aborted, false);
  peer.socket.resetAndDestroy();
  assert.equal(await watcher.reason(), "closed");
});

test("a peer that closes cannot be told from one that only half-closes, until something is sent to it", async (t) => {
  const watcher = new Watcher();
  const server = await onSocket(t, watcher.Handler);
  const peer = await server.connect();
  await peer.send(GET);
  await until(() => watcher.signals.length === 1, "the handler");
  peer.destroy();
  assert.equal(await watcher.reason(), "half-closed");
});

test("a handler that sees that its client has closed may end without a response, which is no fault", async (t) => {
  let client: boolean | undefined;
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      client = this.clientGone;
      while (!this.clientGone) await turn();
      client = this.clientGone;
    }
  }
  const server = await onSocket(t, Handler);
  for (const leave of ["destroy", "resetAndDestroy"] as const) {
    client = undefined;
    const peer = await server.connect();
    await peer.send(GET);
    await until(() => client === false, "the handler");
    peer.socket[leave]();
    await until(() => client === true, `the handler's end after ${leave}`);
  }
  const halfClosed = await server.connect();
  await halfClosed.send(GET);
  await halfClosed.end();
  await halfClosed.endOfConnection();
  assert.equal(halfClosed.text, "");
  await server.httpd.shutdown();
  assert.deepEqual(beside(server.log), []);
});

test("what passes the signal's reason on is no fault of the handler's", async (t) => {
  let waits = 0;
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      waits++;
      await sleep(60_000, null, { signal: this.signal }); // rejects with an AbortError of Node's, whose cause is the reason
    }
  }
  const server = await onSocket(t, Handler);
  const peer = await server.connect();
  await peer.send(GET);
  await until(() => waits === 1, "the handler");
  peer.socket.resetAndDestroy();
  await server.httpd.shutdown();
  assert.deepEqual(beside(server.log), []);
});

test("a peer that half-closes gets its response, whole, and then the end", async (t) => {
  const watcher = new Watcher();
  const server = await onSocket(t, watcher.Handler);
  const peer = await server.connect();
  await peer.send(GET);
  await peer.end();
  assert.equal(await watcher.reason(), "half-closed");
  assert.equal(peer.text, "");
  watcher.gate.open();
  const response = await peer.response();
  assert.equal(response.body, "/");
  await until(() => peer.closed, "the end of the connection");
  assert.equal(peer.error, undefined);
});

test("a peer that sends all its requests and half-closes gets all its responses", async (t) => {
  const watcher = new Watcher();
  watcher.gate.open();
  const server = await onSocket(t, watcher.Handler);
  const peer = await server.connect();
  peer.socket.end(Array.from({ length: 20 }, (_, i) => request("GET", `/${i}`)).join(""));
  const responses = await peer.responses(20);
  assert.deepEqual(
    responses.map(({ body }) => body),
    Array.from({ length: 20 }, (_, i) => `/${i}`),
  );
  await until(() => peer.closed, "the end of the connection");
});

test("a request that is handled after the peer has half-closed hears of it as well", async (t) => {
  const watcher = new Watcher();
  const peer = (await inMemory(t, watcher.Handler)).connect();
  await peer.send(GET + GET);
  await peer.end();
  watcher.gate.open();
  await peer.responses(2);
  assert.equal(watcher.signals.length, 2);
  assert.equal(await watcher.reason(), "half-closed");
});

test("a signal first asked for when the peer has gone is aborted already", async (t) => {
  const gate = new Gate();
  const asked = new Gate();
  let signal: AbortSignal | undefined;
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      await gate.opened;
      signal = this.signal;
      assert.equal(this.signal, signal, "it is one and the same");
      asked.open();
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(GET);
  peer.destroy();
  await turn();
  gate.open();
  await asked.opened;
  assert.equal(signal!.aborted, true);
  assert.ok(signal!.reason instanceof PeerGoneError && signal!.reason.reason === "closed");
});

test("the reason says what a peer did wrong, and when it was the server that closed", async (t) => {
  const watcher = new Watcher();
  const server = await inMemory(t, watcher.Handler, { bodyTimeout: 100 });
  const peer = server.connect();
  await peer.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n");
  assert.equal(await watcher.reason(), "malformed");
  assert.match(String(watcher.signals.at(-1)!.reason), /16 hexadecimal digits/);
  assert.equal((await peer.response()).status, 400);

  const slow = server.connect();
  await slow.send(post("hello").slice(0, -1));
  assert.equal(await watcher.reason(), "timeout");
  assert.equal((await slow.response()).status, 408);

  const other = server.connect();
  await other.send(GET);
  await turn();
  server.httpd.serverClose();
  assert.equal(await watcher.reason(), "shutdown");
});

test("a signal is not aborted by a response that goes well", async (t) => {
  const watcher = new Watcher();
  watcher.gate.open();
  const server = await onSocket(t, watcher.Handler);
  const peer = await server.connect();
  await peer.ask(GET);
  await peer.ask(GET);
  peer.destroy();
  await until(() => peer.closed, "the end");
  await server.httpd.shutdown();
  assert.deepEqual(
    watcher.signals.map(({ aborted }) => aborted),
    [false, false],
  );
});
