/** How a server ends: gracefully with shutdown, now with serverClose, and from inside its own handlers. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { BaseHTTPRequestHandler, HTTPServer, MemoryTransport, type Transport } from "plinth";
import { connect, Gate, GET, inMemory, onSocket, post, request, turn, until } from "./support.ts";

/** How long what must not hang may take. Well below the default `shutdownTimeout`. */
const SOON = 3000;

function soon(promise: Promise<unknown>, what: string): Promise<void> {
  let done = false;
  void promise.then(() => (done = true));
  return until(() => done, what, SOON);
}

/** Says that it has begun, and responds when told to. */
function waiting(): { begun: Gate; gate: Gate; Handler: typeof BaseHTTPRequestHandler } {
  const begun = new Gate();
  const gate = new Gate();
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      if (this.path !== "/now") {
        begun.open();
        await gate.opened;
      }
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write(this.path);
    }
  }
  return { begun, gate, Handler };
}

test("shutdown lets what runs finish, closes what idles, and takes nothing new", async (t) => {
  const { begun, gate, Handler } = waiting();
  const { httpd } = await onSocket(t, Handler);
  const fresh = await connect(t, httpd.serverAddress);
  const idle = await connect(t, httpd.serverAddress);
  await idle.ask(request("GET", "/now"));
  const busy = await connect(t, httpd.serverAddress);
  await busy.send(request("GET", "/1") + request("GET", "/2"));
  await begun.opened;

  let done = false;
  const ended = httpd.shutdown().then(() => (done = true));
  for (const peer of [fresh, idle]) {
    await peer.endOfConnection();
    await peer.end();
  }
  await assert.rejects(connect(t, httpd.serverAddress), { code: "ECONNREFUSED" });
  assert.equal(done, false, "one handler still runs");
  gate.open();
  const [response] = await busy.responses(1);
  assert.deepEqual([response.body, response.get("connection")], ["/1", "close"]);
  await busy.endOfConnection();
  await busy.end();
  await ended;
  await busy.responses(1); // the request behind it was not taken
});

test("shutdown is one thing, however often it is asked for", async (t) => {
  const { begun, gate, Handler } = waiting();
  const { httpd } = await onSocket(t, Handler);
  const peer = await connect(t, httpd.serverAddress);
  await peer.send(GET);
  await begun.opened;
  const asked = [httpd.shutdown(), httpd.shutdown(), httpd[Symbol.asyncDispose](), httpd.serveForever()];
  await turn();
  gate.open();
  assert.equal((await peer.response()).body, "/");
  await peer.end();
  await Promise.all(asked);
  await httpd.shutdown();
  httpd.serverClose();
  httpd.serverClose();
});

test("a server may be shut down before it has begun, and does not begin then", async () => {
  const { Handler } = waiting();
  const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" });
  await httpd.shutdown();
  await httpd.serveForever();
  await assert.rejects(httpd.serverActivate(), /has been shut down/);
});

test("a server may be shut down while it begins", async (t) => {
  const { Handler } = waiting();
  for (const how of ["shutdown", "serverClose"] as const) {
    const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" });
    t.after(() => httpd.serverClose());
    const serving = httpd.serveForever();
    await httpd[how]();
    await serving;
    await httpd.serverActivate().catch(() => {});
    const [, port] = httpd.serverAddress;
    if (port !== 0) await assert.rejects(connect(t, httpd.serverAddress), { code: "ECONNREFUSED" });
  }
});

test("serverClose cuts what runs", async (t) => {
  const { Handler } = waiting();
  const { httpd } = await onSocket(t, Handler);
  const peer = await connect(t, httpd.serverAddress);
  await peer.send(GET);
  await turn();
  const serving = httpd.serveForever();
  httpd.serverClose();
  await soon(serving, "serveForever");
  await until(() => peer.closed || peer.ended, "the end of the connection");
  assert.equal(peer.text, "");
});

test("what does not finish in time is cut", async (t) => {
  const { Handler } = waiting();
  const { httpd, log } = await onSocket(t, Handler, { shutdownTimeout: 50 });
  const peer = await connect(t, httpd.serverAddress);
  await peer.send(GET);
  await turn();
  await soon(httpd.shutdown(), "shutdown");
  await until(() => peer.closed || peer.ended, "the end of the connection");
  assert.equal(peer.text, "");
  assert.deepEqual(log, []);
});

test("a shutdown without a time limit waits", async (t) => {
  const { begun, gate, Handler } = waiting();
  const { httpd } = await onSocket(t, Handler, { shutdownTimeout: Infinity });
  const peer = await connect(t, httpd.serverAddress);
  await peer.send(GET);
  await begun.opened;
  const ended = httpd.shutdown();
  await new Promise((resolve) => setTimeout(resolve, 30)); // a timer that overflowed would have come
  gate.open();
  assert.equal((await peer.response()).body, "/");
  await peer.end();
  await soon(ended, "shutdown");
});

