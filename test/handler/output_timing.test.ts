/** When output leaves: with the handler's end, at 16 KiB, at the end of the turn, at flush(); and what leaves together. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { BaseHTTPRequestHandler, type HTTPServerOptions, MemoryTransport, type RequestHandlerClass } from "plinth";
import { Gate, GET, inMemory, MemoryClient, microtask, request, turn } from "../server/support.ts";
import { takeResponses } from "../support/responses.ts";

type Transport = NonNullable<HTTPServerOptions["transport"]>;

/** A transport that keeps each write of the server's apart. */
class Recorder extends MemoryTransport {
  readonly writes: string[] = [];
  /** What memory each lay in. */
  readonly memory: ArrayBufferLike[] = [];
  /** How many of them the socket has not taken at once. */
  full = 0;

  override listen(...[address, options, accept]: Parameters<Transport["listen"]>): ReturnType<Transport["listen"]> {
    return super.listen(address, options, (socket) => {
      const write = socket.write.bind(socket);
      socket.write = (bytes) => {
        this.memory.push(bytes.buffer);
        this.writes.push(Buffer.from(bytes).toString("latin1"));
        const isTaken = write(bytes);
        if (!isTaken) this.full++;
        return isTaken;
      };
      return accept(socket);
    });
  }
}

async function recorded(
  t: TestContext,
  Handler: RequestHandlerClass,
): Promise<{ peer: MemoryClient; writes: string[] }> {
  const transport = new Recorder();
  await inMemory(t, Handler, { transport });
  return { peer: new MemoryClient(transport), writes: transport.writes };
}

test("a head and a small content leave in one write, whoever knew the length", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      if (this.path === "/counted") this.sendHeader("Content-Length", 5);
      this.endHeaders();
      this.wfile.write("hel");
      for (let i = 0; i < 20; i++) await microtask(); // microtasks are of the same turn
      this.wfile.write("lo");
    }
  }
  const { peer, writes } = await recorded(t, Handler);
  for (const target of ["/counted", "/"]) {
    const response = await peer.ask(request("GET", target));
    assert.equal(response.get("content-length"), "5");
    assert.equal(response.body, "hello");
    assert.equal(writes.splice(0).length, 1);
  }
});

test("responses to pipelined requests leave together, in their order", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      if (this.path.endsWith("0")) await microtask();
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write(this.path);
    }
  }
  const { peer, writes } = await recorded(t, Handler);
  const targets = Array.from({ length: 16 }, (_, i) => `/${i}`);
  await peer.send(targets.map((target) => request("GET", target)).join(""));
  const responses = await peer.responses(16);
  assert.deepEqual(
    responses.map(({ body }) => body),
    targets,
  );
  assert.ok(writes.length <= 3, `${writes.length} writes`);
});

test("a stream's first chunk does not wait for the last", async (t) => {
  const gates = [new Gate(), new Gate()];
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write("first");
      await gates[0].opened;
      this.wfile.write("second");
      await gates[1].opened;
      this.wfile.write("third");
    }
  }
  const { peer, writes } = await recorded(t, Handler);
  await peer.send(GET);
  await turn();
  assert.equal(writes.length, 1);
  assert.match(writes[0], /\r\nTransfer-Encoding: chunked\r\n[^]*\r\n5\r\nfirst\r\n$/);
  gates[0].open();
  await turn();
  assert.deepEqual(writes.slice(1), ["6\r\nsecond\r\n"]);
  gates[1].open();
  const [response] = await peer.responses(1);
  assert.equal(response.body, "firstsecondthird");
});

test("a counted stream's first bytes do not wait for the last", async (t) => {
  const gate = new Gate();
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.sendHeader("Content-Length", 10);
      this.endHeaders();
      this.wfile.write("first");
      await gate.opened;
      this.wfile.write("after");
    }
  }
  const { peer, writes } = await recorded(t, Handler);
  await peer.send(GET);
  await turn();
  assert.match(writes.join(""), /\r\n\r\nfirst$/);
  gate.open();
  assert.equal((await peer.response()).body, "firstafter");
});

