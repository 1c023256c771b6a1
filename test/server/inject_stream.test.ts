/** `inject` with `stream: true`: the head of a response as soon as it is there, and the content as it comes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  BaseHTTPRequestHandler,
  HTTPServer,
  type HTTPServerOptions,
  type InjectedStream,
  PeerGoneError,
  ResponseCutError,
} from "plinth";
import { Queued } from "../threads/handlers.ts";
import { serve as serveInThreads } from "../threads/support.ts";
import { Gate, turn, until } from "./support.ts";

function serve(Handler: typeof BaseHTTPRequestHandler, options: HTTPServerOptions = {}): HTTPServer {
  return new HTTPServer(["127.0.0.1", 0], Handler, { log: "none", informational: "always", ...options });
}

/** Sends events without end, and says why its signal has aborted. */
class Events extends BaseHTTPRequestHandler {
  static reasons: string[] = [];
  static sent = 0;

  async do_GET(): Promise<void> {
    this.signal.addEventListener("abort", () => {
      const { reason } = this.signal as { reason: unknown };
      Events.reasons.push(reason instanceof PeerGoneError ? reason.reason : String(reason));
    });
    this.sendInformational(103, { Link: "</a.css>" });
    this.sendResponse(200, "Fine");
    this.sendHeader("Content-Type", "text/event-stream");
    this.endHeaders();
    for (Events.sent = 0; !this.signal.aborted; Events.sent++) {
      await this.wfile.write(`data: ${Events.sent}\n\n`);
      await turn();
    }
  }
}

test("an endless response gives its head, and its content as it comes; to leave the loop is to leave", async () => {
  const httpd = serve(Events);
  Events.reasons = [];
  const response = await httpd.inject({ path: "/events", stream: true });
  assert.deepEqual([response.status, response.reason], [200, "Fine"]);
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  assert.deepEqual(
    response.informational.map(({ status }) => status),
    [103],
  );
  let text = "";
  for await (const chunk of response.body) {
    assert.ok(Buffer.isBuffer(chunk));
    text += chunk.toString();
    if (text.includes("data: 3\n\n")) break;
  }
  assert.match(text, /^data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\n/);
  await until(() => Events.reasons.length === 1, "the signal");
  assert.deepEqual(Events.reasons, ["closed"]);
  for await (const chunk of response.body) assert.fail(`${String(chunk)} has come behind the end`);
  assert.equal(response.trailers, undefined);
  await httpd.shutdown(); // its handler has ended
});

test("a loop that throws leaves as well, and so does cancel, though somebody waits", async () => {
  class Silent extends Events {
    override async do_GET(): Promise<void> {
      this.signal.addEventListener("abort", () => Events.reasons.push("told"));
      this.sendResponse(200);
      this.endHeaders();
      this.flushHeaders();
      while (!this.signal.aborted) await turn();
    }
  }
  Events.reasons = [];
  const throwing = await serve(Events).inject({ stream: true });
  const loop = async (): Promise<void> => {
    for await (const chunk of throwing.body) throw new Error(`${chunk.length} bytes are enough`);
  };
  await assert.rejects(loop(), /bytes are enough/);
  const silent = await serve(Silent).inject({ stream: true });
  const next = silent.body.next();
  await turn();
  silent.cancel();
  silent.cancel();
  assert.equal((await next).done, true);
  assert.equal((await silent.body.next()).done, true);
  await until(() => Events.reasons.length === 2, "the signals");
  assert.deepEqual(Events.reasons.sort(), ["closed", "told"]);
});

test("while nobody reads, the handler has to wait", async () => {
  let written = 0;
  const size = 10_000;
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      for (; written < 200; written++) await this.wfile.write(Buffer.alloc(size, written % 256));
    }
  }
  const response = await serve(Handler).inject({ stream: true });
  for (let i = 0; i < 50; i++) await turn();
  const before = written;
  assert.ok(before < 40, `${before * size} bytes were written to nobody`);
  let at = 0;
  for await (const chunk of response.body) {
    for (const byte of chunk) if (byte !== Math.floor(at++ / size) % 256) assert.fail(`another byte at ${at - 1}`);
  }
  assert.equal(at, 200 * size);
});

test("trailers come with the end; a whole response ends by itself, and its handler is left alone", async () => {
  const gate = new Gate();
  let aborted: boolean | undefined;
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write("one");
      this.wfile.flush();
      await gate.opened;
      this.wfile.write("two");
      this.sendTrailer("Digest", "abc");
    }

    async do_PUT(): Promise<void> {
      const { signal } = this;
      this.sendText("whole");
      await gate.opened;
      await turn();
      aborted = signal.aborted;
    }
  }
  const httpd = serve(Handler);
  const response = await httpd.inject({ stream: true });
  assert.equal(String((await response.body.next()).value), "one");
  assert.ok(response.trailers === undefined);
  const going = await httpd.inject({ method: "PUT", stream: true });
  assert.equal(String((await going.body.next()).value), "whole");
  assert.equal((await going.body.next()).done, true);
  going.cancel();
  gate.open();
  assert.equal(String((await response.body.next()).value), "two");
  assert.equal((await response.body.next()).done, true);
  assert.equal((response as InjectedStream).trailers?.get("digest"), "abc");
  await httpd.shutdown();
  assert.equal(aborted, false);
});

