// Handlers that block, in threads, behind the real HTTP/1 engine: does the seam carry them?
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { BaseHTTPRequestHandler, HTTPServer, MemoryTransport } from "plinth";
import type { Executor } from "../../src/protocol/exchange.ts";
import type { Services } from "../../src/server/services.ts";
import type { MemoryClient } from "../../src/transport/memory.ts";
import { ThreadExecutor } from "./thread_executor.ts";
import { SharedLine } from "./thread_ring.ts";
import { limited, startPatience, turn } from "./turn.ts";

class LoopHandler extends BaseHTTPRequestHandler {
  do_GET(): void {
    this.sendResponseOnly(200);
    this.endHeaders();
    this.wfile.write("from the event loop");
  }
}

class ThreadServer extends HTTPServer {
  executor!: ThreadExecutor;
  threads = 1;

  protected override makeExecutor(services: Services): Executor {
    return (this.executor = new ThreadExecutor(this.threads, super.makeExecutor(services)));
  }
}

let transport: MemoryTransport;
let server: ThreadServer;

async function activate(threads: number): Promise<void> {
  server.threads = threads;
  await server.serverActivate();
}

beforeEach(() => {
  startPatience();
  transport = new MemoryTransport();
  server = new ThreadServer(["memory", 0], LoopHandler, { transport, log: "none" });
});

afterEach(async () => {
  server.serverClose();
  await server.serveForever(); // resolves when the threads are gone too
  assert.equal(server.executor.running, 0, "every exchange was released");
});

/** Takes what comes until it matches, or the connection is gone. */
async function takeUntil(client: MemoryClient, end: RegExp): Promise<string> {
  let text = "";
  for (;;) {
    text += client.take();
    if (end.test(text.slice(-200)) || client.closed) return text;
    await turn();
  }
}

/** Waits for something that another thread brings about. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

/** Waits until the ring of answers has been full for a while, and `progress` has stood still. */
async function heldUp(progress: () => number = () => 0): Promise<void> {
  const { toMain } = server.executor.threads[0].line;
  for (let turns = 0, before = -1; turns < 100; turns++) {
    await turn();
    if (toMain.room !== null || progress() !== before) turns = 0;
    before = progress();
  }
}

/** Lets the handlers go on that block. */
function openGates(): void {
  for (const { line } of server.executor.threads) {
    Atomics.store(line.words, SharedLine.GATE, 1);
    Atomics.notify(line.words, SharedLine.GATE);
  }
}

/** The content of a chunked message. */
function dechunk(text: string): string {
  let content = "";
  for (let at = text.indexOf("\r\n\r\n") + 4; ;) {
    const end = text.indexOf("\r\n", at);
    const size = parseInt(text.slice(at, end), 16);
    assert.ok(size >= 0, `no chunk begins at ${at}`);
    if (size === 0) return content;
    content += text.slice(end + 2, end + 2 + size);
    at = end + 2 + size + 2;
  }
}

