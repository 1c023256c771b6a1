/** The log: lines as Python's http.server writes them, no line that a request could forge, and where they go. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { format } from "node:util";
import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import { BaseHTTPRequestHandler, HTTPError, HTTPServer, type LogOption } from "plinth";
import { GET, inMemory, onSocket, request, turn } from "../server/support.ts";

class Handler extends BaseHTTPRequestHandler {
  do_GET(): void {
    if (this.path === "/missing") throw new HTTPError(404);
    this.sendResponse(200);
    this.endHeaders();
  }
}

/** What Python's log_message puts in front. */
const PREFIX = /^127\.0\.0\.1 - - \[\d\d\/(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\/\d{4} \d\d:\d\d:\d\d\] /;

test("a line for each response, in Python's format", async (t) => {
  const server = await onSocket(t, Handler);
  const peer = await server.connect();
  await peer.ask(request("GET", "/a?b=c"));
  await peer.ask(request("GET", "/missing", "1.0"));
  for (const line of server.log) assert.match(line, PREFIX);
  assert.deepEqual(
    server.log.map((line) => line.replace(PREFIX, "")),
    ['"GET /a?b=c HTTP/1.1" 200 -', "code 404, message Not Found", '"GET /missing HTTP/1.0" 404 35'],
  );
});

test("the time in it is the local one", async (t) => {
  const server = await onSocket(t, Handler);
  const before = Date.now();
  await (await server.connect()).ask(GET);
  const [, day, month, year, time] = /\[(\d\d)\/(\w+)\/(\d+) ([\d:]+)\]/.exec(server.log[0])!;
  const logged = Date.parse(`${month} ${day} ${year} ${time}`); // read as local time
  assert.ok(logged >= before - 1000 && logged <= Date.now(), server.log[0]);
});

test("control characters are escaped, so that nobody forges a line", async (t) => {
  class Logging extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.logMessage("%s|%d", "a\r\nb\u001b[2J\u0000\u007f\u009b\\c\té", 7);
      this.logError("%s", decodeURIComponent(this.path));
      this.sendResponse(200);
      this.endHeaders();
    }
  }
  const server = await inMemory(t, Logging);
  await server.connect().ask(request("GET", "/%0d%0a127.0.0.1%20-%20-%20forged"));
  const texts = server.log.map((line) => line.slice(line.indexOf("]") + 2));
  assert.deepEqual(texts, [
    "a\\x0d\\x0ab\\x1b[2J\\x00\\x7f\\x9b\\\\c\\x09é|7",
    "/\\x0d\\x0a127.0.0.1 - - forged",
    '"GET /%0d%0a127.0.0.1%20-%20-%20forged HTTP/1.1" 200 -',
  ]);
});

test("so is what nobody would see, or what turns the rest of the line around, and halves of characters", async (t) => {
  const seen: [text: string, escaped: string][] = [
    ["\u2028 \u2029", "\\u2028 \\u2029"],
    ["\u202a\u202b\u202c\u202d\u202e", "\\u202a\\u202b\\u202c\\u202d\\u202e"],
    ["\u2066\u2067\u2068\u2069", "\\u2066\\u2067\\u2068\\u2069"],
    ["\u200e\u200f\u061c", "\\u200e\\u200f\\u061c"],
    ["\ufeff\u200b\u200d\u2060\u00ad", "\\ufeff\\u200b\\u200d\\u2060\\xad"],
    ["\x80\x85\x9f\x7f", "\\x80\\x85\\x9f\\x7f"],
    ["a\ud83d", "a\\ud83d"],
    ["\udc00b\ud800", "\\udc00b\\ud800"],
    ["\u{e0041}\u{e0001}", "\\U000e0041\\U000e0001"],
    ["\u{1f600} é ß 漢字 عربي \xa0 \u3000", "\u{1f600} é ß 漢字 عربي \xa0 \u3000"],
    ["%s %d 100%", "%s %d 100%"],
    ["\\u2028", "\\\\u2028"],
  ];
  class Logging extends BaseHTTPRequestHandler {
    do_GET(): void {
      for (const [text] of seen) this.logMessage("%s", text);
      this.sendText("");
    }
  }
  const server = await inMemory(t, Logging);
  await server.connect().ask(GET);
  assert.deepEqual(
    server.log.slice(0, seen.length).map((line) => line.replace(/^.*?\] /, "")),
    seen.map(([, escaped]) => escaped),
  );
});

test("no text of whatever characters makes more lines than one", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" })), fc.string({ unit: "binary" }), (args, message) => {
      const lines: string[] = [];
      const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: (line) => lines.push(line) });
      httpd.logError(message, ...args);
      assert.equal(lines.length, 1);
      assert.doesNotMatch(lines[0], /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
      // What was escaped can be read back.
      const text = lines[0].replace(/\\(?:\\|x(..)|u(....)|U(.{8}))/g, (_, ...hex) => {
        const code = hex.slice(0, 3).find((digits) => digits !== undefined) as string | undefined;
        return code === undefined ? "\\" : String.fromCodePoint(Number.parseInt(code, 16));
      });
      assert.ok(text.endsWith(`] ${format(message, ...args)}`));
    }),
  );
});

