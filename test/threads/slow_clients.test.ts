/** Clients that send slowly, or not at all: they hold no thread while content is gathered, and only a part of them while it streams. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { type HTTPServer, Router, ThreadingHTTPServer, type ThreadingHTTPServerOptions } from "plinth";
import { AdditionHandler } from "../../apps/addition/handler.ts";
import {
  beside,
  connect,
  type MemoryClient,
  post,
  postChunks,
  request,
  type SocketClient,
  until,
} from "../server/support.ts";
import { BEGUN, Blocking, Buffering, digest, ENDED, NOTES, pattern, Queued } from "./handlers.ts";
import { serve, type Threaded } from "./support.ts";
import { EchoHandler } from "./echo_handler.ts";
import { runs, thoroughly } from "../support/thorough.ts";

const SUM = '{"val_a": 3, "val_b": 4}';
const LARGE = 100_000;

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

function head(path: string, length: number, fields = ""): string {
  return `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n${fields}\r\n`;
}

const EXPECT = "Expect: 100-continue\r\n";

/** Begins an upload that is more than is waited for, and holds back so much of it. @returns the client, and what is held back */
async function upload(
  server: Threaded,
  path: string,
  left = LARGE - 70_000,
): Promise<[client: MemoryClient, rest: string]> {
  const client = server.connect();
  const content = "x".repeat(LARGE);
  await client.send(head(path, LARGE));
  await client.send(content.slice(left));
  return [client, content.slice(0, left)];
}

/** Has the server's handlers count what has begun. */
async function begun(server: Threaded, count: number): Promise<void> {
  await server.wordIs(BEGUN, count);
}

function statuses(peer: MemoryClient | SocketClient): number[] {
  return peer.reading.responses.map(({ status }) => status);
}

