/** What `rfile` promises: how much a read gives, when it waits, what it costs, and how it fails. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseHTTPRequestHandler, HTTPServer, PeerGoneError } from "plinth";
import { Gate, GET, inMemory, onSocket, post, postChunks, turn, until } from "../server/support.ts";

/** Reads what it is told to, one read after the other, and keeps what came. */
function readerOf(sizes: readonly (number | undefined)[]): { Handler: typeof BaseHTTPRequestHandler; got: string[] } {
  const got: string[] = [];
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      for (const size of sizes) got.push((await this.rfile.read(size)).toString("latin1"));
      this.sendResponse(204);
      this.endHeaders();
    }
  }
  return { Handler, got };
}

for (const [framing, message] of [
  ["counted", post("0123456789")],
  ["chunked", postChunks(["01", "234567", "8", "9"])],
]) {
  test(`read(n) gives n bytes, fewer only at the end, of ${framing} content that comes byte by byte`, async (t) => {
    const { Handler, got } = readerOf([3, 4, 100, 5, undefined]);
    const peer = (await inMemory(t, Handler)).connect();
    for (const byte of message) await peer.send(byte);
    assert.equal((await peer.response()).status, 204);
    assert.deepEqual(got, ["012", "3456", "789", "", ""]);
  });

  test(`read() and read(-1) give all that is left of ${framing} content`, async (t) => {
    const { Handler, got } = readerOf([1, -1, undefined]);
    const peer = (await inMemory(t, Handler)).connect();
    await peer.ask(message);
    assert.deepEqual(got, ["0", "123456789", ""]);
  });
}

test("read(0) waits for nothing and takes nothing", async (t) => {
  const { Handler, got } = readerOf([0, 5]);
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(post("hello").slice(0, -5));
  await turn();
  assert.deepEqual(got, [""]);
  await peer.send("hello");
  await peer.response();
  assert.deepEqual(got, ["", "hello"]);
});

test("a number of bytes that is none is a RangeError, and takes nothing", async (t) => {
  let rest = "";
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      for (const n of [NaN, -2, -0.5, -Infinity])
        await assert.rejects(async () => this.rfile.read(n), RangeError, String(n));
      rest = (await this.rfile.read(Infinity)).toString();
      this.sendResponse(204);
      this.endHeaders();
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  assert.equal((await peer.ask(post("hello"))).status, 204);
  assert.equal(rest, "hello");
});

test("without content, a read gives nothing at once: a length that is not there reads as 0", async (t) => {
  const got: number[] = [];
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      const contentLength = Number(this.headers.get("Content-Length"));
      for (const n of [contentLength, 10, -1]) got.push((await this.rfile.read(n)).length);
      this.sendResponse(204);
      this.endHeaders();
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.ask(GET);
  assert.deepEqual(got, [0, 0, 0]);
});

test("a second read while one waits throws, and does the first no harm", async (t) => {
  let first = "";
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      const reading = this.rfile.read(5);
      await assert.rejects(async () => this.rfile.read(5), /another read/);
      first = (await reading).toString();
      this.sendResponse(204);
      this.endHeaders();
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(post("hello").slice(0, -4));
  await turn();
  await peer.send("ello");
  assert.equal((await peer.response()).status, 204);
  assert.equal(first, "hello");
});