const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: a\r\nWho: me\r\n\r\n`;

test("a small request and its answer", limited, async () => {
  await activate(1);
  const client = transport.connect();
  await client.send(get("/hello"));
  await client.end(); // half-closed is not gone
  const answer = await takeUntil(client, /cancelled$/);
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\nContent-Type: text\/plain\r\nContent-Length: 19\r\n/);
  assert.match(answer, /\r\n\r\nGET me, 0 cancelled$/);
});

test("requests in one packet follow each other through the one slot, and over the event loop", limited, async () => {
  await activate(1);
  const client = transport.connect();
  // The second one's content is left unread in the ring, in front of the third one's head.
  const unread = "POST /glance HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n" + "x".repeat(9000);
  await client.send(get("/hello") + unread + get("/loop") + get("/hello"));
  const answers = await takeUntil(client, /loop[^]*cancelled$/);
  const found = [...answers.matchAll(/GET me|glance|from the event loop/g)].map(([words]) => words);
  assert.deepEqual(found, ["GET me", "glance", "from the event loop", "GET me"]);
});

test("100 (Continue) is sent when the thread asks for the content, and not before", limited, async () => {
  await activate(1);
  const occupant = transport.connect();
  await occupant.send("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
  const client = transport.connect();
  await client.send("POST /count HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  for (let i = 0; i < 20; i++) await turn();
  assert.equal(client.take(), "");
  await occupant.send(" more");
  assert.match(await takeUntil(occupant, /bytes$/), /\r\n\r\n9 bytes$/);
  assert.equal(await takeUntil(client, /\r\n\r\n$/), "HTTP/1.1 100 Continue\r\n\r\n");
  await client.send("ok");
  assert.match(await takeUntil(client, /bytes$/), /^HTTP\/1\.1 200 OK\r\n[^]*2 bytes$/);
});

test("1 MiB in chunks goes through rings of 16 KiB and back, and either end may stop it", limited, async () => {
  await activate(1);
  const client = transport.connect();
  const content = Buffer.alloc(1 << 20);
  for (let i = 0; i < content.length; i += 4) content.writeUInt32BE((i * 2654435761) % 4294967296, i);
  let sent = 0;
  const sending = (async () => {
    await client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (sent < content.length) {
      const piece = content.subarray(sent, sent + 5000);
      await client.send(`${piece.length.toString(16)}\r\n${piece.toString("latin1")}\r\n`);
      sent += piece.length;
      await turn();
    }
    await client.send("0\r\nEcho: trailer\r\n\r\n");
  })();

  // Nothing is taken yet, so all that holds content on its way fills up, and then the client must be held up too.
  await heldUp(() => sent);
  assert.ok(sent < 400_000, `${sent} bytes were taken in though no answer could leave`);

  const answer = await takeUntil(client, /\r\n0\r\nEcho: trailer\r\n\r\n$/);
  await sending;
  assert.ok(Buffer.from(dechunk(answer), "latin1").equals(content));
});

test("an answer of 1 MiB stops the thread while nobody takes it, and goes on afterwards", limited, async () => {
  await activate(1);
  const client = transport.connect();
  await client.send(get("/large"));
  await heldUp();
  const answer = await takeUntil(client, /end$/);
  assert.equal(answer.length - answer.indexOf("\r\n\r\n") - 4, 1 << 20);
});

test("a peer that goes away stops a blocked thread, and the next connection gets the slot", limited, async () => {
  await activate(1);
  const reader = transport.connect();
  await reader.send(get("/endless"));
  await heldUp(); // the client takes nothing: the handler is blocked, for room
  const next = transport.connect();
  await next.send(get("/hello"));
  reader.destroy();
  assert.match(await takeUntil(next, /cancelled$/), /1 cancelled$/);

  // The same where the handler is blocked for content; and one that waits for the thread goes away without having run.
  const writer = transport.connect();
  await writer.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf");
  assert.match(await takeUntil(writer, /half\r\n$/), /200 OK/);
  const waiting = transport.connect();
  await waiting.send(get("/hello"));
  assert.equal(server.executor.running, 2);
  waiting.destroy();
  await until(() => server.executor.running === 1);
  writer.destroy();
  await until(() => server.executor.running === 0);
  await next.send(get("/hello"));
  assert.match(await takeUntil(next, /cancelled$/), /2 cancelled$/);
});

test("a handler that blocks holds up neither another thread nor the event loop", limited, async () => {
  await activate(2);
  const [blocked, other, loop] = [transport.connect(), transport.connect(), transport.connect()];
  await blocked.send(get("/block"));
  await takeUntil(blocked, /begun,/);
  await Promise.all([other.send(get("/hello")), loop.send(get("/loop"))]);
  assert.match(await takeUntil(other, /cancelled$/), /200 OK/);
  assert.match(await takeUntil(loop, /loop$/), /200 OK/);
  assert.equal(blocked.take(), "");
  openGates();
  assert.match(await takeUntil(blocked, /0\r\n\r\n$/), /done/);
});

test("an answer that a thread gets wrong, does not end, or dies over is cut", limited, async () => {
  await activate(2);
  const tooMuch = transport.connect();
  await tooMuch.send("POST /too-much HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
  assert.doesNotMatch(await takeUntil(tooMuch, /never/), /four/);
  const missing = transport.connect();
  await missing.send(get("/missing"));
  assert.equal(await takeUntil(missing, /never/), "");
  await until(() => server.executor.running === 0);

  const dying = transport.connect();
  await dying.send(get("/endless"));
  await takeUntil(dying, /xxx/);
  await server.executor.threads[0].close();
  assert.doesNotMatch(await takeUntil(dying, /never/), /0\r\n\r\n$/);
  const next = transport.connect();
  await next.send(get("/hello"));
  assert.match(await takeUntil(next, /cancelled$/), /200 OK/);
});

test("shutdown waits for a thread", limited, async () => {
  await activate(1);
  const client = transport.connect();
  await client.send(get("/block"));
  await takeUntil(client, /begun,/);
  const stopped = server.shutdown();
  openGates();
  assert.match(await takeUntil(client, /0\r\n\r\n$/), /done/);
  await client.end();
  await stopped;
});
