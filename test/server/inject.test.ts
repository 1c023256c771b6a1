/** `inject`: a request without a socket gets what a network would have carried. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseHTTPRequestHandler, HTTPServer, type InjectedRequest, ResponseCutError } from "plinth";
import { Gate, inMemory, turn, until } from "./support.ts";

/** Says what came. */
class Echo extends BaseHTTPRequestHandler {
  async do_POST(): Promise<void> {
    const content = await this.bytes();
    this.sendJson({
      request: this.requestLine,
      headers: [...this.headers],
      trailers: this.trailers === undefined ? null : [...this.trailers],
      content: content.toString("latin1"),
      client: this.clientAddress,
    });
  }

  do_GET(): void {
    this.sendInformational(103, { Link: "</a.css>" });
    this.sendInformational(103, { Link: "</b.css>" });
    this.sendResponse(200, "Fine");
    this.sendHeader("X-A", 1);
    this.sendHeader("X-A", 2);
    this.endHeaders();
    this.wfile.write("é");
    this.wfile.flush();
    this.wfile.write(Buffer.alloc(100_000, "x"));
    this.sendTrailer("Digest", "abc");
  }

  do_PUT(): void {
    this.sendResponse(204);
    this.endHeaders();
  }
}

function serve(Handler: typeof BaseHTTPRequestHandler = Echo): HTTPServer {
  return new HTTPServer(["127.0.0.1", 0], Handler, { log: "none", informational: "always" });
}

test("the request is sent as it is said", async () => {
  const httpd = serve();
  const whole = await httpd.inject({ method: "POST", path: "/a?b", headers: { "X-A": 1, "x-a": "2" }, body: "héllo" });
  assert.deepEqual(whole.json(), {
    request: "POST /a?b HTTP/1.1",
    headers: [
      ["Host", "localhost"],
      ["X-A", "1"],
      ["x-a", "2"],
      ["Content-Length", "6"],
    ],
    trailers: null,
    content: "h\xc3\xa9llo",
    client: ["127.0.0.1", 0],
  });
  const pairs = await httpd.inject({
    method: "POST",
    headers: [
      ["Host", "a"],
      ["Content-Length", 3],
    ],
    body: Uint8Array.of(1, 2, 255),
  });
  const { headers, content } = pairs.json() as { headers: unknown; content: string };
  assert.deepEqual(headers, [
    ["Host", "a"],
    ["Content-Length", "3"],
  ]);
  assert.equal(content, "\x01\x02\xff");
  async function* pieces(): AsyncGenerator<string | Uint8Array> {
    yield "one";
    yield "";
    await Promise.resolve();
    yield Buffer.alloc(300_000, "z");
  }
  const chunked = await httpd.inject({ method: "POST", body: pieces() });
  const echoed = chunked.json() as { headers: [string, string][]; content: string };
  assert.deepEqual(echoed.headers.at(-1), ["Transfer-Encoding", "chunked"]);
  assert.equal(echoed.content, "one" + "z".repeat(300_000));
});

test("the response has everything that was sent", async () => {
  const response = await serve().inject();
  assert.deepEqual([response.status, response.reason], [200, "Fine"]);
  assert.deepEqual(response.headers.getAll("x-a"), ["1", "2"]);
  assert.equal(response.headers.get("Server")?.startsWith("Plinth/"), true);
  assert.equal(response.text(), "é" + "x".repeat(100_000));
  assert.equal(response.body.length, 100_002);
  assert.equal(response.trailers?.get("digest"), "abc");
  assert.deepEqual(
    response.informational.map(({ status, headers }) => [status, headers.get("Link")]),
    [
      [103, "</a.css>"],
      [103, "</b.css>"],
    ],
  );
  assert.throws(() => response.json(), SyntaxError);
  const head = await serve().inject({ method: "HEAD" });
  assert.deepEqual([head.status, head.body.length, head.trailers], [200, 0, undefined]);
  const none = await serve().inject({ method: "PUT" });
  assert.deepEqual([none.status, none.body.length], [204, 0]);
  assert.equal((await serve().inject({ method: "NOSUCH" })).status, 501);
});

test("many at a time keep apart, on a server that listens and one that does not", async (t) => {
  const { httpd } = await inMemory(t, Echo);
  for (const server of [httpd, serve()]) {
    const bodies = Array.from({ length: 100 }, (_, i) => `body ${i}`);
    const responses = await Promise.all(bodies.map((body) => server.inject({ method: "POST", body })));
    assert.deepEqual(
      responses.map((response) => (response.json() as { content: string }).content),
      bodies,
    );
  }
});

test("what cannot be sent is a TypeError", async () => {
  const httpd = serve();
  const wrong: InjectedRequest[] = [
    { method: "G T" },
    { method: "" },
    { path: "" },
    { path: "/a b" },
    { path: "/\r\nX: y" },
    { path: "/é" },
    { headers: { "X-A": "a\r\nb" } },
    { headers: { "X A": "b" } },
    { headers: { "Content-Length": 3 }, body: "four" },
    { headers: { "Transfer-Encoding": "chunked" }, body: "four" },
    { body: 7 as never },
  ];
  for (const request of wrong) {
    await assert.rejects(httpd.inject(request), TypeError, JSON.stringify(request));
  }
});

