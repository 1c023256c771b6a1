/** The option handlerTimeout on the event loop, where a handler cannot be stopped: what becomes of it, and of its client. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BaseHTTPRequestHandler, HTTPError, HTTPServer, PeerGoneError, type RequestOutcome } from "plinth";
import { fromSources, root } from "../support/places.ts";
import { runtime, testOnNode } from "../support/runtime.ts";
import { Gate, GET, inMemory, onSocket, post, request, turn, until } from "../server/support.ts";

const LIMIT = 100;
const NEVER = new Promise<void>(() => {});

/** The lines that speak of a fault. */
function faults(log: readonly string[]): string[] {
  return log.filter((line) => /Error\b|cannot/.test(line));
}

test("the signal aborts with a TimeoutError, and nothing that the handler still says reaches anybody", async (t) => {
  const over = new Gate();
  const seen: unknown[] = [];
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      const { signal } = this;
      const other = this.timeout(60_000);
      seen.push(await this.rfile.read().catch((error: unknown) => error));
      seen.push(signal.reason, other.reason === signal.reason, this.clientGone);
      this.sendInformational(103, { Link: "</late.css>" });
      this.sendText("too late");
      await turn();
      await Promise.resolve(this.wfile.write("far too late")).catch(() => {});
      this.wfile.flush();
      this.sendTrailer("X-Late", "1");
      this.closeConnection = true;
      seen.push(this.method, this.path, this.headers.get("Host"), this.trailers);
      over.open();
    }
  }
  const server = await onSocket(t, Handler, { handlerTimeout: LIMIT });
  const peer = await server.connect();
  await peer.send(post("hello").slice(0, -1));
  const response = await peer.response("POST");
  assert.deepEqual([response.status, response.get("connection")], [503, "close"]);
  await over.opened;
  const [read, reason, isSame, isGone, ...rest] = seen;
  assert.ok(read instanceof PeerGoneError && read.reason === "shutdown", String(read));
  assert.ok(reason instanceof DOMException && reason.name === "TimeoutError", String(reason));
  assert.match(reason.message, /100 ms of handlerTimeout/);
  assert.deepEqual([isSame, isGone, ...rest], [true, true, "POST", "/", "a", undefined]);
  await peer.endOfConnection();
  assert.equal(peer.text, "");
  peer.destroy();
  await server.httpd.shutdown();
  assert.deepEqual(faults(server.log), []);
  assert.match(server.log[0], /POST \/ took more than 100 ms$/);
  assert.match(server.log[1], /code 503, message Service Unavailable$/);
  assert.match(server.log[2], /"POST \/ HTTP\/1\.1" 503 105$/);
});

test("a signal first asked for when the time is over is aborted with the same reason", async (t) => {
  const gate = new Gate();
  const names: string[] = [];
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      await gate.opened;
      names.push(...[this.timeout(60_000), this.signal].map(({ reason }) => (reason as Error).name));
    }
  }
  const peer = (await inMemory(t, Handler, { handlerTimeout: LIMIT })).connect();
  await peer.send(GET);
  assert.equal((await peer.response()).status, 503);
  gate.open();
  await until(() => names.length === 2, "the handler's end");
  assert.deepEqual(names, ["TimeoutError", "TimeoutError"]);
});

for (const [name, how] of Object.entries({
  "its signal made": (handler) => handler.signal.throwIfAborted(),
  "a read made": (handler) => handler.rfile.read(),
  "it waited for": (handler) => sleep(0, undefined, { signal: handler.signal }),
} satisfies Record<string, (handler: BaseHTTPRequestHandler) => unknown>)) {
  test(`a handler that ends with the error that ${name} is no fault`, async (t) => {
    const over = new Gate();
    class Handler extends BaseHTTPRequestHandler {
      async do_GET(): Promise<void> {
        await new Promise((resolve) => this.signal.addEventListener("abort", resolve));
        await how(this);
      }

      override finish(): void {
        over.open();
      }
    }
    const server = await inMemory(t, Handler, { handlerTimeout: LIMIT });
    const peer = server.connect();
    await peer.send(GET);
    assert.equal((await peer.response()).status, 503);
    await over.opened;
    peer.destroy();
    await server.httpd.shutdown();
    assert.deepEqual(faults(server.log), []);
  });
}

