/** The handler itself: what it knows of the request, that there is a fresh one for each, and what runs around it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseHTTPRequestHandler, type Fields, type HandlerContext, HTTPServer, VERSION } from "plinth";
import { GET, inMemory, microtask, onSocket, post, request, until } from "../server/support.ts";

test("headers are found whatever the case of their names, and keep their order, names and number", async (t) => {
  const seen: Record<string, unknown> = {};
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      const { headers } = this;
      seen["get"] = [
        headers.get("x-a"),
        headers.get("X-A"),
        headers.get("x-empty"),
        headers.get("x-none"),
        headers.get(""),
      ];
      seen["getAll"] = [headers.getAll("X-a"), headers.getAll("x-none")];
      seen["has"] = [headers.has("x-EMPTY"), headers.has("x-none"), headers.has("toString")];
      seen["all"] = [...headers];
      seen["again"] = [...headers].length === headers.length;
      this.sendResponse(204);
      this.endHeaders();
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.ask('GET / HTTP/1.1\r\nHost: a\r\nX-A:  1 \t\r\nx-empty:\r\nx-a: caf\xe9, "2"\r\n\r\n');
  assert.deepEqual(seen, {
    get: ["1", "1", "", null, null],
    getAll: [["1", 'caf\xe9, "2"'], []],
    has: [true, false, false],
    all: [
      ["Host", "a"],
      ["X-A", "1"],
      ["x-empty", ""],
      ["x-a", 'caf\xe9, "2"'],
    ],
    again: true,
  });
});

test("the request is what was sent: target, version, line, client", async (t) => {
  const seen: unknown[] = [];
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      seen.push([this.method, this.path, this.requestVersion, this.requestLine]);
      this.sendResponse(204);
      this.endHeaders();
      assert.ok(this.server instanceof HTTPServer);
      assert.equal(this.server.RequestHandlerClass, Handler);
      assert.deepEqual(this.clientAddress, ["127.0.0.1", port]);
    }
  }
  const server = await onSocket(t, Handler);
  const peer = await server.connect();
  const port = peer.socket.localPort!;
  for (const [line, version, rest] of [
    ["GET /a%20b?c=d&e=%c3%a9 HTTP/1.1", "HTTP/1.1", "Host: a\r\n"],
    ["GET //c/../d HTTP/1.1", "HTTP/1.1", "Host: a\r\n"],
    ["GET http://a/e HTTP/1.1", "HTTP/1.1", "Host: a\r\n"],
    ["GET /?f[]=1|2 HTTP/1.0", "HTTP/1.0", ""],
  ]) {
    assert.equal((await peer.ask(`${line}\r\n${rest}\r\n`)).status, 204);
    assert.deepEqual(seen.pop(), ["GET", line.split(" ")[1], version, line]);
  }
});

test("a kept headers still shows its own request after many others, on a socket too", async (t) => {
  const kept: { headers: Fields; path: string; handler: BaseHTTPRequestHandler }[] = [];
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      // Some are looked at before they are kept, some are not.
      if (kept.length % 2 === 0) this.headers.get("x-number");
      kept.push({ headers: this.headers, path: this.path, handler: this });
      await this.rfile.read();
      this.sendResponse(204);
      this.endHeaders();
    }
  }
  const inner = await inMemory(t, Handler);
  const outer = await onSocket(t, Handler);
  for (const peer of [inner.connect(), await outer.connect()]) {
    const wanted = Array.from({ length: 300 }, (_, i) => `${i}-${"x".repeat((i * 37) % 900)}`);
    const messages = wanted.map((value) => post(value, `X-Number: ${value}\r\n`).replace("/", `/${value}`));
    // One by one, then many in one piece.
    for (const message of messages.slice(0, 100)) await peer.ask(message);
    peer.methods = [];
    await peer.send(messages.slice(100).join(""));
    await peer.responses(200);
    assert.deepEqual(
      kept.map(({ headers }) => headers.get("X-Number")),
      wanted,
    );
    for (const [i, { handler, path }] of kept.splice(0).entries()) {
      assert.equal(path, `/${wanted[i]}`);
      assert.equal(handler.path, path);
      assert.deepEqual(
        [...handler.headers],
        [
          ["Host", "a"],
          ["Content-Length", String(wanted[i].length)],
          ["X-Number", wanted[i]],
        ],
      );
    }
  }
});

test("each request has a fresh handler", async (t) => {
  const handlers = new Set<unknown>();
  class Handler extends BaseHTTPRequestHandler {
    #count = 0;
    count = 0;

    do_GET(): void {
      handlers.add(this);
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write(`${++this.#count} ${++this.count}`);
    }
  }
  const server = await inMemory(t, Handler);
  const peers = [server.connect(), server.connect()];
  for (let i = 0; i < 3; i++) for (const peer of peers) assert.equal((await peer.ask(GET)).body, "1 1");
  assert.equal(handlers.size, 6);
});

test("setup, the method and finish run one behind the other, async or not, also when the method throws", async (t) => {
  const events: string[] = [];
  class Handler extends BaseHTTPRequestHandler {
    override async setup(): Promise<void> {
      events.push(`setup ${this.path}`);
      await new Promise((resolve) => setImmediate(resolve));
      events.push("setup ended");
    }

    async do_GET(): Promise<void> {
      events.push("do_GET");
      await microtask();
      if (this.path === "/throws") throw new Error("no");
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write("of the method");
      events.push("do_GET ended");
    }

    override async finish(): Promise<void> {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.path !== "/throws") this.wfile.write(", of finish");
      events.push("finish");
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(GET + request("GET", "/throws"));
  const [fine, failed] = await peer.responses(2);
  assert.equal(fine.body, "of the method, of finish");
  assert.equal(failed.status, 500);
  const wanted = "setup /|setup ended|do_GET|do_GET ended|finish|setup /throws|setup ended|do_GET|finish";
  assert.equal(events.join("|"), wanted);
});

test("a setup or a finish that throws is a 500; where setup has thrown, nothing else runs", async (t) => {
  const events: string[] = [];
  class Handler extends BaseHTTPRequestHandler {
    override setup(): void {
      if (this.path === "/setup") throw new Error("no");
    }

    do_GET(): void {
      events.push("do_GET");
      this.sendResponse(200);
      this.endHeaders();
    }

    override finish(): void {
      events.push("finish");
      if (this.path === "/finish") throw new Error("no");
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  assert.equal((await peer.ask(request("GET", "/setup"))).status, 500);
  assert.deepEqual(events, []);
  assert.equal((await peer.ask(request("GET", "/finish"))).status, 500);
  assert.equal((await peer.ask(GET)).status, 200);
});

test("setup may response a method that the class has not", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    override setup(): void {
      assert.equal(this.method, "BREW");
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  assert.equal((await peer.ask(request("BREW"))).status, 501);
});

test("every response says who gives it and when; a class may call itself something else", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      if (this.path === "/only") this.sendResponseOnly(200);
      else this.sendResponse(200);
      this.endHeaders();
    }
  }
  class Named extends Handler {
    override versionString(): string {
      return "Teapot/1";
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  const response = await peer.ask(GET);
  assert.equal(response.get("server"), `Plinth/${VERSION}`);
  const date = response.get("date")!;
  assert.match(date, /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/);
  assert.ok(Math.abs(Date.parse(date) - Date.now()) < 5000);
  const only = await peer.ask(request("GET", "/only"));
  assert.deepEqual(
    only.fields.map(([name]) => name),
    ["Content-Length"],
  );
  const named = (await inMemory(t, Named)).connect();
  assert.equal((await named.ask(GET)).get("server"), "Teapot/1");
});

test("dateTimeString writes a time as a Date field has it", async (t) => {
  let text = "";
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      text = this.dateTimeString(new Date(784_111_777_000));
      this.sendResponse(204);
      this.endHeaders();
    }
  }
  await (await inMemory(t, Handler)).connect().ask(GET);
  assert.equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
});

test("handlers of different connections run at the same time, those of one connection one after the other", async (t) => {
  let running = 0;
  let most = 0;
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      this.sendResponse(204);
      this.endHeaders();
    }
  }
  const server = await inMemory(t, Handler);
  const one = server.connect();
  await one.send(GET.repeat(5));
  await one.responses(5);
  assert.equal(most, 1);
  const peers = Array.from({ length: 5 }, () => server.connect());
  for (const peer of peers) await peer.send(GET);
  await until(() => peers.every((peer) => peer.reading.responses.length === 1), "all responses");
  assert.equal(most, 5);
});

test("closeConnection cannot be taken back, and false asks for nothing", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.closeConnection = false;
      const before = this.closeConnection;
      if (this.path !== "/") this.closeConnection = true;
      this.closeConnection = false;
      this.sendJson([before, this.closeConnection]);
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  assert.equal((await peer.ask(request("GET"))).body, "[false,false]");
  const last = await peer.ask(request("GET", "/last"));
  assert.deepEqual([last.body, last.get("connection")], ["[false,true]", "close"]);
});

test("a class may add to its context, as long as it passes on what is there", async (t) => {
  for (const wrap of [
    (context: HandlerContext) => ({ ...context, more: 1 }),
    (context: HandlerContext) => Object.assign(Object.create(context) as HandlerContext, { more: 1 }),
    (context: HandlerContext) => new Proxy(context, {}),
  ]) {
    class Handler extends BaseHTTPRequestHandler {
      constructor(context: HandlerContext) {
        super(wrap(context));
      }

      async do_POST(): Promise<void> {
        this.sendText(await this.text());
      }
    }
    const { httpd } = await inMemory(t, Handler);
    const response = await httpd.inject({ method: "POST", path: "/", body: "content" });
    assert.deepEqual([response.status, response.text()], [200, "content"]);
  }
});
