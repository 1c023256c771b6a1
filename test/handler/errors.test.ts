/** What becomes of a handler that throws: a clean response while that is possible, an end that the client can tell otherwise. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseHTTPRequestHandler, HTTPError, type HTTPErrorOptions, type RequestHandlerClass } from "plinth";
import {
  beside,
  Gate,
  GET,
  inMemory,
  leaveDuring,
  microtask,
  onSocket,
  post,
  request,
  turn,
  until,
} from "../server/support.ts";
import { takeResponses } from "../support/responses.ts";

const SECRET = "the password is swordfish";

/** A class whose GET is the function given, and whose POST works. */
function handling(get: (this: BaseHTTPRequestHandler) => unknown): RequestHandlerClass {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void | Promise<void> {
      return get.call(this) as void | Promise<void>;
    }

    async do_POST(): Promise<void> {
      const content = await this.rfile.read();
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write(content);
    }
  }
  return Handler;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const failures: Record<string, (this: BaseHTTPRequestHandler) => unknown> = {
  "at once"() {
    throw new Error(SECRET);
  },
  async "in a promise"() {
    await microtask();
    throw new Error(SECRET);
  },
  "behind a head"() {
    this.sendResponse(200);
    this.sendHeader("X-Secret", SECRET);
    this.endHeaders();
    throw new Error(SECRET);
  },
  async "behind a whole response, of which nothing has left"() {
    this.sendResponse(200);
    this.sendHeader("Content-Length", SECRET.length);
    this.endHeaders();
    this.wfile.write(SECRET);
    await microtask();
    throw new Error(SECRET);
  },
  async "behind content of unknown length"() {
    this.sendResponse(200);
    this.endHeaders();
    this.sendTrailer("X-Secret", SECRET);
    this.wfile.write(SECRET);
    await microtask();
    throw new Error(SECRET);
  },
  "with too little content"() {
    this.sendResponse(200);
    this.sendHeader("Content-Length", 100);
    this.endHeaders();
    this.wfile.write(SECRET);
  },
  "by a mistake with the response"() {
    this.endHeaders();
  },
  "with an HTTPError that hides one"() {
    throw new HTTPError(500, undefined, { cause: new Error(SECRET) });
  },
  "with nothing": () => Promise.reject(undefined),
  "with null": () => Promise.reject(null),
  "with a string": () => Promise.reject(SECRET),
  "with an object of no kind": () => Promise.reject(Object.create(null)),
  "with an error that is its own cause"() {
    const error = new Error(SECRET);
    error.cause = error;
    throw error;
  },
  "with something that only looks like a promise": () => ({
    // oxlint-disable-next-line unicorn/no-thenable
    then() {
      throw new Error(SECRET);
    },
  }),
};

for (const [how, get] of Object.entries(failures)) {
  test(`a handler that fails ${how} is a 500 that tells nothing, and the connection goes on`, async (t) => {
    const server = await inMemory(t, handling(get));
    const peer = server.connect();
    await peer.send(GET + post("hello"));
    const [failed, next] = await peer.responses(2);
    assert.equal(failed.status, 500);
    assert.equal(failed.get("content-type"), "application/problem+json");
    assert.deepEqual(JSON.parse(failed.body), { title: "Internal Server Error", status: 500 });
    assert.doesNotMatch(JSON.stringify(failed), /swordfish|\.ts|\.js|node:/);
    assert.equal(next.body, "hello");
    assert.ok(server.log.length > 0, "the log has it");
  });
}

test("what the handler threw is in the log, with its stack and cause, and cannot be taken for another's line", async (t) => {
  const forged = '127.0.0.1 - - [01/Jan/2026 00:00:00] "GET /admin HTTP/1.1" 200 -';
  const Handler = handling(() => {
    throw new Error(`out\n${forged}`, { cause: new Error("in") });
  });
  const server = await inMemory(t, Handler);
  await server.connect().ask(GET);
  const text = server.log.find((line) => line.includes("Error: out")) ?? "";
  assert.match(text, /errors\.test[^]*Error: in[^]*errors\.test/);
  const [first, ...rest] = text.split("\n");
  assert.ok(first.endsWith("Error: out"), first);
  assert.ok(rest.length > 3 && rest.every((line) => line.startsWith("    ")), text);
});

