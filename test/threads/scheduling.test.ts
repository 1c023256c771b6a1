/** Who gets a thread, and when: first come first served, no more than there is room for, and nobody who has not got all he needs. */
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { after, test } from "node:test";
import { ThreadingHTTPServer } from "plinth";
import { GET, type MemoryClient, post, postChunks, request, turn, until } from "../server/support.ts";
import { BEGUN, ENDED, NOTED, NOTES, pattern, Queued } from "./handlers.ts";
import { serve, type Threaded } from "./support.ts";
import { thoroughly } from "../support/thorough.ts";

/** One thread, shared by the tests that need no more; each leaves it free. */
const one = await serve({ after }, Queued, { threads: 1, queue: 5000 });

/** Holds a server's threads. @returns the clients */
async function holdAll(server: Threaded, count = 1): Promise<MemoryClient[]> {
  server.reset();
  const clients = Array.from({ length: count }, () => server.connect());
  for (const client of clients) await client.send(request("GET", "/held"));
  await server.wordIs(BEGUN, count);
  return clients;
}

/** Sends a request that waits for a thread. */
async function wait(server: Threaded, text: string): Promise<MemoryClient> {
  const { waiting } = server.httpd.stats();
  const client = server.connect();
  await client.send(text);
  assert.equal(server.httpd.stats().waiting, waiting + 1);
  return client;
}

test("first come, first served, however many wait, each with its content", async () => {
  const count = 300; // more than shared memory holds
  const content = (i: number): string => `content of ${i}`;
  const [held] = await holdAll(one);
  await held.send(post(content(count)).replace("/", `/noted/${count}`)); // which has come when the first one is through
  const clients: MemoryClient[] = [];
  for (let i = 0; i < count; i++) clients.push(await wait(one, post(content(i)).replace("/", `/noted/${i}`)));
  const { waitingTime: _, done: __, ...numbers } = one.httpd.stats();
  assert.deepEqual(numbers, { threads: 1, busy: 1, waiting: count, failed: 0, replaced: 0, stuck: 0 });
  one.release();
  for (const [i, client] of clients.entries()) assert.equal((await client.response("POST")).body, content(i));
  held.methods = ["GET", "POST"];
  assert.deepEqual(
    (await held.responses(2)).map(({ body }) => body),
    ["held", content(count)],
  );
  assert.deepEqual([...one.words.subarray(NOTES, NOTES + count + 1)], [...Array(count + 1).keys()]);
  const { busy, waiting, waitingTime } = one.httpd.stats();
  assert.deepEqual([busy, waiting], [0, 0]);
  assert.ok(waitingTime.p50 > 0 && waitingTime.p50 <= waitingTime.p90 && waitingTime.p90 <= waitingTime.max);
});

test("a request has come when its content has: one that began before and dribbles comes later", async () => {
  const held = await holdAll(one);
  const late = one.connect();
  await late.send(request("POST", "/noted/1").replace("\r\n\r\n", "\r\nContent-Length: 10\r\n\r\n12345"));
  const early = await wait(one, request("GET", "/noted/2"));
  await late.send("67890");
  await until(() => one.httpd.stats().waiting === 2, "the other one");
  one.release();
  for (const client of [...held, early, late]) assert.equal((await client.response()).status, 200);
  assert.deepEqual([...one.words.subarray(NOTES, NOTES + 2)], [2, 1]);
});

test("a request whose client leaves while it waits is never run", async () => {
  const held = await holdAll(one);
  const clients: MemoryClient[] = [];
  for (let i = 0; i < 200; i++) clients.push(await wait(one, request("GET", `/noted/${i}`)));
  for (const [i, client] of clients.entries()) if (i % 3 === 0) client.destroy();
  const left = clients.filter((_, i) => i % 3 !== 0);
  await until(() => one.httpd.stats().waiting === left.length, "those who left to be forgotten");
  one.release();
  for (const client of [...held, ...left]) assert.equal((await client.response()).status, 200);
  const expected = [...clients.keys()].filter((i) => i % 3 !== 0);
  assert.deepEqual([...one.words.subarray(NOTES, NOTES + expected.length)], expected);
  assert.equal(one.words[NOTED], expected.length);
});

