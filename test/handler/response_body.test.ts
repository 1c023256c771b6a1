/** What `wfile` promises: what a write gives back, when it holds the handler up, and what it does not allow. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import process from "node:process";
import { test } from "node:test";
import { BaseHTTPRequestHandler, HTTPError, HTTPServer, PeerGoneError, type ResponseBody } from "plinth";
import { beside, Gate, GET, inMemory, leaveDuring, onSocket, post, request, turn, until } from "../server/support.ts";

/** Twice what may wait to leave a connection. */
const MUCH = 128 * 1024;

test("a write that is taken gives undefined, one that has to wait a promise, which resolves when there is room", async (t) => {
  const results: unknown[] = [];
  let hadRoom = false;
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      results.push(this.wfile.write("little"), this.wfile.write(Buffer.alloc(MUCH)), this.wfile.write("more"));
      await results[1];
      hadRoom = true;
      results.push(this.wfile.write("enough"));
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(GET);
  await turn();
  assert.equal(results.length, 3);
  assert.equal(results[0], undefined);
  assert.ok(results[1] instanceof Promise && results[2] instanceof Promise);
  assert.equal(hadRoom, false, "nobody has read anything yet");
  const [response] = await peer.responses(1);
  assert.equal(response.body.length, "little".length + MUCH + "more".length + "enough".length);
  assert.equal(results[3], undefined);
});

for (const counted of [true, false]) {
  test(`a chunk may be used again once it is taken (${counted ? "counted" : "chunked"})`, async (t) => {
    const rounds = 64;
    class Handler extends BaseHTTPRequestHandler {
      async do_GET(): Promise<void> {
        this.sendResponse(200);
        if (counted) this.sendHeader("Content-Length", rounds * 6000);
        this.endHeaders();
        const chunk = Buffer.alloc(6000);
        for (let i = 0; i < rounds; i++) {
          chunk.fill(65 + (i % 26));
          await this.wfile.write(chunk);
          chunk.fill("-");
        }
      }
    }
    const peer = (await inMemory(t, Handler)).connect();
    const { body } = await peer.ask(GET);
    const wanted = Array.from({ length: rounds }, (_, i) => String.fromCharCode(65 + (i % 26)).repeat(6000)).join("");
    assert.ok(body === wanted);
  });
}

test("strings are written as UTF-8, and other things are not written", async (t) => {
  const faults: unknown[] = [];
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendResponse(200);
      this.endHeaders();
      void this.wfile.write("5 €, ");
      void this.wfile.write(new Uint8Array([0x6f, 0x6b]));
      for (const chunk of [7, null, undefined, {}, [1], new ArrayBuffer(1)]) {
        try {
          void this.wfile.write(chunk as string);
        } catch (error) {
          faults.push(error);
        }
      }
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  assert.equal(Buffer.from((await peer.ask(GET)).body, "latin1").toString(), "5 €, ok");
  assert.equal(faults.length, 6);
  for (const fault of faults) assert.ok(fault instanceof TypeError);
});

// What a kernel keeps for a client that does not read: the handler must stop at no more than that.
const KERNEL = 16 * 1024 * 1024;