test("a length that was announced costs nothing until it comes", async (t) => {
  const { Handler } = readerOf([undefined]);
  const server = await inMemory(t, Handler, { maxBodySize: Infinity });
  const before = process.memoryUsage().arrayBuffers;
  const peers = [server.connect(), server.connect()];
  await peers[0].send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${2 ** 40}\r\n\r\nx`);
  await peers[1].send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000\r\nx");
  await turn();
  const cost = process.memoryUsage().arrayBuffers - before;
  assert.ok(cost < 1024 * 1024, `${cost} bytes`);
});

test("content of many lengths comes whole, whatever the sizes of the buffers on its way", async (t) => {
  const { Handler, got } = readerOf([undefined]);
  const peer = (await inMemory(t, Handler)).connect();
  for (const length of [1, 65_535, 65_536, 65_537, 200_000]) {
    const content = Buffer.alloc(length, "0123456789abcde").toString();
    assert.equal((await peer.ask(post(content))).status, 204);
    assert.equal((await peer.ask(postChunks([content]))).status, 204);
    assert.equal(got.pop() === content && got.pop() === content, true, `${length} bytes`);
  }
});

test("a handler that does not read stops its peer from sending", async (t) => {
  const gate = new Gate();
  let length = 0;
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      await gate.opened;
      for (let bytes; (bytes = await this.rfile.read(50_000)).length > 0;) length += bytes.length;
      this.sendResponse(204);
      this.endHeaders();
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  const piece = "x".repeat(8192);
  let sent = 0;
  const sending = (async () => {
    await peer.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${128 * piece.length}\r\n\r\n`);
    for (; sent < 128; sent++) await peer.send(piece);
  })();
  await turn();
  assert.ok(sent > 0 && sent < 8, `the server took ${sent} pieces that nobody had read`);
  gate.open();
  await sending;
  assert.equal((await peer.response()).status, 204);
  assert.equal(length, 128 * piece.length);
});