test("a fault behind the time is logged, and changes no response", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      await new Promise((resolve) => this.signal.addEventListener("abort", resolve));
      throw new RangeError("a bug");
    }
  }
  const server = await inMemory(t, Handler, { handlerTimeout: LIMIT });
  const peer = server.connect();
  await peer.send(GET);
  assert.equal((await peer.response()).status, 503);
  await until(() => server.log.some((line) => line.includes("RangeError: a bug")), "the line in the log");
  await peer.endOfConnection();
  assert.equal(peer.text, "");
});

test("a connection ends behind its 503, though the handler never does, and no other request of it is run", async (t) => {
  let begun = 0;
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): Promise<void> {
      begun++;
      return NEVER;
    }
  }
  const server = await onSocket(t, Handler, { handlerTimeout: LIMIT, shutdownTimeout: 200 });
  const peer = await server.connect();
  await peer.send(GET + GET);
  await peer.endOfConnection();
  assert.equal((await peer.responses(1))[0].status, 503);
  assert.equal(begun, 1);
  const began = performance.now();
  await server.httpd.shutdown();
  assert.ok(performance.now() - began >= 190, "the handler still runs: it is waited for, as any is");
});

test("shutdown waits for a handler that goes on behind its time, and for no longer", async (t) => {
  const gate = new Gate();
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      await gate.opened;
    }
  }
  const server = await inMemory(t, Handler, { handlerTimeout: LIMIT });
  const peer = server.connect();
  await peer.send(GET);
  assert.equal((await peer.response()).status, 503);
  await peer.endOfConnection();
  peer.destroy();
  let isDown = false;
  const down = server.httpd.shutdown().then(() => (isDown = true));
  await turn();
  assert.equal(isDown, false);
  gate.open();
  await down;
});

test("the 503 looks as the class has its errors look: a fresh object of it sends them", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    begun = false;

    async do_GET(): Promise<void> {
      this.begun = true;
      await NEVER;
    }

    override sendResponse(code: number, message?: string): void {
      super.sendResponse(code, message);
      this.sendHeader("Access-Control-Allow-Origin", "*");
    }

    override async sendError(code: number, message?: string, explain?: string): Promise<void> {
      await turn();
      this.sendJson({ code, message, explain, begun: this.begun }, code);
    }
  }
  const server = await inMemory(t, Handler, { handlerTimeout: LIMIT });
  const peer = server.connect();
  await peer.send(GET);
  const response = await peer.response();
  assert.equal(response.get("access-control-allow-origin"), "*");
  assert.deepEqual(JSON.parse(response.body), {
    code: 503,
    message: "Service Unavailable",
    explain: "The request took longer than this server allows.",
    begun: false,
  });
  await peer.endOfConnection();
});

test("where the class's own sendError fails, a plain error is sent; where it waits for ever, the connection is cut", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): Promise<void> {
      return NEVER;
    }

    override sendError(): Promise<void> {
      if (this.path === "/fails") throw new Error("no page for this");
      return NEVER;
    }
  }
  const server = await inMemory(t, Handler, { handlerTimeout: LIMIT });
  const failing = server.connect();
  await failing.send(request("GET", "/fails"));
  assert.equal((await failing.response()).status, 500);
  const waiting = server.connect();
  await waiting.send(request("GET", "/waits"));
  await until(() => waiting.client.closed, "the cut");
  assert.equal(waiting.client.take(), "");
});