for (const [what, get] of [
  ["no response at all", () => {}],
  [
    "a head without an end",
    function (this: BaseHTTPRequestHandler) {
      this.sendResponse(200);
    },
  ],
] as const) {
  test(`a handler that settles with ${what} is a 500`, async (t) => {
    const server = await inMemory(t, handling(get));
    const peer = server.connect();
    assert.equal((await peer.ask(GET)).status, 500);
    assert.equal((await peer.ask(post("hello"))).body, "hello");
    assert.ok(server.log.some((line) => line.includes("has ended without")));
  });
}

for (const [framing, version, length] of [
  ["counted", "1.1", 100],
  ["chunked", "1.1", null],
  ["until-close", "1.0", null],
] as const) {
  for (const how of ["throws", "settles too early"]) {
    if (how === "settles too early" && framing !== "counted") continue;
    test(`when ${framing} content has begun to leave, a handler that ${how} ends it so that the client can tell`, async (t) => {
      const gate = new Gate();
      const Handler = handling(async function () {
        this.sendResponse(200);
        if (length !== null) this.sendHeader("Content-Length", length);
        this.endHeaders();
        this.wfile.write("partial");
        await gate.opened;
        if (how === "throws") throw new Error(SECRET);
      });
      const server = await onSocket(t, Handler);
      const peer = await server.connect();
      await peer.send(request("GET", "/", version) + GET);
      // A reset that comes in the same moment as bytes looks like an end to some clients, Node among them.
      await until(() => peer.text.includes("partial"), "the first of the content");
      gate.open();
      await until(() => peer.closed || peer.ended, "the end of the connection");
      assert.match(peer.text, /partial(\r\n)?$/, "the last of it, and nothing of another response");
      if (framing === "until-close") assert.equal(peer.error, "ECONNRESET");
      else assert.deepEqual(takeResponses(peer.text, [], true).responses, [], "it is not whole");
      assert.ok(server.log.length > 1);
    });
  }
}

test("content that ends with the connection, in memory as well, does not end in order when the handler throws", async (t) => {
  const Handler = handling(async function () {
    this.sendResponse(200);
    this.endHeaders();
    this.wfile.write("partial");
    await nextTurn();
    throw new Error(SECRET);
  });
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(request("GET", "/", "1.0"));
  await peer.endOfConnection();
  assert.ok(peer.client.wasReset);
});

test("a class that cannot be constructed responds 500", async (t) => {
  let count = 0;
  class Handler extends BaseHTTPRequestHandler {
    readonly field = this.#fail();

    #fail(): number {
      if (count++ === 0) throw new Error(SECRET);
      return count;
    }

    do_GET(): void {
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write(String(this.field));
    }
  }
  const server = await inMemory(t, Handler);
  const peer = server.connect();
  const failed = await peer.ask(GET);
  assert.equal(failed.status, 500);
  assert.doesNotMatch(failed.body, /swordfish/);
  assert.equal((await peer.ask(GET)).body, "2");
  assert.ok(server.log.some((line) => line.includes(SECRET)));
});

test("an HTTPError becomes the response: status, title, detail and fields", async (t) => {
  const Handler = handling(function () {
    if (this.path === "/late") {
      this.sendResponse(200);
      this.sendHeader("X-Other", "1");
      this.endHeaders();
      this.wfile.write("something else");
    }
    throw new HTTPError(429, "Slow\r\ndown", {
      headers: { "Retry-After": 120, "X-Why": "you" },
      detail: "€ \u0007",
      cause: this.path === "/cause" ? new Error(SECRET) : undefined,
    });
  });
  const server = await inMemory(t, Handler);
  const peer = server.connect();
  for (const target of ["/", "/late", "/cause"]) {
    const response = await peer.ask(request("GET", target));
    assert.deepEqual([response.status, response.reason], [429, "Too Many Requests"]);
    assert.deepEqual(
      [response.get("retry-after"), response.get("x-why"), response.get("x-other")],
      ["120", "you", null],
    );
    const content = JSON.parse(Buffer.from(response.body, "latin1").toString()) as unknown;
    assert.deepEqual(content, { title: "Slow\r\ndown", status: 429, detail: "€ \u0007" });
    assert.equal(server.log.splice(0).join().includes(SECRET), target === "/cause");
  }
});