test("those who leave leave no place taken: thousands of them, and the next one is served", async () => {
  for (let round = 0; round < 5; round++) {
    const held = await holdAll(one);
    for (let i = 0; i < 600; i++) {
      const client = one.connect();
      await client.send(request("GET", "/noted/0"));
      client.destroy();
      await Promise.resolve();
    }
    await until(() => one.httpd.stats().waiting === 0, "all to be forgotten");
    const last = await wait(one, request("GET", "/noted/1"));
    one.release();
    for (const client of [...held, last]) assert.equal((await client.response()).status, 200);
    assert.equal(one.words[NOTED], 1);
  }
});

test("one connection has one request in the threads, though it has sent more", async () => {
  const server = await serve({ after }, Queued, { threads: 2 });
  const client = server.connect();
  await client.send(request("GET", "/held") + request("GET", "/noted/1") + request("GET", "/noted/2"));
  await server.wordIs(BEGUN, 1);
  assert.equal((await server.get("/quick")).body, "quick");
  assert.equal(server.words[NOTED], 0);
  assert.deepEqual([server.httpd.stats().busy, server.httpd.stats().waiting], [1, 0]);
  server.release();
  assert.deepEqual(
    (await client.responses(3)).map(({ body }) => body),
    ["held", "", ""],
  );
  assert.deepEqual([...server.words.subarray(NOTES, NOTES + 2)], [1, 2]);
});