test("an error among the arguments stands in its line, and the rest of its stack below it", async (t) => {
  const lines: string[] = [];
  const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: (line) => lines.push(line) });
  t.after(() => httpd.serverClose());
  const first = new RangeError("out\n127.0.0.1 - - forged\u2028", { cause: new Error("in\r") });
  const second = runInNewContext('new TypeError("of another realm")') as unknown;
  httpd.logError("%s at %d, %s", first, 7, second, "more\n");
  assert.equal(lines.length, 1);
  const [line, ...below] = lines[0].split("\n");
  assert.match(line, /\] RangeError: out at 7, TypeError: of another realm more\\x0a$/);
  assert.equal(below[0], "    127.0.0.1 - - forged\\u2028");
  assert.ok(
    below.every((one) => /^ {4}[ -~]+$/.test(one)),
    lines[0],
  );
  assert.ok(
    below.some((one) => one.includes("Error: in\\x0d")),
    lines[0],
  );
});

test("logError is given the very error that a handler threw; anything else that is thrown, as text", async (t) => {
  const given: unknown[][] = [];
  const boom = new Error("boom");
  const thrown: Record<string, unknown> = { "/error": boom, "/text": "text\nforged", "/object": { a: { b: 1 } } };
  class Own extends BaseHTTPRequestHandler {
    do_GET(): void {
      throw thrown[this.path];
    }
    override logError(...all: [message: string, ...args: unknown[]]): void {
      given.push(all);
    }
  }
  const peer = (await inMemory(t, Own)).connect();
  for (const path of Object.keys(thrown)) assert.equal((await peer.ask(request("GET", path))).status, 500);
  const errors = given.filter(([message]) => message === "%s");
  assert.equal(errors[0][1], boom);
  assert.equal(errors[1][1], "text\nforged");
  assert.match(String(errors[2][1]), /^\{ a: \{ b: 1 \} \}$/);
});

test("a request that is refused is a line, with its code and without its bytes", async (t) => {
  const server = await inMemory(t, Handler);
  const peer = server.connect();
  await peer.ask("G\x1bET / HTTP/1.1\r\n\r\n");
  assert.equal(server.log.length, 1);
  assert.match(server.log[0], /^- - - \[.*\] memory refused: METHOD_INVALID, 400\. /);
});

test("a class may log in its own way", async (t) => {
  const lines: string[] = [];
  class Own extends Handler {
    override logRequest(code: number | string): void {
      lines.push(`request ${this.path} ${code}`);
    }

    override logError(message: string): void {
      lines.push(`error ${message}`);
    }
  }
  class Prefixed extends Handler {
    override logMessage(message: string, ...args: unknown[]): void {
      super.logMessage(`mine: ${message}`, ...args);
    }

    override addressString(): string {
      return "somebody";
    }
  }
  // What a class overrides is called even where the server itself logs nothing.
  const own = (await inMemory(t, Own, { log: "none" })).connect();
  await own.ask(GET);
  await own.ask(request("GET", "/missing"));
  assert.deepEqual(lines, ["request / 200", "error code %d, message %s", "request /missing 404"]);

  const prefixed = await inMemory(t, Prefixed);
  await prefixed.connect().ask(GET);
  assert.match(prefixed.log[0], /^somebody - - \[.*\] mine: "GET \/ HTTP\/1\.1" 200 -$/);
});

/** What comes out on stderr while `during` runs. */
async function stderrOf(t: TestContext, during: () => Promise<void>): Promise<string> {
  let text = "";
  const write = t.mock.method(process.stderr, "write", (chunk: string) => {
    text += chunk;
    return true;
  });
  await during();
  await turn();
  write.mock.restore();
  return text;
}

test("lines go to stderr by default, nowhere with none, and many of a turn in one piece", async (t) => {
  for (const [log, count] of [
    [undefined, 3],
    ["plain", 3],
    ["none", 0],
  ] as const) {
    const server = await inMemory(t, Handler, { log: log! });
    const text = await stderrOf(t, async () => {
      const peer = server.connect();
      await peer.send(GET.repeat(3));
      await peer.responses(3);
    });
    assert.equal(text.split("\n").length - 1, count, String(log));
    for (const line of text.split("\n").slice(0, -1))
      assert.match(line, /^memory - - \[.*\] "GET \/ HTTP\/1\.1" 200 -$/);
  }
});

test("a log function that throws ends neither the response nor the server", async (t) => {
  const log = (): void => {
    throw new Error("the disk is full");
  };
  const server = await inMemory(t, Handler, { log });
  const text = await stderrOf(t, async () => {
    const peer = server.connect();
    assert.equal((await peer.ask(GET)).status, 200);
    assert.equal((await peer.ask(request("GET", "/missing"))).status, 404);
    assert.equal((await peer.ask("X\r\n")).status, 400);
  });
  assert.match(text, /the disk is full/);
});

test("nor does one that is asynchronous, and rejects", async (t) => {
  const log = async (): Promise<void> => {
    await turn();
    throw new Error("the disk is full\n127.0.0.1 - - forged");
  };
  const server = await inMemory(t, Handler, { log });
  const text = await stderrOf(t, async () => {
    const peer = server.connect();
    for (let i = 0; i < 2; i++) assert.equal((await peer.ask(GET)).status, 200);
    await turn();
    await turn();
  });
  const lines = text.split("\n").slice(0, -1);
  assert.equal(lines.filter((line) => line.includes("the disk is full")).length, 2, text);
  assert.equal(lines.filter((line) => line.includes('"GET / HTTP/1.1" 200 -')).length, 2, text);
  assert.ok(!lines.some((line) => line.startsWith("127.0.0.1")), text);
});

test("an option log that is none is refused", () => {
  for (const log of ["loud", 7, true]) {
    assert.throws(
      () => new HTTPServer(["127.0.0.1", 0], Handler, { log: log as LogOption }),
      /option log/,
      String(log),
    );
  }
});
