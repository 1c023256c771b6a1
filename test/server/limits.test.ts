/** How much and how long a peer may take, over real sockets and with a real clock, which ticks four times a second. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BaseHTTPRequestHandler, type HTTPServerOptions } from "plinth";
import { connect, GET, onSocket, post, request, type SocketClient, until } from "./support.ts";

class Handler extends BaseHTTPRequestHandler {
  async do_GET(): Promise<void> {
    this.sendResponse(200);
    this.endHeaders();
    const size = Number(this.path.slice(1));
    const chunk = Buffer.alloc(64 * 1024);
    for (let sent = 0; sent < size; sent += chunk.length) await this.wfile.write(chunk);
  }

  async do_POST(): Promise<void> {
    const content = await this.rfile.read();
    this.sendResponse(200);
    this.endHeaders();
    this.wfile.write(content);
  }

  /** Responses, and leaves the content unread. */
  do_PUT(): void {
    this.sendResponse(200);
    this.endHeaders();
  }
}

/** How long a connection still lives. */
async function lifeOf(peer: SocketClient): Promise<number> {
  const begin = performance.now();
  await peer.endOfConnection();
  return performance.now() - begin;
}

/** Sends one byte of a text every so many milliseconds until the connection has ended. */
async function drip(peer: SocketClient, text: string, milliseconds: number): Promise<void> {
  for (const byte of text) {
    if (peer.ended || peer.closed) return;
    await peer.send(byte);
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
  }
}

function testLimit(
  what: string,
  options: HTTPServerOptions,
  run: (peer: SocketClient, t: Limited) => Promise<void>,
): void {
  test(what, async (t) => {
    const server = await onSocket(t, Handler, options);
    await run(await server.connect(), { log: server.log, connect: () => connect(t, server.httpd.serverAddress) });
  });
}

interface Limited {
  readonly log: string[];
  connect(): Promise<SocketClient>;
}

describe("time", { concurrency: 12 }, () => {
  testLimit(
    "a head that was begun and does not come is given up, with 408",
    { headTimeout: 1000 },
    async (peer, { log }) => {
      await peer.send("GET / HTTP/1.1\r\nHo");
      assert.ok(!peer.ended, "not at once");
      await lifeOf(peer);
      const [response] = await peer.responses(1);
      assert.deepEqual([response.status, response.get("connection")], [408, "close"]);
      assert.match(log[0], /HEAD_TIMEOUT/);
    },
  );

  testLimit("a head that drips does not put that off", { headTimeout: 300 }, async (peer) => {
    const dripping = drip(peer, `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(1000)}`, 20);
    assert.ok((await lifeOf(peer)) < 5000);
    assert.equal((await peer.responses(1))[0].status, 408);
    await dripping;
  });

  testLimit("a connection without a request is closed without a word", { headTimeout: 1000 }, async (peer) => {
    assert.ok(!peer.ended, "not at once");
    await lifeOf(peer);
    assert.equal(peer.text, "");
  });

  testLimit("empty lines are no request", { headTimeout: 300 }, async (peer) => {
    await drip(peer, "\r\n".repeat(100), 20);
    assert.equal(peer.text, "");
    assert.ok(peer.ended);
  });

  testLimit(
    "an idle connection is closed without a word; a request puts that off",
    { keepAliveTimeout: 1200, headTimeout: 60_000 },
    async (peer) => {
      for (let i = 0; i < 4; i++) {
        await peer.ask(GET);
        await new Promise((resolve) => setTimeout(resolve, 400));
      }
      assert.ok(!peer.ended, "it has lived for longer than that");
      await lifeOf(peer);
      assert.equal(peer.text, "");
    },
  );

  testLimit("a later head has a deadline of its own", { headTimeout: 300, keepAliveTimeout: 60_000 }, async (peer) => {
    await peer.ask(GET);
    await new Promise((resolve) => setTimeout(resolve, 700));
    await peer.send("GET /");
    await lifeOf(peer);
    assert.equal((await peer.responses(1))[0].status, 408);
  });

  testLimit(
    "content that a handler waits for and that does not come is given up, with 408",
    { bodyTimeout: 1000 },
    async (peer) => {
      await peer.send(post("hello").slice(0, -1));
      assert.ok(!peer.ended, "not at once");
      await lifeOf(peer);
      const [response] = await peer.responses(1);
      assert.equal(response.status, 408);
      assert.match(response.body, /BODY_TIMEOUT/);
    },
  );

  testLimit("nor does it help when it drips", { bodyTimeout: 300, minBodyRate: 1000 }, async (peer) => {
    const dripping = drip(peer, post("x".repeat(1000)), 20);
    assert.ok((await lifeOf(peer)) < 5000);
    assert.equal((await peer.responses(1))[0].status, 408);
    await dripping;
  });

  testLimit(
    "content at the asked rate may take as long as it needs",
    { bodyTimeout: 900, minBodyRate: 1000 },
    async (peer) => {
      await peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6000\r\n\r\n");
      for (let i = 0; i < 12; i++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        await peer.send("x".repeat(500));
      }
      assert.equal((await peer.response()).body.length, 6000);
    },
  );

  testLimit(
    "unread content is waited for as long as content that a handler reads, and no longer",
    { bodyTimeout: 300 },
    async (peer) => {
      await peer.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx");
      assert.equal((await peer.response()).status, 200);
      assert.ok((await lifeOf(peer)) < 5000);
    },
  );

  testLimit("a client that does not close its side is left behind", { maxLingerTime: 300 }, async (peer) => {
    await peer.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await until(() => peer.ended, "the server's end");
    // What is sent now is read and dropped, then the connection is gone.
    await until(() => {
      if (!peer.closed) peer.socket.write("x");
      return peer.closed;
    }, "the connection's end");
  });
});