describe("content that is gathered", () => {
  async function add(t: TestContext, options: ThreadingHTTPServerOptions = {}): Promise<ThreadingHTTPServer> {
    const httpd = new ThreadingHTTPServer(["127.0.0.1", 0], AdditionHandler, { log: "none", threads: 4, ...options });
    t.after(() => httpd.serverClose());
    await httpd.serverActivate();
    return httpd;
  }

  thoroughly(test)(
    "four clients that are to be told to send their content, and then do not, hold up nobody",
    async (t) => {
      const httpd = await add(t);
      const silent: SocketClient[] = [];
      for (let i = 0; i < 4; i++) {
        const client = await connect(t, httpd.serverAddress);
        await client.send(head("/", SUM.length, EXPECT));
        silent.push(client);
      }
      await until(() => silent.every((client) => statuses(client).join() === "100"), "100 Continue");
      assert.equal(httpd.stats().busy, 0);
      const others = await Promise.all(Array.from({ length: 8 }, () => connect(t, httpd.serverAddress)));
      const began = performance.now();
      const responses = await Promise.all(others.map((client) => client.ask(post(SUM))));
      assert.ok(performance.now() - began < 3000, "as soon as ever");
      for (const { body } of responses) assert.deepEqual(JSON.parse(body), { sum: 7 });
      for (const client of silent) {
        await client.send(SUM);
        assert.deepEqual(JSON.parse((await client.responses(1))[0].body), { sum: 7 });
      }
    },
  );

  thoroughly(test)("nobody waits for a hundred slow clients of every kind", async (t) => {
    const httpd = await add(t, { maxBodySize: Infinity });
    const rest = "x".repeat(65_536 - 600);
    const kinds = [
      head("/", SUM.length, EXPECT),
      head("/", SUM.length, EXPECT) + SUM.slice(1),
      head("/", 65_536) + "x".repeat(600),
      head("/", 65_536, EXPECT) + "x".repeat(600),
      postChunks(["x".repeat(65_536)]).slice(0, -"0\r\n\r\n".length),
      postChunks(["x".repeat(600), rest], "Sum: 7\r\n").slice(0, -"7\r\n\r\n".length),
      head("/", 65_537) + "x".repeat(65_536),
      head("/", 1_000_000) + "x".repeat(100_000),
      head("/", 1_000_000, EXPECT),
      postChunks(["x".repeat(100_000)]).slice(0, -"0\r\n\r\n".length),
    ];
    const slow = await Promise.all(Array.from({ length: 100 }, () => connect(t, httpd.serverAddress)));
    // Not waited for: of what streams, the server takes no more than there is room for.
    for (const [i, client] of slow.entries()) void client.send(kinds[i % kinds.length]);
    await until(() => httpd.stats().busy === 2 && httpd.stats().waiting > 0, "as many threads as may to be held");
    const dripping = setInterval(() => slow.forEach((client, i) => i % 3 === 0 && void client.send("x")), 50);
    t.after(() => clearInterval(dripping));
    const client = await connect(t, httpd.serverAddress);
    const times: number[] = [];
    for (let i = 0; i < 300; i++) {
      const began = performance.now();
      assert.deepEqual(JSON.parse((await client.ask(post(SUM))).body), { sum: 7 });
      times.push(performance.now() - began);
    }
    times.sort((a, b) => a - b);
    t.diagnostic(`additions beside them: p50 ${times[150].toFixed(1)} ms, p99 ${times[297].toFixed(1)} ms`);
    assert.ok(times[150] < 100, `half of the additions took ${times[150]} ms`);
    assert.ok(times[297] < 1000, `one of a hundred additions took ${times[297]} ms`);
    assert.equal(httpd.stats().busy, 2);
  });

  for (const [name, trailers] of [
    ["its last chunk", ""],
    ["the end of its trailers", "Sum: 7\r\n"],
  ]) {
    test(`chunked content has come with ${name}, also where it is as much as is waited for`, async (t) => {
      for (const size of [999, 1000]) {
        for (const pieces of [[size], [1, size - 1]]) {
          const server = await serve(t, Queued, { threads: 1, threadBuffer: 1000 });
          const client = server.connect();
          const text = postChunks(
            pieces.map((length) => "x".repeat(length)),
            trailers,
          ).replace("/", "/content");
          const end = trailers === "" ? "0\r\n\r\n" : trailers.slice(-1) + "\r\n";
          await client.send(text.slice(0, -end.length));
          assert.equal((await server.get("/quick")).body, "quick");
          assert.deepEqual([server.words[BEGUN], server.httpd.stats().waiting], [0, 0]);
          for (const byte of end) await client.send(byte);
          assert.equal((await client.response("POST")).body, String(size));
        }
      }
    });
  }

  test("content of which nothing has come before its end, or before its deadline, is no content", async (t) => {
    const server = await serve(t, Blocking, { threads: 1, bodyTimeout: 150 });
    for (const [end, trailers] of [
      ["0\r\n\r\n", []],
      ["0\r\nSum: 7\r\n\r\n", [["Came-With", "7"]]],
    ] as const) {
      const client = server.connect();
      const text = postChunks(["none"]).replace("/", "/echo");
      await client.send(text.slice(0, text.indexOf("4\r\nnone")));
      for (const byte of end) await client.send(byte);
      const response = await client.response("POST");
      assert.deepEqual([response.status, response.body, response.trailers], [200, "", trailers]);
    }
    const silent = server.connect();
    await silent.send(head("/echo", 5));
    const { status, get } = await silent.response("POST");
    assert.deepEqual([status, get("connection")], [408, "close"]);
  });

  test("and with one byte more it is more than is waited for", async (t) => {
    const server = await serve(t, Queued, { threads: 1, threadBuffer: 1000 });
    const client = server.connect();
    const text = postChunks(["x".repeat(1000), "y", "z"]).replace("/", "/content");
    const at = text.indexOf("y");
    await client.send(text.slice(0, at));
    assert.equal((await server.get("/quick")).body, "quick");
    assert.equal(server.words[BEGUN], 0);
    await client.send("y");
    await begun(server, 1);
    await client.send(text.slice(at + 1));
    assert.equal((await client.response("POST")).body, "1002");
  });

  thoroughly(test)(
    "what a class wants to be there is waited for, though it is more than threadBuffer, and more than a ring holds",
    async (t) => {
      const router = new Router().add("/buffering", Buffering).add("/blocking", Blocking);
      for (const handlers of [Buffering, router]) {
        const server = await serve(t, handlers as typeof Buffering, { threads: 1, threadBuffer: 1000 });
        for (const size of [1001, 600_000, Buffering.bufferedBody]) {
          const content = pattern(size);
          for (const whole of [true, false]) {
            for (const asks of [true, false]) {
              const client = server.connect();
              const fields = asks ? EXPECT : "";
              const text = whole
                ? head("/buffering", size, fields) + latin1(content)
                : postChunks([latin1(content)])
                    .replace("/", "/buffering")
                    .replace("Host: a\r\n", `Host: a\r\n${fields}`);
              const end = whole ? text.length - 1 : text.length - 5;
              for (let at = 0; at < end; at += 50_000) await client.send(text.slice(at, Math.min(end, at + 50_000)));
              assert.deepEqual([server.httpd.stats().busy, server.httpd.stats().waiting], [0, 0]);
              await client.send(text.slice(end));
              assert.equal((await client.responses(1))[0].body, `${size} ${digest(content)}`);
              assert.deepEqual(statuses(client), asks ? [100, 200] : [200]);
            }
          }
        }
        const client = server.connect();
        await client.send(head("/buffering", Buffering.bufferedBody + 1, EXPECT));
        assert.equal((await client.response("POST")).status, 413);
        assert.equal(client.text, "", "its client was not told to send it");
      }
    },
  );
});