for (const size of [1000, 100_000]) {
  test(`a client that stops reading stops the handler, and starts it again (in writes of ${size} bytes)`, async (t) => {
    let written = 0;
    let moved = 0;
    const [wanted, got] = [createHash("sha1"), createHash("sha1")];
    class Handler extends BaseHTTPRequestHandler {
      async do_GET(): Promise<void> {
        this.sendResponse(200);
        this.endHeaders();
        const chunk = Buffer.alloc(size);
        while (written < 2 * KERNEL) {
          // The same memory every time, and other bytes in it.
          chunk.fill(moved % 251);
          wanted.update(chunk);
          const wait = this.wfile.write(chunk);
          // Each by itself, so that what fills the kernel up may be as small as one of them.
          this.wfile.flush();
          written += size;
          moved++;
          if (wait !== undefined) await wait;
          else if (moved % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
      }
    }
    const server = await onSocket(t, Handler);
    const peer = await server.connect();
    peer.socket.removeAllListeners("data").pause();
    await peer.send(request("GET", "/", "1.0"));
    let before = -1;
    while (before !== written || written === 0) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.ok(written < KERNEL, `the handler has written ${written} bytes that nobody reads`);

    let isContent = false;
    peer.socket.on("data", (data: Buffer) => {
      // The head stands in the first piece, or is it.
      got.update(isContent ? data : data.subarray(data.indexOf("\r\n\r\n") + 4));
      isContent = true;
    });
    peer.socket.resume();
    await peer.endOfConnection();
    assert.ok(written >= 2 * KERNEL);
    assert.equal(got.digest("hex"), wanted.digest("hex"), "all of it has come, and nothing else");
  });
}

test("mistakes throw at the call: before the head, before its end, past the length, after the end", async (t) => {
  const faults: Error[] = [];
  let kept: ResponseBody | undefined;
  class Handler extends BaseHTTPRequestHandler {
    #try(chunk: string): void {
      try {
        void this.wfile.write(chunk);
      } catch (error) {
        faults.push(error as Error);
      }
    }

    do_GET(): void {
      this.#try("before sendResponse");
      this.sendResponse(200);
      this.#try("before endHeaders");
      this.sendHeader("Content-Length", 5);
      this.endHeaders();
      void this.wfile.write("hel");
      this.#try("low");
      void this.wfile.write("lo");
      this.#try("!");
      kept = this.wfile;
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  assert.equal((await peer.ask(GET)).body, "hello");
  assert.equal(faults.length, 4);
  assert.match(faults[0].message, /sendResponse comes first/);
  assert.match(faults[1].message, /endHeaders comes first/);
  assert.ok(faults[2] instanceof RangeError && faults[3] instanceof RangeError);
  assert.throws(() => kept!.write("late"), /ended/);
  await turn();
  assert.equal((await peer.ask(GET)).body, "hello", "none of it has left");
});

test("where no length was announced, writes after the end throw as well", async (t) => {
  let kept: ResponseBody | undefined;
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendResponse(200);
      this.endHeaders();
      kept = this.wfile;
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.ask(GET);
  assert.throws(() => kept!.write("late"), /ended/);
  assert.throws(() => kept!.write(""), /ended/);
});

test("when the peer leaves, a write that waits goes on, and the next one ends the handler, which is not logged", async (t) => {
  const gate = new Gate();
  let writes = 0;
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      try {
        for (; ; writes++) await this.wfile.write(Buffer.alloc(MUCH));
      } catch (error) {
        assert.ok(error instanceof PeerGoneError && error.reason === "closed");
        this.wfile.flush();
        throw error;
      } finally {
        gate.open();
      }
    }
  }
  const server = await inMemory(t, Handler);
  const peer = server.connect();
  await peer.send(GET);
  await turn();
  assert.equal(writes, 0);
  peer.destroy();
  await gate.opened;
  assert.equal(writes, 1);
  await turn();
  assert.deepEqual(beside(server.log), [], "no fault of the handler's");
});

test("mistakes throw at the call, though the peer has left", async (t) => {
  const gate = new Gate();
  const seen: unknown[] = [];
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      await new Promise((resolve) => this.signal.addEventListener("abort", resolve));
      assert.throws(() => this.wfile.write("early"), /sendResponse comes first/);
      this.sendResponse(200);
      this.sendHeader("Content-Length", 5);
      this.endHeaders();
      assert.throws(() => this.wfile.write(5 as unknown as string), TypeError);
      seen.push(this.wfile.write("hel"), this.wfile.write("l"));
      assert.throws(() => this.wfile.write("lo"), RangeError);
      seen.push(await Promise.allSettled(seen as Promise<void>[]));
      gate.open();
    }
  }
  const server = await inMemory(t, Handler);
  await leaveDuring(server, gate);
  assert.equal(seen[0], seen[1], "those of one turn share a promise");
  for (const result of seen[2] as PromiseSettledResult<void>[])
    assert.ok(result.status === "rejected" && result.reason instanceof PeerGoneError);
  assert.deepEqual(beside(server.log), []);
});

test("writes that nobody awaits, to a peer that has left, leave memory as it is", async (t) => {
  const gate = new Gate();
  let grown = Infinity;
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      await new Promise((resolve) => this.signal.addEventListener("abort", resolve));
      const chunk = Buffer.alloc(10_000);
      const before = process.memoryUsage().rss;
      for (let i = 0; i < 100_000; i++) void this.wfile.write(chunk);
      grown = process.memoryUsage().rss - before;
      gate.open();
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(GET);
  await turn();
  peer.destroy();
  await gate.opened;
  assert.ok(grown < 100e6, `${grown} bytes for a gigabyte that was written`);
});

test("a peer that half-closes still gets all that is written", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      await new Promise((resolve) => this.signal.addEventListener("abort", resolve));
      this.sendResponse(200);
      this.endHeaders();
      for (let i = 0; i < 20; i++) await this.wfile.write(Buffer.alloc(MUCH));
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(GET);
  await turn();
  await peer.end();
  assert.equal((await peer.responses(1))[0].body.length, 20 * MUCH);
});

