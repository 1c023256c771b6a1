/** Lines, pieces and streams of content: what `readLine`, `read1`, iteration and `stream` give, alone and mixed. */
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test, type TestContext } from "node:test";
import * as fc from "fast-check";
import { BaseHTTPRequestHandler, HTTPServer, PeerGoneError, type RequestBody } from "plinth";
import { Gate, inMemory, post, postChunks, turn, until } from "../server/support.ts";
import { runs } from "../support/thorough.ts";

/** Runs `read` on content that comes in these pieces. */
async function reading<T>(pieces: readonly string[], read: (rfile: RequestBody) => Promise<T>): Promise<T> {
  let result: { value: T } | undefined;
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      result = { value: await read(this.rfile) };
      this.sendResponse(204);
      this.endHeaders();
    }
  }
  const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" });
  async function* body(): AsyncGenerator<Buffer> {
    for (const piece of pieces) {
      yield Buffer.from(piece, "latin1");
      await Promise.resolve();
    }
  }
  const response = await httpd.inject({ method: "POST", body: body() });
  assert.equal(response.status, 204, response.text());
  await httpd.shutdown();
  return result!.value;
}

async function lines(rfile: RequestBody, limit?: number): Promise<string[]> {
  const all = [];
  for (let line = await rfile.readLine(limit); line.length > 0; line = await rfile.readLine(limit))
    all.push(line.toString("latin1"));
  return all;
}

for (const [framing, whole, content] of [
  ["counted", post("one\ntwo\n\nfour"), "one\ntwo\n\nfour"],
  ["chunked", postChunks(["on", "e\ntwo\n", "\nfour"]), "one\ntwo\n\nfour"],
]) {
  for (const how of ["whole", "byte by byte"]) {
    test(`lines of ${framing} content that comes ${how}`, async (t) => {
      const got: string[] = [];
      class Handler extends BaseHTTPRequestHandler {
        async do_POST(): Promise<void> {
          got.push(...(await lines(this.rfile)), (await this.rfile.read()).toString());
          this.sendText("");
        }
      }
      const peer = (await inMemory(t, Handler)).connect();
      for (const bytes of how === "whole" ? [whole] : whole) await peer.send(bytes);
      await peer.response();
      assert.deepEqual(got, ["one\n", "two\n", "\n", "four", ""]);
      assert.equal(got.join(""), content);
    });
  }
}

test("a limit cuts a line, and the rest of it is the next one", async () => {
  const got = await reading(["0123456789\n01\n", "abc"], (rfile) => lines(rfile, 4));
  assert.deepEqual(got, ["0123", "4567", "89\n", "01\n", "abc"]);
  const long = "x".repeat(100_000) + "\n";
  assert.deepEqual(await reading([long, "end"], (rfile) => lines(rfile)), [long, "end"]);
  assert.equal((await reading([long], (rfile) => rfile.readLine(0))).length, 0);
});

test("a number that is no limit and no size is a RangeError", async () => {
  await reading(["a"], async (rfile) => {
    for (const n of [NaN, -2, -Infinity]) {
      assert.throws(() => rfile.readLine(n), RangeError);
      assert.throws(() => rfile.read1(n), RangeError);
    }
    assert.equal((await rfile.readLine()).toString(), "a");
  });
});

test("of a number of bytes that is not whole, the fraction is left out", async () => {
  const got = await reading(["abcdef"], async (rfile) => [
    await rfile.read(1.5),
    await rfile.read1(2.9),
    await rfile.readLine(1.1),
  ]);
  assert.deepEqual(got.map(String), ["a", "bc", "d"]);
});

test("read1 gives what is there, and waits only when nothing is", async (t) => {
  const got: string[] = [];
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      for (const n of [2, undefined, undefined, 100, undefined]) got.push((await this.rfile.read1(n)).toString());
      this.sendText("");
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(post("x".repeat(10)).slice(0, -10) + "abcde");
  await until(() => got.length === 2, "what has come");
  await peer.send("fgh");
  await turn();
  assert.deepEqual(got, ["ab", "cde", "fgh"]);
  await peer.send("ij");
  await peer.response();
  assert.deepEqual(got, ["ab", "cde", "fgh", "ij", ""]);
});

test("iteration gives chunks as they come, and what it leaves is there for the next read", async () => {
  const got = await reading(["first\nline", " and\n", "more"], async (rfile) => {
    const all = [(await rfile.readLine()).toString()];
    for await (const chunk of rfile) {
      all.push(chunk.toString());
      break;
    }
    for await (const chunk of rfile) all.push(chunk.toString());
    return all;
  });
  assert.equal(got[0], "first\n");
  assert.equal(got.join(""), "first\nline and\nmore");
});