test("however a response is framed, and its bytes fall, its content is whole", async () => {
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      const { pathname } = this;
      this.sendResponse(pathname === "/204" ? 204 : pathname === "/205" ? 205 : 200);
      if (pathname === "/counted") this.sendHeader("Content-Length", 3_000_000);
      if (pathname === "/empty") this.sendHeader("Content-Length", 0);
      this.endHeaders();
      if (pathname === "/204" || pathname === "/205" || pathname === "/empty") return;
      await this.wfile.write(Buffer.alloc(1_000_000, "a"));
      for (let i = 0; i < 1000; i++) await this.wfile.write(Buffer.alloc(1000, "b"));
      await this.wfile.write(Buffer.alloc(1_000_000, "c"));
    }
  }
  const httpd = serve(Handler);
  for (const [method, path, length] of [
    ["GET", "/counted", 3_000_000],
    ["GET", "/chunked", 3_000_000],
    ["HEAD", "/chunked", 0],
    ["HEAD", "/counted", 0],
    ["GET", "/204", 0],
    ["GET", "/205", 0],
    ["GET", "/empty", 0],
  ] as const) {
    const response = await httpd.inject({ method, path, stream: true });
    const pieces: Buffer[] = [];
    for await (const chunk of response.body) {
      assert.ok(chunk.length > 0);
      pieces.push(chunk);
    }
    const body = Buffer.concat(pieces);
    assert.equal(body.length, length, `${method} ${path}`);
    if (length > 0) {
      assert.ok(pieces.length > 2, "a large chunk comes in pieces");
      assert.deepEqual([body[999_999], body[1_000_000], body[1_999_999], body[2_000_000]], [97, 98, 98, 99]);
    }
  }
  await httpd.shutdown();
});

test("a signal that aborts is the client's leaving, before the head and behind it", async () => {
  const httpd = serve(Events);
  Events.reasons = [];
  const controller = new AbortController();
  const response = await httpd.inject({ stream: true, signal: controller.signal });
  await response.body.next();
  controller.abort(new Error("enough"));
  await assert.rejects(async () => {
    for await (const chunk of response.body) assert.ok(chunk.length > 0);
  }, /enough/);
  assert.equal((await response.body.next()).done, true, "it is said once");
  await until(() => Events.reasons.length === 1, "the signal");

  class Never extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      await sleep(60_000, null, { signal: this.signal });
    }
  }
  const early = new AbortController();
  const waiting = serve(Never).inject({ stream: true, signal: early.signal });
  setImmediate(() => early.abort(new Error("too long")));
  await assert.rejects(waiting, /too long/);
  const aborted = AbortSignal.abort(new Error("never"));
  await assert.rejects(httpd.inject({ stream: true, signal: aborted }), /never/);
});

test("a response that is cut off makes the loop fail, or the call where there is no head", async () => {
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      await this.wfile.write("so far");
      await turn();
      throw new Error("and no further");
    }

    do_CLOSE(): void {
      this.server.serverClose();
    }
  }
  const response = await serve(Handler).inject({ stream: true });
  let text = "";
  const loop = async (): Promise<void> => {
    for await (const chunk of response.body) text += String(chunk);
  };
  await assert.rejects(loop(), (error) => {
    assert.ok(error instanceof ResponseCutError);
    assert.deepEqual([error.response?.status, error.response?.body.length], [200, 0], "what was read is not in it");
    return true;
  });
  assert.equal(text, "so far");
  await assert.rejects(serve(Handler).inject({ method: "CLOSE", stream: true }), ResponseCutError);
  await assert.rejects(serve(Handler).inject({ path: "", stream: true }), TypeError);
});

test("a request may be sent while its response comes", async () => {
  class Echo extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      for await (const chunk of this.rfile) {
        this.wfile.write(chunk);
        this.wfile.flush();
      }
    }
  }
  const heard: string[] = [];
  async function* body(): AsyncGenerator<string> {
    for (const word of ["one", "two", "three"]) {
      yield word;
      await until(() => heard.includes(word), `the echo of ${word}`);
    }
  }
  const response = await serve(Echo).inject({ method: "POST", body: body(), stream: true });
  for await (const chunk of response.body) heard.push(String(chunk));
  assert.deepEqual(heard, ["one", "two", "three"]);
});

test("handlers in threads are streamed as well, and hear of a client that leaves", async (t) => {
  const { httpd } = await serveInThreads(t, Queued, { threads: 1 });
  const response = await httpd.inject({ path: "/large/3000000/1000", stream: true });
  assert.equal(response.headers.get("content-type"), "text/plain");
  let size = 0;
  for await (const chunk of response.body) size += chunk.length;
  assert.equal(size, 3_000_000);
  const left = await httpd.inject({ path: "/large/3000000/1000", stream: true });
  await left.body.next();
  left.cancel();
  assert.equal((await httpd.inject({ path: "/quick" })).text(), "quick");
});