test("an HTTPError has an error's status, its message by default the registered phrase", () => {
  assert.equal(new HTTPError(404).message, "Not Found");
  assert.equal(new HTTPError(499).message, "Error 499");
  assert.ok(new HTTPError(503) instanceof Error);
  assert.deepEqual(new HTTPError(503).headers, {});
  for (const status of [200, 399, 600, 404.5, NaN]) assert.throws(() => new HTTPError(status), RangeError);
});

for (const [what, options] of [
  ["a field that would split the response", { headers: { "X-A": "1\r\nX-B: 2" } }],
  ["a length that is another", { headers: { "Content-Length": 3 } }],
  ["a coding", { headers: { "Transfer-Encoding": "chunked" } }],
] as const) {
  test(`an HTTPError with ${what} is a 500`, async (t) => {
    const Handler = handling(() => {
      throw new HTTPError(400, undefined, options as HTTPErrorOptions);
    });
    const server = await inMemory(t, Handler);
    const peer = server.connect();
    const response = await peer.ask(GET);
    assert.equal(response.status, 500);
    assert.equal(response.get("x-b"), null);
    assert.equal((await peer.ask(post("hello"))).body, "hello");
    assert.ok(server.log.some((line) => line.includes("cannot respond with an error")));
  });
}

test("sendError responds with a problem document, in place of what has not left", async (t) => {
  const Handler = handling(function () {
    if (this.path === "/prepared") {
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write("something else");
    }
    if (this.path === "/plain") return this.sendError(404);
    this.sendError(422, "Not numbers", "val_a is a string", { headers: { "X-A": 1 } });
  });
  const server = await inMemory(t, Handler);
  const peer = server.connect();
  const plain = await peer.ask(request("GET", "/plain"));
  assert.deepEqual(JSON.parse(plain.body), { title: "Not Found", status: 404 });
  for (const target of ["/", "/prepared"]) {
    const response = await peer.ask(request("GET", target));
    assert.deepEqual([response.status, response.reason, response.get("x-a")], [422, "Not numbers", "1"]);
    assert.deepEqual(JSON.parse(response.body), { title: "Not numbers", status: 422, detail: "val_a is a string" });
  }
  assert.equal((await peer.ask(request("HEAD"))).status, 422);
  assert.equal((await peer.ask(post("hello"))).body, "hello", "nothing was left over");
  assert.ok(server.log.some((line) => line.endsWith("code 404, message Not Found")));
});

test("sendError throws when a response has left already", async (t) => {
  let fault: unknown;
  const Handler = handling(async function () {
    this.sendResponse(200);
    this.endHeaders();
    this.wfile.write("x");
    await nextTurn();
    try {
      this.sendError(500);
    } catch (error) {
      fault = error;
    }
    this.wfile.write("y");
  });
  const peer = (await inMemory(t, Handler)).connect();
  assert.equal((await peer.ask(GET)).body, "xy");
  assert.match(String(fault), /another response has left already/);
});

test("a sendError of the class's own is what responses, and when that fails, a plain 500 does", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      throw new HTTPError(403);
    }

    override sendError(code: number): void {
      this.sendResponse(code);
      this.endHeaders();
      this.wfile.write("my own words");
      if (this.path === "/bug") throw new Error(SECRET);
    }
  }
  const server = await inMemory(t, Handler);
  const peer = server.connect();
  const own = await peer.ask(GET);
  assert.deepEqual([own.status, own.body], [403, "my own words"]);
  const plain = await peer.ask(request("GET", "/bug"));
  assert.deepEqual(JSON.parse(plain.body), { title: "Internal Server Error", status: 500 });
  await turn();
  assert.equal((await peer.ask(GET)).status, 403);
});

test("closeConnection holds for the error that comes instead", async (t) => {
  const Handler = handling(function () {
    this.closeConnection = true;
    this.sendResponse(200);
    this.sendHeader("Content-Length", 5);
    this.endHeaders();
    throw new HTTPError(403);
  });
  const peer = (await inMemory(t, Handler)).connect();
  assert.equal((await peer.ask(GET)).get("connection"), "close");
  await peer.endOfConnection();
});