for (const queue of [0, 2]) {
  test(`with all threads busy and ${queue} waiting, the next gets 503 at once, with Retry-After`, async (t) => {
    const server = await serve(t, Queued, { threads: 2, queue });
    const held = await holdAll(server, 2);
    const waiting: MemoryClient[] = [];
    for (let i = 0; i < queue; i++) waiting.push(await wait(server, request("GET", "/noted/1")));
    const client = server.connect();
    for (const text of [request("GET", "/noted/2"), post("content"), postChunks(["con", "tent"])]) {
      const response = await client.ask(text);
      assert.deepEqual([response.status, response.get("connection")], [503, null]);
      assert.match(response.get("retry-after")!, /^([1-9]|[1-5][0-9]|60)$/);
      assert.match(response.body, /All threads are busy, and the queue of requests that wait for one is full/);
    }
    // One that asks before it sends content is told so instead.
    const asking = server.connect();
    await asking.send("POST /noted/3 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert.equal((await asking.response("POST")).status, 503);
    assert.equal(asking.text, "");
    assert.deepEqual([server.httpd.stats().busy, server.httpd.stats().waiting], [2, queue]);
    server.release();
    for (const client of [...held, ...waiting]) assert.equal((await client.response()).status, 200);
    assert.equal((await client.ask(request("GET", "/quick"))).status, 200, "there is room again");
    assert.equal(server.words[NOTED], queue);
    assert.ok(server.log.some((line) => line.includes("503")));
  });
}

test("more threads are started while requests wait, up to the most; they end when they have been idle", async (t) => {
  // The check for idle threads is looked for among the intervals, and made when the test wants it.
  const { setInterval } = globalThis;
  const checks: (() => void)[] = [];
  t.after(() => (globalThis.setInterval = setInterval));
  globalThis.setInterval = ((task: () => void, time: number) => {
    if (time === 1000) checks.push(task);
    return setInterval(time === 1000 ? () => {} : task, time);
  }) as typeof globalThis.setInterval;
  const server = await serve(t, Queued, { threads: { min: 1, max: 3 } });
  globalThis.setInterval = setInterval;
  assert.equal(server.httpd.stats().threads, 1);
  const [checkIdle] = checks;
  assert.equal(checks.length, 1);

  const clients = await holdAll(server, 3); // which begin, so all three are there
  await until(() => server.httpd.stats().threads === 3, "what the last thread says of itself");
  const next = await wait(server, request("GET", "/quick"));
  const { threads, busy, waiting } = server.httpd.stats();
  assert.deepEqual([threads, busy, waiting], [3, 3, 1]);
  for (let i = 0; i < 40; i++) checkIdle();
  assert.equal(server.httpd.stats().threads, 3, "none of them is idle");
  server.release();
  for (const client of [...clients, next]) assert.equal((await client.response()).status, 200);

  const check = async (): Promise<void> => {
    const { threads } = server.httpd.stats();
    checkIdle();
    assert.ok(server.httpd.stats().threads >= threads - 1, "one at a time");
    await turn();
  };
  for (let i = 0; i < 14; i++) await check();
  assert.equal(server.httpd.stats().threads, 3, "not yet");
  await until(() => {
    void check();
    return server.httpd.stats().threads === 1;
  }, "idle threads to end");
  for (let i = 0; i < 40; i++) await check();
  assert.equal(server.httpd.stats().threads, 1, "so many there must be");
  assert.equal((await server.get("/quick")).status, 200);
  // Those that have ended are ended for good: what was to end them later harms nobody in their places.
  const early = await holdAll(server, 3);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  assert.deepEqual([server.httpd.stats().threads, server.httpd.stats().stuck], [3, 0]);
  server.release();
  for (const client of early) assert.equal((await client.response()).status, 200);
  const again = await holdAll(server, 3);
  server.release();
  for (const client of again) assert.equal((await client.response()).status, 200);
  const { failed, replaced } = server.httpd.stats();
  assert.deepEqual([failed, replaced, server.log.filter((line) => line.includes("thread"))], [0, 0, []]);
});

test("a number of threads is that many, from the beginning; without one, as many as there are cores", async (t) => {
  const server = await serve(t, Queued, { threads: 3 });
  assert.equal(server.httpd.stats().threads, 3);
  const clients = await holdAll(server, 3);
  const next = await wait(server, request("GET", "/thread"));
  await new Promise((resolve) => setTimeout(resolve, 50)); // many times what one waits for another thread
  assert.deepEqual([server.httpd.stats().threads, server.httpd.stats().waiting], [3, 1]);
  server.release();
  for (const client of [...clients, next]) assert.equal((await client.response()).status, 200);

  if (availableParallelism() > 16) return; // so many are no quick test
  const plain = await serve(t, Queued);
  assert.equal(plain.httpd.stats().threads, availableParallelism());
});

test("uploads that dribble hold no thread", async () => {
  one.reset();
  const clients: [client: MemoryClient, rest: string][] = [];
  for (let i = 0; i < 30; i++) {
    const client = one.connect();
    const text = (i % 2 === 0 ? post("x".repeat(1000)) : postChunks(["x".repeat(500), "x".repeat(500)])).replace(
      "/",
      "/content",
    );
    const end = text.length - 1 - i;
    await client.send(text.slice(0, end));
    clients.push([client, text.slice(end)]);
  }
  assert.equal((await one.get("/quick")).body, "quick");
  assert.deepEqual([one.httpd.stats().busy, one.httpd.stats().waiting, one.words[BEGUN]], [0, 0, 0]);
  for (const [client, rest] of clients) {
    for (const byte of rest) await client.send(byte);
    assert.equal((await client.response("POST")).body, "1000");
  }
  assert.equal(one.words[BEGUN], clients.length);
});

test("a thread is given when as much content has come as threadBuffer says, though there is more", async (t) => {
  const server = await serve(t, Queued, { threads: 1, threadBuffer: 1000 });
  const client = server.connect();
  await client.send(post("x".repeat(3000)).replace("/", "/content").slice(0, -2001));
  assert.equal((await server.get("/quick")).body, "quick");
  assert.equal(server.words[BEGUN], 0);
  await client.send("x");
  await server.wordIs(BEGUN, 1);
  assert.equal(server.httpd.stats().busy, 1);
  await client.send("x".repeat(2000));
  assert.equal((await client.response("POST")).body, "3000");
});

test("slow readers hold no thread, of responses that fit, and of larger ones that a handler does not wait for", async () => {
  one.reset();
  for (const [size, piece, count] of [
    [60_000, 60_000, 20],
    [200_000, 5_000, 3],
    [600_000, 600_000, 3],
    [600_000, 5_000, 3],
  ]) {
    const clients: MemoryClient[] = [];
    const { done } = one.httpd.stats();
    for (let i = 0; i < count; i++) {
      const client = one.connect();
      await client.send(request("GET", `/large/${size}/${piece}`) + GET.replace("/", "/quick"));
      clients.push(client);
    }
    await until(() => one.httpd.stats().done >= done + count && one.httpd.stats().busy === 0, "all handlers to settle");
    assert.equal((await one.get("/quick")).body, "quick");
    for (const client of clients) {
      const [large, quick] = await client.responses(2);
      assert.deepEqual([Buffer.from(large.body, "latin1").equals(pattern(size)), quick.body], [true, "quick"]);
    }
  }
});

/** A request whose client asks before it sends its content. */
function asking(path: string, length: number): string {
  return `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n\r\n`;
}

test("who asks before it sends content that is waited for is told at once to send it, and holds no thread", async () => {
  one.reset();
  for (const path of ["/asks", "/asksSync", "/quick"]) {
    const client = one.connect();
    await client.send(asking(path, 5));
    assert.deepEqual(
      client.reading.responses.map(({ status }) => status),
      [100],
    );
    assert.equal((await one.get("/quick")).body, "quick");
    assert.deepEqual([one.httpd.stats().busy, one.httpd.stats().waiting], [0, 0]);
    await client.send("hello");
    assert.equal((await client.responses(1))[0].body, path === "/quick" ? "quick" : "hello");
    assert.equal(client.reading.responses.length, 2, "100 comes once");
  }
});

test("who asks before it sends more than that is heard at its head, and told to go on when the handler reads", async () => {
  one.reset();
  const content = "x".repeat(70_000);
  for (const path of ["/asks", "/asksSync"]) {
    const client = one.connect();
    await client.send(asking(path, content.length));
    await until(() => client.reading.responses.length > 0, "100 Continue");
    assert.deepEqual(
      client.reading.responses.map(({ status }) => status),
      [100],
    );
    assert.equal(one.httpd.stats().busy, 1);
    await client.send(content);
    assert.equal((await client.responses(1))[0].body, content);
  }
  // A handler that does not read responses without it.
  const client = one.connect();
  await client.send(asking("/quick", content.length));
  const response = await client.response("POST");
  assert.deepEqual([response.status, response.get("connection"), client.text], [200, "close", ""]);
});

thoroughly(test)("and must send then: the body rate's deadline ends its read, and the thread is free", async (t) => {
  const server = await serve(t, Queued, { threads: 1, bodyTimeout: 200 });
  const head = asking("/asksSync", 70_000);
  const client = server.connect();
  await client.send(head);
  await client.endOfConnection();
  assert.deepEqual(
    client.reading.responses.map(({ status }) => status),
    [100, 408],
  );
  await server.wordIs(ENDED, 1);
  assert.equal((await server.get("/quick")).status, 200);
  // So it is for content that is waited for before there is a thread: its handler learns it by its first read.
  const slow = server.connect();
  await slow.send(post("12").replace("POST /", "POST /asksSync").slice(0, -1));
  const silent = server.connect();
  await silent.send(asking("/asksSync", 5));
  await slow.endOfConnection();
  await silent.endOfConnection();
  assert.deepEqual(
    [slow, silent].map(({ reading }) => reading.responses.map(({ status }) => status)),
    [[408], [100, 408]],
  );
  assert.deepEqual([server.words[BEGUN], server.words[ENDED], server.httpd.stats().failed], [3, 3, 0]);
});

test("a server that has not begun has no threads, and counts nothing", () => {
  const { waitingTime, ...stats } = new ThreadingHTTPServer(["memory", 80], Queued).stats();
  assert.deepEqual(stats, { threads: 0, busy: 0, waiting: 0, done: 0, failed: 0, replaced: 0, stuck: 0 });
  assert.deepEqual(waitingTime, { p50: 0, p90: 0, p99: 0, max: 0 });
});

thoroughly(test)(
  "heads of up to 1 MiB come to a thread where the limits allow them; much larger ones do not",
  async (t) => {
    const limits = { maxHeadSize: Infinity, maxTargetSize: Infinity, maxFields: Infinity };
    const own = await serve(t, Queued, { threads: 1, ...limits });
    const long = (size: number): string => request("GET", `/quick?${"x".repeat(size)}`);
    const many = (size: number): string =>
      request("GET", "/quick").replace(/\r\n$/, "a:\r\n".repeat(size / 4) + "\r\n");
    for (const [head, status] of [
      [long(600_000), 200],
      [long(1_000_000), 200],
      [many(300_000), 200],
      [many(1_000_000), 200],
      [long(10_000_000), 431],
    ] as const)
      assert.equal((await own.connect().ask(head)).status, status, `${head.length} bytes`);
  },
);