describe("content that streams", () => {
  test("is taken by half of the threads, the others are for requests whose content is there", async (t) => {
    const server = await serve(t, Queued, { threads: 4 });
    const uploads: [MemoryClient, string][] = [];
    for (let i = 0; i < 6; i++) uploads.push(await upload(server, `/noted/${i}`));
    await until(() => server.httpd.stats().busy === 2, "two threads to be held");
    assert.deepEqual([server.httpd.stats().busy, server.httpd.stats().waiting], [2, 4]);
    for (let i = 0; i < 5; i++) assert.equal((await server.get("/quick")).body, "quick");
    assert.deepEqual([server.httpd.stats().busy, server.httpd.stats().waiting], [2, 4]);
    // A place is free as soon as all content has come; the next has it that has waited longest.
    for (const [client, rest] of uploads) {
      await client.send(rest);
      assert.equal((await client.response("POST")).body.length, LARGE);
    }
    const [one, other, ...others] = server.words.subarray(NOTES, NOTES + 6);
    assert.deepEqual([one + other, one * other, others], [1, 0, [2, 3, 4, 5]]);
    assert.deepEqual([server.httpd.stats().busy, server.httpd.stats().waiting], [0, 0]);
    const { p99, max } = server.httpd.stats().waitingTime;
    assert.ok(p99 > 0 && max >= p99);
  });

  test("a request whose content has come gives its place to another, though its handler goes on", async (t) => {
    const server = await serve(t, Queued, { threads: 4, streamingThreads: 1 });
    const [first, rest] = await upload(server, "/holdsContent");
    await begun(server, 1);
    const [second, restOfSecond] = await upload(server, "/content");
    assert.deepEqual([server.httpd.stats().busy, server.httpd.stats().waiting], [1, 1]);
    await first.send(rest);
    await begun(server, 3); // the first holds, with all of its content, and the second has begun
    assert.equal(server.words[ENDED], 0);
    await second.send(restOfSecond);
    assert.equal((await second.response("POST")).body, String(LARGE));
    server.release();
    assert.equal((await first.response("POST")).body, String(LARGE));
  });

  test("who talks and listens at the same time has its place for as long as it talks, and who waits for it hears nothing", async (t) => {
    const server = await serve(t, EchoHandler, { threads: 2, threadBuffer: 1000 });
    const piece = "x".repeat(1001);
    const text = postChunks([piece]).replace("POST", "BLOCK").slice(0, -"0\r\n\r\n".length);
    const hears = (peer: MemoryClient): boolean => (void peer.reading, peer.text.includes(piece));
    const peers = Array.from({ length: 6 }, () => server.connect());
    for (const peer of peers) await peer.send(text);
    for (const [i, peer] of peers.entries()) {
      await until(() => hears(peer), `client ${i} to be heard`);
      const others = peers.slice(i + 1);
      // So it is however long this one talks: its place is given on with the end of its content, and no sooner.
      await until(() => {
        const { busy, waiting } = server.httpd.stats();
        return busy === 1 && waiting === others.length;
      }, "the one before to end, and the event loop to hear of it");
      assert.ok(others.every((other) => !hears(other) && other.text === ""));
      await peer.send("0\r\n\r\n");
    }
    assert.deepEqual(beside(server.log), [], "nothing has gone wrong");
  });

  test("more than as many as may wait get 503, and others are not", async (t) => {
    const server = await serve(t, Queued, { threads: 2, queue: 2 });
    const uploads: [MemoryClient, string][] = [];
    for (let i = 0; i < 3; i++) uploads.push(await upload(server, "/content"));
    await begun(server, 1);
    assert.deepEqual([server.httpd.stats().busy, server.httpd.stats().waiting], [1, 2]);
    const [refused] = await upload(server, "/content");
    const response = await refused.response("POST");
    assert.equal(response.status, 503);
    assert.match(response.get("retry-after")!, /^([1-9]|[1-5][0-9]|60)$/);
    assert.match(response.body, /All threads that may read content while it arrives are busy/);
    const asking = server.connect();
    await asking.send(head("/content", LARGE, EXPECT));
    assert.equal((await asking.response("POST")).status, 503);
    assert.equal(asking.text, "", "and its client was not told to send it");
    for (let i = 0; i < 5; i++) assert.equal((await server.get("/quick")).body, "quick");
    for (const [client, rest] of uploads) {
      await client.send(rest);
      assert.equal((await client.response("POST")).body, String(LARGE));
    }
    const [again, rest] = await upload(server, "/content");
    await again.send(rest);
    assert.equal((await again.response("POST")).body, String(LARGE), "there is room again");
  });

  thoroughly(test)("who leaves while it waits, or while it has a thread, leaves no place taken", async (t) => {
    const server = await serve(t, Blocking, { threads: 2 });
    for (let round = 0; round < runs(5, 2); round++) {
      server.reset();
      const uploads: [MemoryClient, string][] = [];
      for (let i = 0; i < 5; i++) uploads.push(await upload(server, "/leftReading"));
      await begun(server, 1);
      uploads[2][0].destroy();
      await until(() => server.httpd.stats().waiting === 3, "one that waits to be forgotten");
      for (const [client] of uploads) client.destroy();
      await until(() => server.httpd.stats().busy === 0 && server.httpd.stats().waiting === 0, "all to be gone");
    }
    const [client, rest] = await upload(server, "/read");
    await client.send(rest);
    assert.match((await client.response("POST")).body, new RegExp(`^${LARGE} `));
  });

  thoroughly(test)(
    "asked for before it is sent, it has its handler's response; and no more threads than the others",
    async (t) => {
      const server = await serve(t, Queued, { threads: 4 });
      const silent: MemoryClient[] = [];
      for (let i = 0; i < 4; i++) {
        const client = server.connect();
        await client.send(head("/asksSync", LARGE, EXPECT));
        silent.push(client);
      }
      await begun(server, 2);
      await until(() => silent.filter((client) => statuses(client).length > 0).length === 2, "those to be told");
      for (let i = 0; i < 5; i++) assert.equal((await server.get("/quick")).body, "quick");
      assert.deepEqual([server.httpd.stats().busy, server.httpd.stats().waiting], [2, 2]);
      for (const client of silent) {
        await until(() => statuses(client).join() === "100", "100 Continue");
        await client.send("x".repeat(LARGE));
        assert.equal((await client.responses(1))[0].body.length, LARGE);
      }
    },
  );

  test("with one thread it has that one", async (t) => {
    const server = await serve(t, Queued, { threads: 1 });
    const [client, rest] = await upload(server, "/content");
    await begun(server, 1);
    const waiting = server.connect();
    await waiting.send(request("GET", "/quick"));
    assert.deepEqual([server.httpd.stats().busy, server.httpd.stats().waiting], [1, 1]);
    await client.send(rest);
    assert.equal((await client.response("POST")).body, String(LARGE));
    assert.equal((await waiting.response()).body, "quick");
  });

  thoroughly(test)(
    "with threadBuffer 0 all content streams, however little, and however much of it is there",
    async (t) => {
      const server = await serve(t, Queued, { threads: 4, threadBuffer: 0, streamingThreads: 3 });
      const clients: MemoryClient[] = [];
      for (let i = 0; i < 5; i++) {
        const client = server.connect();
        await client.send(post("content").replace("/", "/asks").slice(0, -1));
        clients.push(client);
      }
      await begun(server, 3);
      assert.equal((await server.get("/quick")).body, "quick");
      assert.deepEqual([server.httpd.stats().busy, server.httpd.stats().waiting], [3, 2]);
      for (const client of clients) {
        await client.send("t");
        assert.equal((await client.response("POST")).body, "content");
      }
    },
  );

  test("a server that shuts down responses those that wait, too", async (t) => {
    const server = await serve(t, Queued, { threads: 2 });
    const uploads: [MemoryClient, string][] = [];
    for (let i = 0; i < 3; i++) uploads.push(await upload(server, "/content"));
    const down = server.httpd.shutdown();
    for (const [client, rest] of uploads) {
      await client.send(rest);
      assert.equal((await client.response("POST")).body, String(LARGE));
    }
    await down;
  });

  test("the number of such threads is from 1 to the most that there are", () => {
    const make = (options: ThreadingHTTPServerOptions): HTTPServer =>
      new ThreadingHTTPServer(["127.0.0.1", 0], Queued, { log: "none", ...options });
    make({ threads: 4, streamingThreads: 4 });
    make({ threads: { min: 1, max: 3 }, streamingThreads: 1 });
    for (const [streamingThreads, message] of [
      [0, /^streamingThreads must be a whole number from 1 to 4, not 0$/],
      [5, /^streamingThreads must be a whole number from 1 to 4, not 5$/],
      [1.5, /^streamingThreads must be a whole number from 1 to 4, not 1\.5$/],
      [Infinity, /^streamingThreads must be a whole number from 1 to 4, not Infinity$/],
    ] as const)
      assert.throws(() => make({ threads: 4, streamingThreads }), { name: "RangeError", message });
  });
});
