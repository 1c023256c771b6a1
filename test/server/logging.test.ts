/** The log: lines as Python's http.server writes them, no line that a request could forge, and where they go. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { BaseHTTPRequestHandler, HTTPError, HTTPServer, type LogOption } from "plinth";
import { GET, inMemory, onSocket, request, turn } from "./support.ts";

class Handler extends BaseHTTPRequestHandler {
  do_GET(): void {
    if (this.path === "/missing") throw new HTTPError(404);
    this.sendResponse(200);
    this.endHeaders();
  }
}

/** What Python's log_message puts in front. */
const PREFIX = /^127\.0\.0\.1 - - \[\d\d\/(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\/\d{4} \d\d:\d\d:\d\d\] /;

test("a line for each answer, in Python's format", async (t) => {
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
      await peer.answers(3);
    });
    assert.equal(text.split("\n").length - 1, count, String(log));
    for (const line of text.split("\n").slice(0, -1))
      assert.match(line, /^memory - - \[.*\] "GET \/ HTTP\/1\.1" 200 -$/);
  }
});

test("a log function that throws ends neither the answer nor the server", async (t) => {
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

test("an option log that is none is refused", () => {
  for (const log of ["loud", 7, true]) {
    assert.throws(
      () => new HTTPServer(["127.0.0.1", 0], Handler, { log: log as LogOption }),
      /option log/,
      String(log),
    );
  }
});