test("a web stream reads when it is read; streams of Node take the iteration", async () => {
  const MUCH = "0123456789".repeat(50_000);
  const web = await reading([MUCH, MUCH], async (rfile) => new Response(rfile.stream()).text());
  assert.equal(web, MUCH + MUCH);
  const node = await reading([MUCH], async (rfile) => {
    let text = "";
    for await (const chunk of Readable.from(rfile)) text += String(chunk);
    return text;
  });
  assert.equal(node, MUCH);
  const rest = await reading(["abc"], async (rfile) => {
    rfile.stream(); // nobody reads it
    const reader = rfile.stream().getReader();
    const first = await reader.read();
    await reader.cancel();
    return [Buffer.from(first.value!).toString(), (await rfile.read()).length];
  });
  assert.deepEqual(rest, ["abc", 0]);
});

test("a stream takes no more than its reader asks for", async (t) => {
  const gate = new Gate();
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      const reader = this.rfile.stream().getReader();
      await reader.read();
      await gate.opened;
      reader.releaseLock();
      this.sendText("");
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  void peer.send(post("x".repeat(1_000_000)).slice(0, -999_999));
  let sent = 0;
  const sending = (async () => {
    for (; sent < 999_999; sent += 9999) await peer.send("x".repeat(Math.min(9999, 999_999 - sent)));
  })();
  await turn();
  assert.ok(sent < 200_000, `${sent} bytes were taken`);
  gate.open();
  await sending;
  await peer.response();
});

for (const [name, read] of [
  ["readLine", (rfile: RequestBody) => rfile.readLine()],
  ["read1", (rfile: RequestBody) => rfile.read1()],
  [
    "iteration",
    async (rfile: RequestBody) => {
      for await (const _ of rfile);
    },
  ],
  ["stream", (rfile: RequestBody) => rfile.stream().getReader().read()],
] as const) {
  test(`${name} rejects when the client has gone, and one at a time is allowed`, async (t: TestContext) => {
    const errors: unknown[] = [];
    const waiting = new Gate();
    class Handler extends BaseHTTPRequestHandler {
      async do_POST(): Promise<void> {
        const first = read(this.rfile);
        await turn(); // a stream does not read at once
        assert.throws(() => this.rfile.readLine(), /another read is still waiting/);
        waiting.open();
        try {
          await first;
        } catch (error) {
          errors.push(error);
        }
        await this.rfile.readLine().catch((error: unknown) => errors.push(error));
      }
    }
    const { connect } = await inMemory(t, Handler);
    const peer = connect();
    await peer.send(post("12345").slice(0, -5));
    await waiting.opened;
    peer.destroy();
    await until(() => errors.length === 2, "both reads' end");
    for (const error of errors) assert.ok(error instanceof PeerGoneError);
  });
}

test("a chunk that is kept does not keep a buffer of many times its size", async () => {
  const kept = await reading(["a\n", "b"], async (rfile) => [await rfile.readLine(), await rfile.read1()]);
  const most = Math.max(16 * 1024, Buffer.from("a").buffer.byteLength); // small ones share a buffer of Node's
  for (const chunk of kept) assert.ok(chunk.buffer.byteLength <= most, String(chunk.buffer.byteLength));
});

test("however reads are mixed, they give the content, once and in order", async () => {
  const steps = fc.oneof(
    fc.record({ how: fc.constantFrom("read", "read1", "readLine"), n: fc.integer({ min: 1, max: 12 }) }),
    fc.record({ how: fc.constantFrom("readLine", "read1"), n: fc.constant(-1) }),
  );
  const content = fc.string({ unit: fc.constantFrom("\n", "a", "b"), maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(fc.array(content, { maxLength: 6 }), fc.array(steps, { maxLength: 20 }), async (pieces, mix) => {
      const whole = pieces.join("");
      const got = await reading(pieces, async (rfile) => {
        let text = "";
        for (const { how, n } of mix) {
          const before = text.length;
          const bytes = await rfile[how as "read"](n);
          text += bytes.toString();
          const left = whole.slice(before);
          if (n !== -1) assert.ok(bytes.length <= n);
          assert.equal(bytes.length === 0, left === "");
          if (how === "read") assert.equal(bytes.length, Math.min(n, left.length));
          if (how === "readLine") {
            const line = /^[^\n]*\n?/.exec(left)![0];
            assert.equal(bytes.toString(), n === -1 ? line : line.slice(0, n));
          }
        }
        return text + (await rfile.read()).toString();
      });
      assert.equal(got, whole);
    }),
    { numRuns: runs(200) },
  );
});