test("a response that is whole is left alone, and so is its connection; the handler is told", async (t) => {
  const gate = new Gate();
  const reasons: unknown[] = [];
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendText(this.path);
      if (this.path === "/quick") return;
      this.signal.addEventListener("abort", () => reasons.push(this.signal.reason));
      await gate.opened;
    }

    async do_HEAD(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      await gate.opened;
    }

    async do_DELETE(): Promise<void> {
      this.sendResponse(204);
      this.endHeaders();
      await gate.opened;
    }
  }
  const server = await onSocket(t, Handler, { handlerTimeout: LIMIT });
  const peers = await Promise.all(
    ["GET", "HEAD", "DELETE"].map(async (method) => {
      const peer = await server.connect();
      await peer.send(request(method, "/goes-on") + request("GET", "/quick"));
      assert.equal((await peer.response(method)).status, method === "DELETE" ? 204 : 200);
      return peer;
    }),
  );
  await until(() => reasons.length === 1, "the signal");
  assert.equal((reasons[0] as Error).name, "TimeoutError");
  await sleep(LIMIT);
  assert.deepEqual(
    peers.map(({ text, closed, ended }) => `${text}${closed || ended}`),
    ["false", "false", "false"],
    "the next request waits for the handler, as ever",
  );
  gate.open();
  for (const peer of peers) assert.equal((await peer.response()).body, "/quick");
  for (const peer of peers) peer.destroy();
  await server.httpd.shutdown();
  assert.ok(!server.log.some((line) => line.includes("took more")));
});

test("one that has announced more than it has written is cut off", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.sendHeader("Content-Length", 10);
      this.endHeaders();
      this.wfile.write("so far");
      await NEVER;
    }
  }
  const server = await onSocket(t, Handler, { handlerTimeout: LIMIT });
  const peer = await server.connect();
  await peer.send(GET);
  await peer.endOfConnection();
  assert.match(peer.text, /\r\n\r\nso far$/);
  assert.match(server.log[0], /GET \/ took more than 100 ms$/);
  assert.match(server.log[1], /"GET \/ HTTP\/1\.1" 200 6 failed$/);
});

test("each request that took too long has one outcome, which says what became of its response", async (t) => {
  const outcomes: RequestOutcome[] = [];
  const gate = new Gate();
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      if (this.path === "/whole") this.sendText("whole");
      if (this.path === "/part") {
        this.sendResponse(200);
        this.endHeaders();
        this.wfile.write("part");
      }
      await gate.opened;
    }

    override requestEnded(outcome: RequestOutcome): void {
      outcomes.push(outcome);
    }
  }
  const server = await onSocket(t, Handler, { handlerTimeout: LIMIT });
  for (const path of ["/none", "/part", "/whole"]) {
    const peer = await server.connect();
    await peer.send(request("GET", path));
    if (path === "/whole") await sleep(2 * LIMIT);
    else await peer.endOfConnection();
    if (path === "/whole") gate.open();
    await until(() => outcomes.at(-1)?.path === path, `the outcome of ${path}`);
    peer.destroy();
  }
  await server.httpd.shutdown();
  assert.deepEqual(
    outcomes.map(({ path, status, reason, bytesSent, error }) => [path, status, reason, bytesSent, nameOf(error)]),
    [
      ["/none", 503, "complete", 105, "HTTPError"],
      ["/part", 200, "failed", 4, "TimeoutError"],
      ["/whole", 200, "complete", 5, "undefined"],
    ],
  );
  for (const { duration } of outcomes) assert.ok(duration > LIMIT - 10, `${duration} ms`);
});

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : String(error);
}

test("a writer that waits for a client which does not read is over time as well", async (t) => {
  let over = false;
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      while (!this.signal.aborted) await Promise.resolve(this.wfile.write(Buffer.alloc(100_000))).catch(() => {});
      over = true;
    }
  }
  const server = await inMemory(t, Handler, { handlerTimeout: LIMIT });
  const peer = server.connect();
  await peer.send(GET);
  await until(() => over, "the handler's end");
  await peer.endOfConnection();
  assert.ok(peer.text.length > 64 * 1024 && !peer.text.endsWith("0\r\n\r\n"));
});

test("a client that has left is not spoken of, and one that only half-closed gets its 503", async (t) => {
  const gate = new Gate();
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      await gate.opened;
    }
  }
  const server = await onSocket(t, Handler, { handlerTimeout: LIMIT });
  const gone = await server.connect();
  await gone.send(GET);
  await turn();
  gone.socket.resetAndDestroy();
  const half = await server.connect();
  await half.send(GET);
  await half.end();
  assert.equal((await half.response()).status, 503);
  gate.open();
  await server.httpd.shutdown();
  assert.equal(server.log.filter((line) => line.includes("took more")).length, 1);
});