test("limits hold, and a response may come before all was sent", async () => {
  class Small extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      this.sendText(String((await this.bytes()).length));
    }

    do_PUT(): void {
      this.sendError(403);
    }
  }
  const httpd = new HTTPServer(["127.0.0.1", 0], Small, { log: "none", maxBodySize: 1000 });
  assert.equal((await httpd.inject({ method: "POST", body: "x".repeat(1000) })).text(), "1000");
  assert.equal((await httpd.inject({ method: "POST", body: "x".repeat(1001) })).status, 413);
  assert.equal((await httpd.inject({ method: "PUT", body: "x".repeat(1000) })).status, 403);
  let ended = false;
  async function* endless(): AsyncGenerator<string> {
    try {
      for (;;) {
        yield "x".repeat(400);
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      ended = true;
    }
  }
  assert.equal((await httpd.inject({ method: "POST", body: endless() })).status, 413);
  await until(() => ended, "the end of the body that nobody wants");
});

test("a response that is cut off rejects; so do a body that fails, a client that leaves, and a server that has been shut down", async () => {
  const gate = new Gate();
  let reason: unknown;
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write("so far");
      this.wfile.flush();
      await Promise.resolve();
      throw new Error("and no further");
    }

    async do_POST(): Promise<void> {
      await this.bytes();
      this.sendResponse(204);
      this.endHeaders();
    }

    async do_WAIT(): Promise<void> {
      this.signal.addEventListener("abort", () => {
        reason = (this.signal.reason as { reason: string }).reason;
        gate.open();
      });
      await gate.opened;
    }
  }
  const httpd = serve(Handler);
  await assert.rejects(httpd.inject(), /closed the connection before the end of its response/);
  const failing = (async function* (): AsyncGenerator<string> {
    yield "a";
    throw new Error("the disk is gone");
  })();
  await assert.rejects(httpd.inject({ method: "POST", body: failing }), /the disk is gone/);
  const controller = new AbortController();
  const waiting = httpd.inject({ method: "WAIT", signal: controller.signal });
  setImmediate(() => controller.abort(new Error("enough")));
  await assert.rejects(waiting, /enough/);
  await gate.opened;
  assert.equal(reason, "closed");
  await assert.rejects(httpd.inject({ signal: AbortSignal.abort(new Error("never")) }), /never/);
  await httpd.shutdown();
  await assert.rejects(httpd.inject(), /cannot run a request: this server has been shut down/);
});

test("a handler that goes on behind its response is left alone, and shutdown waits for it", async () => {
  const gate = new Gate();
  let aborted: boolean | undefined;
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      const { signal } = this;
      this.sendText("here");
      this.flushHeaders();
      await gate.opened;
      aborted = signal.aborted;
    }
  }
  const httpd = serve(Handler);
  const response = await httpd.inject();
  assert.equal(response.text(), "here");
  let down = false;
  const stopped = httpd.shutdown().then(() => (down = true));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(down, false);
  gate.open();
  await stopped;
  assert.equal(aborted, false);
});

test("a chunk that is much comes whole, and as fast as if it were counted", async () => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write(Buffer.alloc(40_000_000, "x"));
      this.wfile.write("end");
    }
  }
  const { body } = await serve(Handler).inject();
  assert.equal(body.length, 40_000_003);
  assert.equal(body.subarray(-4).toString(), "xend");
});

test("what has come of a response that is cut off is in the error", async () => {
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendInformational(103, { Link: "</a.css>" });
      this.sendResponse(200);
      this.sendHeader("X-A", "1");
      if (this.path === "/counted") this.sendHeader("Content-Length", 100);
      this.endHeaders();
      this.wfile.write("so ");
      await turn();
      this.wfile.write("far");
      await turn();
      throw new Error("and no further");
    }

    do_CLOSE(): void {
      this.server.serverClose();
    }
  }
  for (const path of ["/chunked", "/counted"]) {
    await assert.rejects(serve(Handler).inject({ path }), (error) => {
      assert.ok(error instanceof ResponseCutError);
      const message =
        "the server has closed the connection before the end of its response, 200, after 6 bytes of content";
      assert.deepEqual([error.name, error.message], ["ResponseCutError", message]);
      const { status, reason, headers, body, trailers, informational } = error.response!;
      assert.deepEqual([status, reason, headers.get("X-A"), trailers], [200, "OK", "1", undefined]);
      assert.deepEqual([body.toString(), error.response!.text()], ["so far", "so far"]);
      assert.equal(informational[0].headers.get("Link"), "</a.css>");
      return true;
    });
  }
  await assert.rejects(serve(Handler).inject({ method: "CLOSE" }), (error) => {
    assert.ok(error instanceof ResponseCutError);
    assert.equal(error.message, "the server has closed the connection before the end of its response");
    assert.equal(error.response, undefined);
    return true;
  });
});