test("a handler that throws with a response half made, its peer gone, harms nobody", async (t) => {
  const gate = new Gate();
  const Handler = handling(async function () {
    await new Promise((resolve) => this.signal.addEventListener("abort", resolve));
    this.sendResponse(200);
    this.endHeaders();
    this.wfile.write("x");
    gate.open();
    this.signal.throwIfAborted();
  });
  const server = await inMemory(t, Handler);
  await leaveDuring(server, gate);
  await turn(); // an uncaught exception would fail this test
  assert.deepEqual(
    server.log.filter((line) => line.includes("Error")),
    [],
    "and is no fault",
  );
});

test("a handler that gives up quietly because its peer is gone is no fault either", async (t) => {
  const gate = new Gate();
  const Handler = handling(async function () {
    await new Promise((resolve) => this.signal.addEventListener("abort", resolve));
    gate.open();
  });
  const server = await inMemory(t, Handler);
  await leaveDuring(server, gate);
  await turn();
  assert.deepEqual(beside(server.log), []);
});

test("a real fault is logged even when the peer is gone", async (t) => {
  const gate = new Gate();
  const Handler = handling(async function () {
    await new Promise((resolve) => this.signal.addEventListener("abort", resolve));
    gate.open();
    throw new TypeError("a bug");
  });
  const server = await inMemory(t, Handler);
  await leaveDuring(server, gate);
  await until(() => server.log.some((line) => line.includes("a bug")), "the log has it");
});

test("who forgets an await, or a return, is told where", async (t) => {
  const late: string[] = [];
  class Forgetful extends BaseHTTPRequestHandler {
    do_GET(): void {
      void this.response();
    }

    async response(): Promise<void> {
      await turn();
      for (const call of [
        () => this.sendText("too late"),
        () => this.sendHeader("X-A", 1),
        () => this.endHeaders(),
        () => this.wfile.write("too late"),
        () => this.sendTrailer("X-A", 1),
      ]) {
        try {
          call();
        } catch (error) {
          late.push((error as Error).message);
        }
      }
    }
  }
  const { connect, log } = await inMemory(t, Forgetful);
  assert.equal((await connect().ask(GET)).status, 500);
  assert.match(
    log[0],
    /Error: Forgetful\.do_GET has ended without a response: it must call sendResponse, sendJson, .*await/,
  );
  await until(() => late.length === 5, "the calls that come too late");
  for (const message of late)
    assert.match(message, /^cannot .*: the handler has ended, and the response with it \(is an await/);
});

test("an HTTPError takes its options in the place of a title, and no other things", () => {
  const error = new HTTPError(409, { detail: "It is taken.", headers: { "X-A": 1 }, cause: 7 });
  assert.deepEqual(
    [error.message, error.detail, error.headers, error.cause],
    ["Conflict", "It is taken.", { "X-A": 1 }, 7],
  );
  assert.throws(
    () => new HTTPError("404" as never),
    /^RangeError: an HTTPError has a number from 400 to 599 as its status, not "404"$/,
  );
  assert.throws(() => new HTTPError(404, 7 as never), /^TypeError: an HTTPError has a string as its message, not 7$/);
});

test("a constructor that does not hand on the context says so", async (t) => {
  class Own extends BaseHTTPRequestHandler {
    // oxlint-disable-next-line no-useless-constructor -- it passes none
    constructor() {
      // @ts-expect-error
      super();
    }
  }
  const { connect, log } = await inMemory(t, Own);
  assert.equal((await connect().ask(GET)).status, 500);
  assert.match(log[0], /Own has a constructor of its own: it must take the context and call super\(context\)/);
});

test("a sendError may be asynchronous; late, or without a response, it ends one request and not the process", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    override async sendError(code: number): Promise<void> {
      await turn();
      if (this.path === "/throws") throw new Error("no words");
      if (this.path !== "/nothing") this.sendText("sorry", code);
    }

    do_GET(): void {
      throw new HTTPError(404);
    }
  }
  const { connect, log } = await inMemory(t, Handler);
  const statusOf = async (path: string): Promise<number> => (await connect().ask(request("GET", path))).status;
  assert.deepEqual([await statusOf("/"), await statusOf("/throws"), await statusOf("/nothing")], [404, 500, 500]);
  assert.ok(log.some((line) => line.includes("no words")));
  assert.ok(log.some((line) => line.includes("sendError has ended without a response")));
});