// By themselves: much memory moves here, which holds the event loop up.
describe("responses that are not read", () => {
  testLimit("a response that stays unread is given up", { sendTimeout: 300 }, async (peer) => {
    peer.socket.pause();
    await peer.send(request("GET", `/${100 * 1024 * 1024}`));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    peer.socket.resume();
    await lifeOf(peer);
    assert.ok(peer.text.length < 100 * 1024 * 1024);
  });

  testLimit("a response that is read, however slowly, is not", { sendTimeout: 1500 }, async (peer) => {
    const size = 12 * 1024 * 1024;
    let got = 0;
    peer.socket.removeAllListeners("data").on("data", (bytes: Buffer) => {
      got += bytes.length;
      peer.socket.pause();
      setTimeout(() => peer.socket.resume(), 10);
    });
    await peer.send(`GET /${size} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    await until(() => peer.ended || peer.closed, "the end of the response", 60_000);
    assert.ok(got > size, `${got} of ${size} bytes`);
  });
});

describe("number and size", () => {
  testLimit(
    "further connections than the limit are closed at once, until there is room",
    { maxConnections: 2 },
    async (peer, limited) => {
      const second = await limited.connect();
      await peer.ask(GET);
      await second.ask(GET);
      for (let i = 0; i < 3; i++) {
        const third = await limited.connect();
        await third.endOfConnection();
        assert.equal(third.text, "");
      }
      assert.equal((await peer.ask(GET)).status, 200, "those that are there go on");
      assert.equal(
        limited.log.filter((line) => line.includes("too many connections")).length,
        1,
        "the log says it once",
      );
      second.destroy();
      let responded = false;
      while (!responded) {
        const next = await limited.connect();
        void next.send(GET);
        await until(() => next.closed || next.ended || next.reading.responses.length > 0, "a response or an end");
        responded = next.reading.responses.length > 0;
      }
    },
  );

  testLimit("a head, a target, fields and content have their limits", limits(), async (peer, limited) => {
    for (const [message, status] of [
      [request("GET", `/${"x".repeat(99)}`), 200],
      [request("GET", `/${"x".repeat(100)}`), 414],
      [`GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(1000)}\r\n\r\n`, 431],
      [`GET / HTTP/1.1\r\nHost: a\r\n${"X: 1\r\n".repeat(5)}\r\n`, 431],
      [post("x".repeat(1000)), 200],
      [post("x".repeat(1001)), 413],
      [`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${"9".repeat(400)}\r\n\r\n`, 413],
    ] as const) {
      if (peer.ended) peer = await limited.connect();
      assert.equal((await peer.ask(message)).status, status);
      if (status !== 200) await peer.endOfConnection();
    }
  });
});

function limits(): HTTPServerOptions {
  return { maxTargetSize: 100, maxHeadSize: 500, maxFields: 5, maxBodySize: 1000 };
}

test("when handlers hold the event loop up for ever and ever, deadlines still come", async (t) => {
  const { httpd } = await onSocket(t, Handler, { headTimeout: 200 });
  const peer = await connect(t, httpd.serverAddress);
  await peer.send("GET /");
  for (let i = 0; i < 6 && !peer.ended; i++) {
    const begin = performance.now();
    while (performance.now() - begin < 1100); // one that computes
    // Timers, not immediates: while one of those waits, Deno looks at no socket.
    for (let j = 0; j < 5; j++) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assert.ok(peer.ended);
  assert.equal((await peer.responses(1))[0].status, 408);
});