test("a head without content leaves at the end of the turn too", async (t) => {
  const gate = new Gate();
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.sendHeader("Content-Type", "text/event-stream");
      this.endHeaders();
      await gate.opened;
      this.wfile.write("data: 1\n\n");
    }
  }
  const { peer, writes } = await recorded(t, Handler);
  await peer.send(GET);
  await turn();
  assert.match(writes.join(""), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n$/);
  gate.open();
  assert.equal((await peer.response()).body, "data: 1\n\n");
});

for (const counted of [true, false]) {
  test(`16 KiB leave at once, less does not (${counted ? "counted" : "chunked"})`, async (t) => {
    const seen: number[] = [];
    let written: string[] = [];
    class Handler extends BaseHTTPRequestHandler {
      do_GET(): void {
        this.sendResponse(200);
        if (counted) this.sendHeader("Content-Length", 16 * 1024 + 8000);
        this.endHeaders();
        this.wfile.write(Buffer.alloc(8000));
        seen.push(written.length);
        this.wfile.write(Buffer.alloc(16 * 1024));
        seen.push(written.length);
      }
    }
    const { peer, writes } = await recorded(t, Handler);
    written = writes;
    await peer.ask(GET);
    assert.equal(seen[0], 0);
    assert.ok(seen[1] > 0);
  });
}

test("flush() and flushHeaders() send at once", async (t) => {
  const seen: string[] = [];
  let written: string[] = [];
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendResponse(200);
      if (this.path === "/counted") this.sendHeader("Content-Length", 2);
      this.endHeaders();
      this.flushHeaders();
      seen.push(written.join(""));
      this.wfile.write("a");
      this.wfile.flush();
      seen.push(written.join(""));
      this.wfile.write("b");
      seen.push(written.join(""));
    }
  }
  const { peer, writes } = await recorded(t, Handler);
  written = writes;
  for (const [target, a] of [
    ["/counted", "a"],
    ["/", "1\r\na\r\n"],
  ]) {
    const { body } = await peer.ask(request("GET", target));
    assert.equal(body, "ab");
    assert.match(seen[0], /\r\n\r\n$/);
    assert.equal(seen[1], seen[0] + a);
    assert.equal(seen[2], seen[1]);
    writes.length = seen.length = 0;
  }
});

test("flush() before there is anything to send does nothing", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.wfile.flush();
      this.sendResponse(200);
      this.flushHeaders();
      this.sendHeader("X-Late", "1");
      this.endHeaders();
      this.wfile.write("x");
    }
  }
  const { peer, writes } = await recorded(t, Handler);
  assert.equal((await peer.ask(GET)).get("x-late"), "1");
  assert.equal(writes.length, 1);
});

test("the response leaves when the handler settles, before the turn ends", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      await microtask();
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write("x");
    }
  }
  const { peer, writes } = await recorded(t, Handler);
  await peer.send(GET);
  for (let i = 0; i < 20; i++) await microtask();
  assert.equal(takeResponses(writes.join("")).responses.length, 1);
});

test("the memory of what a slow client was sent is used again once that has left", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendResponse(200);
      this.endHeaders();
      this.flushHeaders(); // in chunks, since what is counted is not copied at all
      this.wfile.write(Buffer.alloc(65_536, this.path));
    }
  }
  const transport = new Recorder();
  await inMemory(t, Handler, { transport });
  const large = (): ArrayBufferLike[] => transport.memory.filter(({ byteLength }) => byteLength === 65_536);
  const peer = new MemoryClient(transport);
  for (const target of ["/a", "/b"]) {
    assert.equal((await peer.ask(request("GET", target))).body, target.repeat(32_768));
    assert.equal(transport.full, large().length, "the socket wants no more until that has left");
  }
  assert.equal(large().length, 2);
  assert.equal(new Set(large()).size, 1);
});