test("of many handlers, those that take too long get 503, each in its time, and the others as ever", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      if (this.path !== "/0") await (this.path === "/1" ? sleep(20) : NEVER);
      this.sendText("in time");
    }
  }
  const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none", handlerTimeout: 300 });
  t.after(() => httpd.serverClose());
  const responses = await Promise.all(
    Array.from({ length: 90 }, async (_, i) => {
      await sleep(i * 2);
      const began = performance.now();
      const { status } = await httpd.inject({ path: `/${i % 3}` });
      return [status, performance.now() - began] as const;
    }),
  );
  for (const [i, [status, took]] of responses.entries()) {
    assert.equal(status, i % 3 === 2 ? 503 : 200);
    if (status === 503) assert.ok(took > 290 && took < 5000, `${took} ms`);
  }
});

testOnNode("an event loop that was held up gives what has come meanwhile its turn first", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      await access(root); // the system has done it long before the event loop hears of it
      this.sendText("done");
    }
  }
  const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none", handlerTimeout: 50 });
  t.after(() => httpd.serverClose());
  const response = httpd.inject();
  for (const end = performance.now() + 150; performance.now() < end;);
  assert.equal((await response).status, 200);
});

test("an HTTPError that a handler throws behind a timeout of its own is its response", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      await sleep(60_000, null, { signal: this.timeout(20) }).catch((cause: unknown) => {
        throw new HTTPError(504, { cause });
      });
    }
  }
  const server = await inMemory(t, Handler);
  const peer = server.connect();
  await peer.send(GET);
  assert.equal((await peer.response()).status, 504);
});

test("what is no time is refused when the server is constructed", () => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {}
  }
  for (const [handlerTimeout, message] of [
    [0, /^handlerTimeout must be a number of milliseconds above 0 \(Infinity for no limit\), not 0$/],
    [-1, /^handlerTimeout must be a number of milliseconds above 0 .*, not -1$/],
    [NaN, /^handlerTimeout must be a number/],
    ["5 s", /^handlerTimeout must be a number of milliseconds .*, not "5 s"$/],
  ] as const) {
    assert.throws(() => new HTTPServer(["127.0.0.1", 0], Handler, { handlerTimeout: handlerTimeout as number }), {
      name: typeof handlerTimeout === "number" ? "RangeError" : "TypeError",
      message,
    });
  }
  for (const handlerTimeout of [Infinity, 2 ** 40, 0.5, undefined])
    new HTTPServer(["127.0.0.1", 0], Handler, { handlerTimeout });
});

/** Runs a program that imports the package, to its end. @returns what it has printed, and in how many milliseconds */
function run(program: string): Promise<{ printed: string; took: number }> {
  const from = new URL(fromSources ? "src/mod.ts" : "dist/src/mod.js", `file://${root}/`).href;
  const code = `import { BaseHTTPRequestHandler, HTTPServer } from ${JSON.stringify(from)};\n${program}`;
  const args =
    runtime === "deno" ? ["eval", code] : runtime === "bun" ? ["-e", code] : ["--input-type=module", "-e", code];
  const began = performance.now();
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { cwd: root, timeout: 50_000 }, (error, printed, stderr) => {
      if (error === null) resolve({ printed, took: performance.now() - began });
      else reject(new Error(`${stderr}${error.message}`));
    });
  });
}

const PROGRAM = `
class Handler extends BaseHTTPRequestHandler {
  async do_GET() {
    const signal = this.timeout(40_000);
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (this.path === "/never") await new Promise((resolve) => signal.addEventListener("never", resolve));
    this.sendText("done");
  }
}
const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none", handlerTimeout: LIMIT });
`;

test("times that nobody waits for any more keep no program", async () => {
  const { printed, took } = await run(`${PROGRAM.replace("LIMIT", "40_000")}
    for (let i = 0; i < 3; i++) console.log((await httpd.inject()).text());`);
  assert.equal(printed, "done\n".repeat(3));
  assert.ok(took < 30_000, `${took} ms`);
});

test("a program goes on until its handlers have come to their time", async () => {
  const { printed } = await run(`${PROGRAM.replace("LIMIT", "200")}
    console.log((await httpd.inject({ path: "/never" })).status);
    httpd.serverClose();`);
  assert.equal(printed, "503\n");
});