test("an error behind content that is not sent gets a response while the head can be taken back, with content where it has some", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendResponse(this.path === "/204" ? 204 : 200);
      this.endHeaders();
      for (let i = 0; i < 100; i++) void this.wfile.write(Buffer.alloc(1000));
      throw new HTTPError(404, { detail: "not here" });
    }
  }
  const { connect, log } = await inMemory(t, Handler);
  const peer = connect();
  const response = await peer.ask(request("GET", "/204"));
  assert.equal(response.status, 404);
  assert.match(response.body, /not here/);
  const head = await peer.ask(request("HEAD"));
  assert.deepEqual([head.status, head.get("content-length"), head.body], [404, String(response.body.length), ""]);
  assert.ok(!log.some((line) => line.includes("Error")), log.join("\n"));
});

test("a peer that leaves in mid-write over TCP brings nothing down", async (t) => {
  let settled = 0;
  let begun = 0;
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      await this.rfile.read();
      this.sendResponse(200);
      this.endHeaders();
      begun++;
      // Some awaited, some not: neither may end as an unhandled rejection.
      try {
        for (let i = 0; i < 50; i++) {
          const wait = this.wfile.write(Buffer.alloc(MUCH));
          if (i % 2 === 0) await wait;
        }
      } finally {
        settled++;
      }
    }
  }
  const server = await onSocket(t, Handler);
  for (const how of ["destroy", "resetAndDestroy"] as const) {
    const peer = await server.connect();
    peer.socket.pause();
    await peer.send(post("hello"));
    await until(() => begun > 0, "the response has begun");
    peer.socket[how]();
    await until(() => settled > 0, "the handler comes to its end");
    settled = begun = 0;
  }
  const peer = await server.connect();
  assert.equal((await peer.ask(post("hello"))).body.length, 50 * MUCH, "the server goes on");
});

test("a web stream waits where write does, and ends nothing when it closes", async (t) => {
  let rounds = 0;
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      const source = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (rounds === 64) controller.close();
          else controller.enqueue(Buffer.alloc(16 * 1024, 65 + (rounds++ % 26)));
        },
      });
      await source.pipeTo(this.wfile.stream());
      this.wfile.write("and the end");
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(GET);
  await turn();
  assert.ok(rounds < 16, `${rounds} pieces were taken by nobody`);
  const [response] = await peer.responses(1);
  assert.equal(response.body.length, 64 * 16 * 1024 + "and the end".length);
});

test("a source that fails cuts the response, so that the client can tell", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write("begun");
      this.wfile.flush();
      const source = new ReadableStream({ start: (controller) => controller.error(new Error("the disk is gone")) });
      await source.pipeTo(this.wfile.stream());
    }
  }
  const { connect, log } = await inMemory(t, Handler);
  const peer = connect();
  await peer.send(GET);
  await peer.endOfConnection();
  assert.deepEqual(peer.reading.responses, []);
  assert.ok(log.some((line) => line.includes("the disk is gone")));
});

test("who writes without an end to a client that has left keeps the event loop from nobody", async (t) => {
  let writes = 0;
  const stop = new Gate();
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      if (this.path === "/") return this.sendText("served");
      this.sendResponse(200);
      this.endHeaders();
      const chunk = Buffer.alloc(1000);
      while (!stop.isOpen) {
        await this.wfile.write(chunk)?.catch(() => {});
        writes++;
      }
    }
  }
  const { connect } = await inMemory(t, Handler);
  const leaver = connect();
  await leaver.send(request("GET", "/endless"));
  await until(() => leaver.text.length + leaver.client.take().length > 0, "the first bytes");
  leaver.destroy();
  await turn();
  const before = writes;
  for (let i = 0; i < 3; i++) assert.equal((await connect().ask(GET)).body, "served");
  await until(() => writes > before, "writes that reject, one a turn");
  stop.open();
});

test("a write that waits is let go when the handler ends, and when an error takes the response's place", async (t) => {
  for (const path of ["/ends", "/lent", "/error"]) {
    let waited: Promise<unknown> | undefined;
    class Handler extends BaseHTTPRequestHandler {
      do_GET(): void {
        this.sendResponse(200);
        if (this.path === "/lent") this.sendHeader("Content-Length", MUCH);
        this.endHeaders();
        const room = this.wfile.write(Buffer.alloc(this.path === "/error" ? 15_000 : MUCH));
        // Many small ones are a write that waits, too.
        waited = room ?? waitedFor(() => this.wfile.write(""));
        if (this.path === "/error") this.sendError(404);
      }
    }
    const peer = (await inMemory(t, Handler)).connect();
    await peer.send(request("GET", path));
    await until(() => waited !== undefined, "a write that waits");
    let settled = false;
    void waited!.then(() => (settled = true));
    await turn();
    assert.equal(settled, path !== "/lent", "a chunk that is sent without a copy is in use until it has left");
    assert.equal((await peer.responses(1))[0].status, path === "/error" ? 404 : 200);
    await waited;
  }
});

