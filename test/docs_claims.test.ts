/** Single sentences of the documentation that were wrong once. Each has a test here, which names its page. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import {
  BaseHTTPRequestHandler,
  HTTPServer,
  MemoryTransport,
  type RequestHandlerClass,
  Router,
  ThreadingHTTPServer,
} from "plinth";
import { MemoryClient, request } from "./server/support.ts";
import { root } from "./support/places.ts";

function page(name: string): string {
  return readFileSync(path.join(root, "docs", name), "utf8").replaceAll(/\s+/g, " ");
}

interface Served {
  readonly log: string[];
  ask(text: string): ReturnType<MemoryClient["ask"]>;
}

async function serve(
  t: { after(task: () => void): void },
  Handler: RequestHandlerClass,
  options = {},
): Promise<Served> {
  const log: string[] = [];
  const transport = new MemoryTransport();
  const httpd = new HTTPServer(["memory", 80], Handler, { log: (line) => log.push(line), transport, ...options });
  t.after(() => httpd.serverClose());
  await httpd.serverActivate();
  return { log, ask: (text) => new MemoryClient(transport).ask(text) };
}

test("PYTHON: error_content_type: values are escaped for HTML, XML and JSON, and left alone for other types", async (t) => {
  assert.match(page("PYTHON.md"), /Values are escaped for HTML, XML and JSON, and left alone for other types\./);
  for (const [type, shown] of [
    ["text/html", "&#60;&#34;&#62;"],
    ["application/xhtml+xml; charset=utf-8", "&#60;&#34;&#62;"],
    ["application/problem+json", '<\\">'],
    ["text/plain", '<">'],
  ] as const) {
    class Own extends BaseHTTPRequestHandler {
      override errorContentType = type;
      override errorMessageFormat = "[%(explain)s]";
      do_GET(): void {
        this.sendError(400, undefined, '<">');
      }
    }
    const { ask } = await serve(t, Own);
    assert.equal((await ask(request("GET"))).body, `[${shown}]`, type);
  }
});

test("PYTHON, ERRORS: HTTP/1.2 to 1.9 are taken for HTTP/1.1; http and https URIs are targets", async (t) => {
  assert.match(
    page("PYTHON.md"),
    /`requestLine` \| Made from its parts\. Only the version may have been another: HTTP\/1\.2 to 1\.9 are "HTTP\/1\.1"/,
  );
  assert.match(page("ERRORS.md"), /an absolute http or https URI/);
  assert.match(page("ERRORS.md"), /it takes HTTP\/1\.2 to 1\.9 for HTTP\/1\.1/);
  class Lines extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendText(`${this.requestLine} | ${this.requestVersion}`);
    }
  }
  const { ask } = await serve(t, Lines);
  for (let minor = 1; minor < 10; minor++)
    assert.equal((await ask(`GET /a HTTP/1.${minor}\r\nHost: a\r\n\r\n`)).body, "GET /a HTTP/1.1 | HTTP/1.1");
  for (const target of ["http://a/b", "https://a/b"])
    assert.equal((await ask(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)).body, `GET ${target} HTTP/1.1 | HTTP/1.1`);
  for (const [line, status] of [
    ["GET ftp://a/b HTTP/1.1", 400],
    ["GET / HTTP/1.10", 400],
    ["GET / HTTP/2.0", 505],
    ["GET / HTTP/0.9", 505],
  ] as const)
    assert.equal((await ask(`${line}\r\nHost: a\r\n\r\n`)).status, status, line);
});

test("GUIDE: what only an object shows of a class, its first request finds", async (t) => {
  assert.match(
    page("GUIDE.md"),
    /Two kinds only an object of the class shows: .* The first request of that class gets a 500 then, and the log says which field/,
  );
  class Behind extends BaseHTTPRequestHandler {
    readonly first = this.path;
    readonly do_POST = (): void => {};
    do_GET(): void {}
  }
  const name = "do_GET";
  class Computed extends BaseHTTPRequestHandler {
    readonly [name] = (): void => {};
  }
  for (const [Handler, field] of [
    [Behind, "do_POST"],
    [Computed, "do_GET"],
  ] as const) {
    const { ask, log } = await serve(t, Handler);
    assert.equal((await ask(request("GET"))).status, 500);
    assert.match(log.join("\n"), new RegExp(`${Handler.name} has ${field} as a field, which no request reaches`));
  }
});

test("GUIDE: two patterns that match the same paths are refused", () => {
  assert.match(
    page("GUIDE.md"),
    /two that match the same paths, such as `\/m\/:x` and `\/m\/:y`, are refused when they are added/,
  );
  class Handler extends BaseHTTPRequestHandler {}
  assert.throws(
    () => new Router({ "/m/:x": Handler, "/m/:y": Handler }),
    /cannot route \/m\/:y: \/m\/:x matches the same paths/,
  );
});

test("GUIDE: behind headTimeout, a head that has begun gets a 408, and a connection without anything is closed", async (t) => {
  assert.match(page("GUIDE.md"), /to the end of its headers: 408, or without a word where nothing has come/);
  class Handler extends BaseHTTPRequestHandler {}
  const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none", headTimeout: 50 });
  await httpd.serverActivate();
  t.after(() => httpd.serverClose());
  const hears = async (text: string): Promise<string> => {
    const socket = net.connect(httpd.serverAddress[1], "127.0.0.1");
    socket.write(text);
    let heard = "";
    for await (const data of socket) heard += String(data);
    return heard;
  };
  assert.equal(await hears(""), "");
  assert.match(await hears("GET / HT"), /^HTTP\/1\.1 408 /);
});

test("sendInformational and sendHeader throw what they say", async (t) => {
  const told: string[] = [];
  const tell = (what: string, call: () => void): void => {
    try {
      call();
      told.push(`${what}: fine`);
    } catch (error) {
      told.push(`${what}: ${(error as Error).name}`);
    }
  };
  class Tells extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      tell("early header", () => this.sendHeader("A", "b"));
      tell("101", () => this.sendInformational(101));
      tell("bad value", () => this.sendInformational(103, { Link: "a\r\nb" }));
      tell("chunked", () => this.sendInformational(103, { "transfer-encoding": "chunked" }));
      tell("length", () => this.sendInformational(103, [["Content-Length", 5]]));
      tell("103", () => this.sendInformational(103, { Link: "</a>" }));
      this.sendResponse(200);
      tell("Transfer-Encoding", () => this.sendHeader("Transfer-Encoding", "chunked"));
      tell("no length", () => this.sendHeader("Content-Length", "x"));
      tell("length 1", () => this.sendHeader("Content-Length", 1));
      tell("length 1 again", () => this.sendHeader("Content-Length", 1));
      tell("length 2", () => this.sendHeader("Content-Length", 2));
      this.endHeaders();
      tell("late header", () => this.sendHeader("A", "b"));
      this.wfile.write("1");
      this.wfile.flush();
      tell("103 behind flush", () => this.sendInformational(103));
    }
    async do_TURN(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      tell("103 in the turn", () => this.sendInformational(103));
      await new Promise((resolve) => setTimeout(resolve, 5));
      tell("103 behind the turn", () => this.sendInformational(103));
    }
    do_MUCH(): void {
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write("x".repeat(16 * 1024));
      tell("103 behind 16 KiB", () => this.sendInformational(103));
    }
  }
  const { ask } = await serve(t, Tells, { informational: "always" });
  for (const method of ["GET", "TURN", "MUCH"]) await ask(request(method));
  assert.deepEqual(told, [
    "early header: Error",
    "101: RangeError",
    "bad value: TypeError",
    "chunked: TypeError",
    "length: TypeError",
    "103: fine",
    "Transfer-Encoding: TypeError",
    "no length: TypeError",
    "length 1: fine",
    "length 1 again: fine",
    "length 2: Error",
    "late header: Error",
    "103 behind flush: Error",
    "103 in the turn: fine",
    "103 behind the turn: Error",
    "103 behind 16 KiB: Error",
  ]);
});

test("a class without a name is called so in messages", () => {
  const make = (members: object, prototype: object = {}): RequestHandlerClass => {
    const Nameless = (() => class extends BaseHTTPRequestHandler {})();
    Object.assign(Nameless, members);
    Object.defineProperties(Nameless.prototype, Object.getOwnPropertyDescriptors(prototype));
    return Nameless;
  };
  const wrong: [() => unknown, RegExp][] = [
    [() => new HTTPServer(["", 0], make({ bufferedBody: "1" })), /^the handler class's bufferedBody must be/],
    [
      () => new HTTPServer(["", 0], make({}, { "do_A B": () => {} })),
      /^the handler class has do_A B, which no request reaches/,
    ],
    [() => new HTTPServer(["", 0], make({}, { do_GET: 5 })), /^the handler class has do_GET as a value/],
    [
      () => new ThreadingHTTPServer(["", 0], make({ module: 5 })),
      /^the handler class's static module must be the URL of a file, not 5/,
    ],
  ];
  for (const [call, message] of wrong) assert.throws(call, { message });
});