test("what is on its way still arrives: a head, and content", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      const content = await this.rfile.read();
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write(content);
    }
  }
  for (const sent of ["POST / HT", "POST / HTTP/1.1\r\nHo", post("hello").slice(0, -2)]) {
    const { httpd, connect } = await inMemory(t, Handler);
    const peer = connect();
    await peer.send(sent);
    const ended = httpd.shutdown();
    await peer.send(post("hello").slice(sent.length));
    assert.equal((await peer.response()).body, "hello", sent);
    await peer.end();
    await ended;
  }
});

test("a handler may wait for the server to shut down by whatever name it has it, before its first await", async (t) => {
  let stop = (): Promise<void> => Promise.reject(new Error("not there yet"));
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      await stop();
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write("bye");
    }
  }
  const { httpd } = await onSocket(t, Handler);
  stop = () => httpd.shutdown();
  const peer = await connect(t, httpd.serverAddress);
  await peer.send(GET);
  await soon(
    peer.response().then((response) => assert.equal(response.body, "bye")),
    "the response",
  );
  await peer.end();
  await soon(httpd.serveForever(), "the end");
});

for (const awaited of [true, false]) {
  test(`a handler may shut its server down, ${awaited ? "and wait for it" : "without waiting for it"}`, async (t) => {
    const gate = new Gate();
    const asked = new Gate();
    class Handler extends BaseHTTPRequestHandler {
      async do_GET(): Promise<void> {
        if (this.path === "/other") {
          await gate.opened;
        } else {
          await turn();
          const down = this.server.shutdown();
          asked.open();
          if (awaited) await down;
        }
        this.sendResponse(200);
        this.endHeaders();
        this.wfile.write(this.path);
      }
    }
    const { httpd } = await onSocket(t, Handler);
    const serving = httpd.serveForever();
    const other = await connect(t, httpd.serverAddress);
    await other.send(request("GET", "/other"));
    await turn();
    const peer = await connect(t, httpd.serverAddress);
    await peer.send(request("GET", "/down"));
    await asked.opened;
    if (awaited) {
      await turn();
      assert.equal(peer.text, "", "another handler still runs");
    } else {
      await peer.responses(1);
    }
    gate.open();
    for (const [one, body] of [
      [other, "/other"],
      [peer, "/down"],
    ] as const) {
      const response = await one.response();
      assert.deepEqual([response.body, response.get("connection")], [body, "close"]);
      await one.end();
    }
    await soon(serving, "serveForever");
  });
}

test("handlers that wait for the same shutdown do not wait for each other", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      await turn();
      await Promise.all([this.server.shutdown(), this.server.shutdown()]);
      this.sendResponse(200);
      this.endHeaders();
    }
  }
  const server = await onSocket(t, Handler);
  const peers = [await server.connect(), await server.connect(), await server.connect()];
  for (const peer of peers) await peer.send(GET);
  for (const peer of peers) {
    assert.equal((await peer.response()).status, 200);
    await peer.end();
  }
  await soon(server.httpd.serveForever(), "serveForever");
});

test("a shutdown that a handler asks for when it has settled waits for the others like any", async (t) => {
  const gate = new Gate();
  const asked = new Gate();
  let done = false;
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      if (this.path === "/other") await gate.opened;
      else {
        setImmediate(() => {
          void this.server.shutdown().then(() => (done = true));
          asked.open();
        });
      }
      this.sendResponse(200);
      this.endHeaders();
    }
  }
  const server = await inMemory(t, Handler);
  const other = server.connect();
  await other.send(request("GET", "/other"));
  const peer = server.connect();
  await peer.send(GET);
  await asked.opened;
  await peer.endOfConnection();
  await peer.end();
  await turn();
  assert.equal(done, false, "the other handler still runs");
  gate.open();
  await other.response();
  await other.end();
  await until(() => done, "shutdown");
});

test("a handler that never settles holds shutdown up only until its time is over, though its peer has gone", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): Promise<void> {
      return new Promise(() => {});
    }
  }
  const server = await inMemory(t, Handler, { shutdownTimeout: 50 });
  const peer = server.connect();
  await peer.send(GET);
  peer.destroy();
  await turn();
  await soon(server.httpd.shutdown(), "shutdown");
});

test("a client that has just been given, or has just come, may still ask within the grace, and is told that it ends", async (t) => {
  const { Handler } = waiting();
  const { httpd } = await onSocket(t, Handler, { shutdownGrace: 5000 });
  const fresh = await connect(t, httpd.serverAddress);
  const idle = await connect(t, httpd.serverAddress);
  await idle.ask(request("GET", "/now"));
  const ended = httpd.shutdown();
  await turn();
  for (const peer of [fresh, idle]) {
    const response = await peer.ask(request("GET", "/now"));
    assert.deepEqual([response.body, response.get("connection")], ["/now", "close"]);
    await peer.endOfConnection();
    await peer.end();
  }
  await soon(ended, "shutdown");
});