/** Writes until that gives a promise. */
function waitedFor(write: () => void | Promise<void>): Promise<void> {
  for (let i = 0; i < 10_000; i++) {
    const room = write();
    if (room !== undefined) return room;
  }
  throw new Error("no write has waited");
}

test("what was written before an error counts for nothing in its response", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    override sendError(code: number, ...rest: [string?, string?]): void {
      if (this.path !== "/") return super.sendError(code, ...rest);
      this.sendResponse(code);
      this.endHeaders();
      this.wfile.write("sorry");
    }

    do_GET(): void {
      this.sendResponse(200);
      this.sendTrailer("X-A", 1);
      this.endHeaders();
      this.wfile.write("something");
      throw new Error("else");
    }
  }
  const response = await (await inMemory(t, Handler)).connect().ask(GET);
  assert.deepEqual(
    [response.status, response.framing, response.body, response.trailers],
    [500, "counted", "sorry", []],
  );
});

test("writes of nothing let others run, too", async () => {
  let stop = false;
  let writes = 0;
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      setImmediate(() => (stop = true));
      for (; !stop && writes < 1_000_000; writes++) await this.wfile.write("");
    }
  }
  await new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" }).inject();
  assert.ok(stop && writes < 10_000, String(writes));
});

/** Begins a counted response whose client takes nothing, so that the chunk has to wait: 64 KiB of x go first. */
function blocked(handler: BaseHTTPRequestHandler, chunk: Buffer): Promise<void> {
  handler.sendResponse(200);
  handler.sendHeader("Content-Length", MUCH + chunk.length);
  handler.endHeaders();
  for (let left = MUCH; left > 0; left -= 8 * 1024) handler.wfile.write("x".repeat(8 * 1024));
  const wait = handler.wfile.write(chunk);
  assert.ok(wait instanceof Promise);
  return wait;
}

for (const end of ["ends", "throws"]) {
  test(`a chunk is not free before it has left, though its handler ${end} meanwhile`, async (t) => {
    const chunk = Buffer.alloc(MUCH, "a");
    let isFree = false;
    class Handler extends BaseHTTPRequestHandler {
      do_GET(): void {
        void blocked(this, chunk).then(() => {
          isFree = true;
          chunk.fill("-");
        });
        if (end === "throws") throw new Error("on purpose");
      }
    }
    const peer = (await inMemory(t, Handler)).connect();
    await peer.send(GET);
    await turn();
    assert.equal(isFree, false);
    await until(() => peer.reading.responses.length === 1, "the response");
    assert.ok(peer.reading.responses[0].body === "x".repeat(MUCH) + "a".repeat(MUCH));
    await until(() => isFree, "the chunk to be free");
  });
}

test("a chunk is not free before it has left, though the client's request has turned out malformed", async (t) => {
  const chunk = Buffer.alloc(MUCH, "a");
  let isFree = false;
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      const wait = blocked(this, chunk).then(() => {
        isFree = true;
        chunk.fill("-");
      });
      await assert.rejects(this.rfile.read(), { name: "PeerGoneError" });
      await wait;
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno size\r\n");
  await turn();
  assert.equal(isFree, false);
  await peer.endOfConnection();
  assert.ok(peer.text.endsWith("\r\n\r\n" + "x".repeat(MUCH) + "a".repeat(MUCH)));
  await until(() => isFree, "the chunk to be free");
});

test("a chunk that waits is not free because one of nothing was written behind it", async (t) => {
  const chunk = Buffer.alloc(2 * MUCH, "a");
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      const wait = blocked(this, chunk);
      this.wfile.write("");
      await wait;
      chunk.fill("-");
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(GET);
  await turn();
  const { body } = await peer.response();
  assert.ok(body === "x".repeat(MUCH) + "a".repeat(2 * MUCH));
});

test("a chunk is free when the client leaves, or the server closes", async (t) => {
  const free: string[] = [];
  class Handler extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      await blocked(this, Buffer.alloc(MUCH));
      free.push(this.path);
    }
  }
  const { httpd, connect } = await inMemory(t, Handler);
  const [leaves, stays] = [connect(), connect()];
  await leaves.send(request("GET", "/leaves"));
  await stays.send(request("GET", "/stays"));
  await turn();
  leaves.destroy();
  await until(() => free.length > 0, "the chunk");
  assert.deepEqual(free, ["/leaves"]);
  httpd.serverClose();
  await until(() => free.length > 1, "the other chunk");
});

test("the next request is handled behind a large chunk that was the last to leave", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      void blocked(this, Buffer.alloc(MUCH, "a"));
    }
    do_PUT(): void {
      this.sendText("next");
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(GET + request("PUT"));
  await turn();
  const responses = await peer.responses(2);
  assert.equal(responses[1].body, "next");
});