test("over TCP too: what a kernel keeps is all that comes", async (t) => {
  const gate = new Gate();
  let length = 0;
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      await gate.opened;
      for (let bytes; (bytes = await this.rfile.read(1024 * 1024)).length > 0;) length += bytes.length;
      this.sendResponse(204);
      this.endHeaders();
    }
  }
  const server = await onSocket(t, Handler, { maxBodySize: Infinity });
  const peer = await server.connect();
  const piece = Buffer.alloc(1024 * 1024);
  await peer.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${48 * piece.length}\r\n\r\n`);
  let sent = 0;
  const sending = (async () => {
    for (; sent < 48; sent++) await peer.send(piece);
  })();
  let before = -1;
  while (before !== sent) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(sent < 24, `${sent} MiB that nobody reads have been taken`);
  gate.open();
  await sending;
  assert.equal((await peer.response()).status, 204);
  assert.equal(length, 48 * piece.length);
});

test("100 Continue goes out when somebody first wants the content, and once", async (t) => {
  const gate = new Gate();
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      await gate.opened;
      const content = `${String(await this.rfile.read(2))}|${String(await this.rfile.read())}`;
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write(content);
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(post("hello", "Expect: 100-continue\r\n").slice(0, -5));
  await turn();
  assert.deepEqual(peer.reading, { responses: [], rest: "" }, "nobody has asked for it yet");
  gate.open();
  await until(() => peer.reading.responses.length > 0, "100 Continue");
  await peer.send("hello");
  assert.equal((await peer.responses(1))[0].body, "he|llo");
  assert.deepEqual(
    peer.reading.responses.map(({ status }) => status),
    [100, 200],
  );
});

test("trailers are there once the content has been read to its end", async (t) => {
  const seen: unknown[] = [];
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      await this.rfile.read(2);
      seen.push(this.trailers);
      await this.rfile.read();
      seen.push(this.trailers === undefined ? undefined : [...this.trailers], this.headers.get("Sum"));
      this.sendResponse(204);
      this.endHeaders();
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.ask(postChunks(["hello"], "Sum: 7\r\nsum: 8\r\n"));
  await peer.ask(postChunks(["hello"]));
  assert.deepEqual(seen, [
    undefined,
    [
      ["Sum", "7"],
      ["sum", "8"],
    ],
    null,
    undefined,
    undefined,
    null,
  ]);
});

test("content past the limit is refused, before a handler when it is announced and under its read when it is not", async (t) => {
  const faults: unknown[] = [];
  let started = 0;
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      started++;
      await this.rfile.read().catch((error: unknown) => {
        faults.push(error);
        throw error;
      });
    }
  }
  const server = await inMemory(t, Handler, { maxBodySize: 10 });
  for (const message of [post("01234567890"), postChunks(["012345", "67890"])]) {
    const peer = server.connect();
    assert.equal((await peer.ask(message)).status, 413);
    await peer.endOfConnection();
  }
  assert.equal(started, 1);
  assert.equal(faults.length, 1);
  assert.ok(faults[0] instanceof PeerGoneError && faults[0].reason === "malformed");
});

test("what was read stays as it was, whatever else comes over the connection", async (t) => {
  const kept: Buffer[] = [];
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      kept.push(await this.rfile.read());
      this.sendResponse(204);
      this.endHeaders();
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  const contents = Array.from({ length: 50 }, (_, i) => String(i).repeat(20 + i));
  for (const content of contents) await peer.ask(post(content));
  assert.deepEqual(kept.map(String), contents);
});

test("a peer that leaves in mid-content fails the read; one nobody awaits brings nothing down", async (t) => {
  const faults: unknown[] = [];
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      await this.rfile.read().catch((error: unknown) => faults.push(error));
      // From here on, nothing is left to be read.
      await this.rfile.read().catch((error: unknown) => faults.push(error));
    }

    async do_PUT(): Promise<void> {
      void this.rfile.read();
      await new Promise((resolve) => this.signal.addEventListener("abort", resolve));
    }
  }
  const server = await inMemory(t, Handler);
  const peer = server.connect();
  await peer.send(post("hello").slice(0, -2));
  await turn();
  peer.destroy();
  await until(() => faults.length === 2, "both reads fail");
  for (const fault of faults) assert.ok(fault instanceof PeerGoneError && fault.reason === "closed", String(fault));

  const other = server.connect();
  await other.send(post("hello").replace("POST", "PUT").slice(0, -2));
  await turn();
  other.destroy();
  await turn(); // an unhandled rejection would fail this test
});

test("a peer that ends its side in mid-content is told so", async (t) => {
  const { Handler, got } = readerOf([2, undefined]);
  for (const message of [post("hello").slice(0, -2), postChunks(["hello"]).slice(0, -2)]) {
    const peer = (await inMemory(t, Handler)).connect();
    await peer.send(message);
    await peer.end();
    const response = await peer.response();
    assert.equal(response.status, 400);
    assert.match(response.body, /BODY_INCOMPLETE/);
  }
  assert.deepEqual(got, ["he", "he"]);
});

test("content that had come before the peer ended its side is all there", async (t) => {
  const gate = new Gate();
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      await gate.opened;
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write(await this.rfile.read());
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(post("hello"));
  await peer.end();
  gate.open();
  assert.equal((await peer.response()).body, "hello");
});

test("what a class says of its content is a number, or the server is not constructed", () => {
  for (const [member, right] of [
    ["bufferedBody", "a whole number of bytes, 0 or more (Infinity for no limit)"],
    ["maxBodySize", "a whole number of bytes, 0 or more (Infinity for no limit)"],
    ["minBodyRate", "a number of bytes a second, 0 or more, and finite"],
    ["bodyTimeout", "a number of milliseconds, 0 or more (Infinity for no limit)"],
  ]) {
    for (const [wrong, shown, name] of [
      [-1, "-1", "RangeError"],
      [NaN, "NaN", "RangeError"],
      ["1000", '"1000"', "TypeError"],
      [null, "null", "TypeError"],
      [1000n, "1000n", "TypeError"],
    ]) {
      // The types refuse it, as test/types shows; JavaScript does not.
      class Wrong extends BaseHTTPRequestHandler {
        do_POST(): void {}
      }
      Object.assign(Wrong, { [member]: wrong });
      assert.throws(() => new HTTPServer(["127.0.0.1", 0], Wrong), {
        name,
        message: `Wrong's ${member} must be ${right}, not ${shown}`,
      });
    }
  }
  for (const right of [0, 1, Infinity]) {
    class Right extends BaseHTTPRequestHandler {
      static bufferedBody = right;
      do_POST(): void {}
    }
    class Inherits extends Right {}
    assert.ok(new HTTPServer(["127.0.0.1", 0], Inherits));
  }
});