test("a server without connections ends at once, one with idle connections when the grace is over, without a grace at once", async (t) => {
  const { Handler } = waiting();
  for (const [options, clients, least, most] of [
    [{}, 0, 0, 400],
    [{}, 1, 400, 3000],
    [{ shutdownGrace: 100 }, 1, 90, 1000],
    [{ shutdownGrace: 0 }, 1, 0, 400],
  ] as const) {
    const { httpd } = await onSocket(t, Handler, options);
    const peers = [];
    for (let i = 0; i < clients; i++) {
      const peer = await connect(t, httpd.serverAddress);
      await peer.ask(request("GET", "/now"));
      void peer.endOfConnection().then(() => peer.end());
      peers.push(peer);
    }
    const began = performance.now();
    await httpd.shutdown();
    const took = performance.now() - began;
    assert.ok(took >= least && took < most, `${JSON.stringify(options)}, ${clients} clients: ${took} ms`);
  }
});

test("a request that lies in the system's buffer when shutdown is called gets a response, however long the turns are meanwhile", async (t) => {
  const { Handler } = waiting();
  const { httpd } = await onSocket(t, Handler, { shutdownGrace: 100 });
  const peer = await connect(t, httpd.serverAddress);
  await peer.ask(request("GET", "/now"));
  await new Promise((resolve) => setTimeout(resolve, 400));
  peer.text = "";
  void peer.send(request("GET", "/now"));
  const ended = httpd.shutdown(); // before this turn is over, nothing is read
  let turns = 0;
  const busy = (): void => {
    const until = performance.now() + 120;
    while (performance.now() < until);
    if (++turns < 4) setImmediate(busy);
  };
  busy();
  const [response] = await peer.responses(1);
  assert.deepEqual([response.body, response.get("connection")], ["/now", "close"]);
  await peer.endOfConnection();
  await peer.end();
  await soon(ended, "shutdown");
});

test("a client that keeps its side open when the server has closed holds shutdown up for no longer than the grace", async (t) => {
  const { Handler } = waiting();
  const { httpd } = await onSocket(t, Handler, { shutdownGrace: 200, lingerTimeout: 60_000 });
  const peer = await connect(t, httpd.serverAddress);
  await peer.ask(request("GET", "/now"));
  await soon(httpd.shutdown(), "shutdown");
});

test("a transport that cannot look for connections does not keep the server from stopping", async () => {
  const { Handler } = waiting();
  const transport = new MemoryTransport();
  const lines: string[] = [];
  const failing: Transport = {
    endOfTurn: (task) => transport.endOfTurn(task),
    listen: async (...args) => ({
      ...(await transport.listen(...args)),
      look: () => Promise.reject(new Error("blind")),
    }),
  };
  const httpd = new HTTPServer(["memory", 80], Handler, { transport: failing, log: (line) => lines.push(line) });
  await httpd.serverActivate();
  await soon(httpd.shutdown(), "shutdown");
  assert.match(lines.join("\n"), /cannot accept the connections that wait: Error: blind/);
});

test("a response whose head has left before the shutdown does not say that it is the last: the next request gets a response", async (t) => {
  const gate = new Gate();
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      this.flushHeaders();
      if (this.path === "/1") await gate.opened;
      this.wfile.write(this.path);
    }
  }
  const { httpd } = await onSocket(t, Handler);
  const peer = await connect(t, httpd.serverAddress);
  await peer.send(request("GET", "/1") + request("GET", "/2"));
  await until(() => peer.text.includes("\r\n\r\n"), "the head");
  const ended = httpd.shutdown();
  await turn();
  gate.open();
  const responses = await peer.responses(2);
  assert.deepEqual(
    responses.map((response) => [response.body, response.get("connection")]),
    [
      ["/1", null],
      ["/2", "close"],
    ],
  );
  await peer.endOfConnection();
  await peer.end();
  await soon(ended, "shutdown");
});

test("a shutdown waits for a socket that is about to listen, and closes it", async (t) => {
  const { Handler } = waiting();
  const httpd = new HTTPServer(["localhost", 0], Handler, { log: "none" });
  let activated = false;
  void httpd.serverActivate().then(() => (activated = true));
  await new Promise((resolve) => process.nextTick(resolve)); // by now it looks the name up
  await soon(httpd.shutdown(), "shutdown");
  assert.equal(activated, true, "it comes to listen behind its end");
  await assert.rejects(connect(t, httpd.serverAddress), { code: "ECONNREFUSED" });
});

test("a peer that does not close its side holds shutdown up only for so long", async (t) => {
  const { Handler } = waiting();
  const { httpd } = await onSocket(t, Handler, { lingerTimeout: 50 });
  const peer = await connect(t, httpd.serverAddress);
  await peer.ask(request("GET", "/now"));
  await soon(httpd.shutdown(), "shutdown");
});