for (const [framing, message] of [
  ["counted", post("hello")],
  ["chunked", postChunks(["hel", "lo"])],
]) {
  test(`buffered ${framing} content can be read though the client has gone meanwhile`, async (t) => {
    const gate = new Gate();
    const got: string[] = [];
    class Handler extends BaseHTTPRequestHandler {
      static bufferedBody = 5;

      async do_POST(): Promise<void> {
        await gate.opened;
        got.push(String(this.rfile.readSync(1)), String(this.rfile.readLineSync()));
        got.push(String(this.rfile.readSync(9)), String(await this.rfile.read()));
      }

      async do_PUT(): Promise<void> {
        await gate.opened;
        got.push(String(await this.rfile.read()), String(await this.rfile.read1()));
      }
    }
    const server = await inMemory(t, Handler);
    for (const method of ["POST", "PUT"]) {
      const peer = server.connect();
      await peer.send(message.replace("POST", method));
      peer.destroy();
    }
    await turn();
    gate.open();
    await until(() => got.length >= 6, "the content");
    assert.deepEqual(got, ["h", "ello", "", "", "hello", ""]);
  });
}

test("buffered content can be read into memory of one's own without waiting, and what is no memory is a TypeError", async (t) => {
  let seen: unknown[] = [];
  class Handler extends BaseHTTPRequestHandler {
    static bufferedBody = 10;

    do_POST(): void {
      const memory = new Uint8Array(8);
      const counts = [memory.subarray(0, 3), memory.subarray(3), memory].map((target) =>
        this.rfile.readInto1Sync(target),
      );
      seen = [counts, Buffer.from(memory).toString("latin1", 0, 5)];
      for (const wrong of ["abc", null, [1], new ArrayBuffer(1), new Uint16Array(1)] as unknown as Uint8Array[]) {
        assert.throws(() => this.rfile.readInto1Sync(wrong), TypeError);
        assert.throws(() => void this.rfile.readInto1(wrong), TypeError);
      }
      this.sendText("");
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  assert.equal((await peer.ask(post("hello"))).status, 200);
  assert.deepEqual(seen, [[3, 2, 0], "hello"]);
});

test("a read into memory rejects when the client goes, and takes turns with other reads", async (t) => {
  const faults: unknown[] = [];
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      const first = this.rfile.readInto1(new Uint8Array(5));
      await assert.rejects(async () => this.rfile.readInto1(new Uint8Array(5)), /another read is still waiting/);
      faults.push(await first.catch((error: unknown) => error));
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(post("hello").slice(0, -5));
  await turn();
  peer.destroy();
  await until(() => faults.length > 0, "a fault");
  assert.ok(faults[0] instanceof PeerGoneError);
});

test("where a tunnel may open, bufferedBody does not let a read block", async (t) => {
  let fault: unknown;
  class Handler extends BaseHTTPRequestHandler {
    static bufferedBody = 5;

    async do_CONNECT(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      try {
        this.rfile.read1Sync();
      } catch (error) {
        fault = error;
      }
      this.wfile.write(await this.rfile.read1());
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n");
  await turn();
  assert.match(String(fault), /must not block/);
  await peer.send("hello");
  await peer.endOfConnection();
  assert.match(peer.text, /\r\n\r\nhello$/);
});

test("read1 gives at most 64 KiB where nothing else is said, also of content that has been buffered", async (t) => {
  const sizes: number[] = [];
  class Buffered extends BaseHTTPRequestHandler {
    static bufferedBody = 200_000;

    async do_POST(): Promise<void> {
      sizes.push(this.rfile.read1Sync().length, (await this.rfile.read1(-1)).length);
      for await (const chunk of this.rfile) sizes.push(chunk.length);
      this.sendText("read");
    }
  }
  const peer = (await inMemory(t, Buffered)).connect();
  assert.equal((await peer.ask(post("x".repeat(200_000)))).body, "read");
  assert.deepEqual(sizes, [65_536, 65_536, 65_536, 200_000 - 3 * 65_536]);
});
