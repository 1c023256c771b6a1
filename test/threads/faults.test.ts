/** Faults stay in their thread: the request that met one hears of it, another thread takes the place, and nobody else notices. */
import assert from "node:assert/strict";
import process from "node:process";
import { after, describe, test } from "node:test";
import { type MemoryClient, request, until } from "../server/support.ts";
import { runtime, testOnNode } from "../support/runtime.ts";
import { runs, thorough, thoroughly } from "../support/thorough.ts";
import { BEGUN, Faulty, Queued } from "./handlers.ts";
import { Fragile, SWITCH } from "./programs/fragile.ts";
import { serve, type Threaded } from "./support.ts";

const server = await serve({ after }, Faulty, {
  // On Deno, those that compute or block without end keep their places.
  threads: { min: 3, max: runtime === "deno" ? 8 : 4 },
  replacementRate: Infinity,
  handlerTimeout: 2500,
  resourceLimits: { maxOldGenerationSizeMb: 24 },
});

/** Others whose requests get responses meanwhile, all of them; they go on for the whole file. */
const neighbours = Array.from({ length: 3 }, () => server.connect());
let responded = 0;
let isOver = false;
const beside = Promise.all(
  neighbours.map(async (client) => {
    for (; !isOver; responded++) {
      assert.equal((await client.ask(request("GET", "/quick"))).body, "quick");
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }),
);
beside.catch(() => {}); // the last test says so

/** Asks for a path. @returns the status of the response, or how it was cut off */
async function meet(path: string): Promise<string> {
  const client = server.connect();
  await client.send(request("GET", path));
  const isOver = (): boolean => client.reading.responses.length > 0 || client.ended || client.closed;
  if (path.endsWith("/late")) {
    await until(() => isOver() || client.text.includes("the beginning"), "the beginning");
    server.release(1);
  }
  await until(isOver, `a response to ${path}`);
  const [response] = client.reading.responses;
  return response === undefined ? `cut behind ${/[a-z ]*(?=\r\n$|$)/.exec(client.text)![0]}` : String(response.status);
}

/** Deno's threads tell no stack; an error without one is shown so. */
const ERROR = runtime === "deno" ? "\\[Error" : "Error";

describe("a handler that", { concurrency: 3 }, () => {
  const early: [path: string, outcome: string, log: RegExp][] = [
    ["throws", "500", /Error: thrown on purpose/],
    ["rejects", "500", /Error: thrown on purpose/],
    ["exits", "500", /a thread was lost while it ran GET \/exits: .*exit code 3/],
    ["exitsLater", "500", /a thread was lost while it ran GET \/exitsLater: .*exit code 3/],
    ["timer", "500", new RegExp(`a thread was lost while it ran GET /timer: ${ERROR}: in a timer`)],
    ["timerThrowsAnything", "500", /a thread was lost while it ran GET \/timerThrowsAnything: .*toString: null/],
    ["rejection", "500", new RegExp(`a thread was lost while it ran GET /rejection: ${ERROR}: nobody has caught`)],
    ["heap", "500", /a thread was lost while it ran GET \/heap: .*memory/],
    ["loops", "503", /a thread was lost while it ran GET \/loops: it took more than 2500 ms/],
    ["blocks", "503", /a thread was lost while it ran GET \/blocks: it took more than 2500 ms/],
    ["waits", "503", /a thread was lost while it ran GET \/waits: it took more than 2500 ms/],
  ];
  // Those that the short run leaves out end a thread in ways that others of the list end it in, or take long for it.
  const long = ["exitsLater", "timerThrowsAnything", "heap", "loops", "waits"];
  for (const [path, outcome, log] of early) {
    // Bun sets no limit to a thread's memory; a thread of Deno's that reaches it behind an await stops, and tells nobody.
    const testHere = path === "heap" ? testOnNode : test;
    const testNow = long.includes(path) ? thoroughly(testHere) : testHere;
    testNow(`${path} gets a response ${outcome}, which the log explains`, async () => {
      assert.equal(await meet(`/${path}`), outcome);
      await until(() => server.log.some((line) => log.test(line)), `${String(log)} in the log`);
    });
  }
});

// One after the other: all of them are held by one word until their client has the beginning.
describe("behind the head of its response, a handler that", () => {
  const late = ["throws", "exits", "blocks"];
  if (thorough) late.push("rejects", "rejection", "exitsLater", "timer", "loops", "waits");
  for (const path of late) {
    test(`${path} is cut off, so that its client can tell`, async () => {
      assert.equal(await meet(`/${path}/late`), "cut behind the beginning");
    });
  }
});

test("who had a response before the thread ended keeps it, and nobody else is hurt", async () => {
  for (let i = 0; i < 5; i++) assert.equal(await meet("/respondsAndExits"), "200");
});

test("what was lost is counted, and replaced", async (t) => {
  const own = await serve(t, Faulty, { threads: 2 });
  for (const [path, lost] of [
    ["/throws", 0],
    ["/exits", 1],
    ["/quick", 1],
  ] as const) {
    await own.get(path);
    await until(() => own.httpd.stats().replaced >= lost && own.httpd.stats().threads === 2, "two threads");
    const { failed, replaced } = own.httpd.stats();
    assert.deepEqual([failed, replaced], [lost, lost], path);
  }
});

test("all the while others got a response", async () => {
  isOver = true;
  await beside;
  assert.ok(responded > 100, String(responded));
});

test("a request that waited for a thread that was lost, or was started just now, gets a response as any", async (t) => {
  // Each thread that is started finds a request that ends it at once.
  const own = await serve(t, Faulty, { threads: { min: 1, max: 3 }, replacementRate: Infinity });
  const clients: MemoryClient[] = [];
  for (let i = 0; i < 12; i++) {
    const client = own.connect();
    await client.send(request("GET", i % 2 === 0 ? "/exits" : "/quick"));
    clients.push(client);
  }
  for (const [i, client] of clients.entries()) assert.equal((await client.response()).status, i % 2 === 0 ? 500 : 200);
  assert.equal(own.httpd.stats().failed, 6);
});

test("threads are replaced no faster than allowed, which is logged; who waits meanwhile is served then", async (t) => {
  const own = await serve(t, Faulty, { threads: 1, replacementRate: 1 });
  const begun = performance.now();
  // One may be replaced at once: as many as there are threads.
  for (let i = 0; i < 2; i++) assert.equal((await own.get("/exits")).status, 500);
  assert.equal((await own.get("/quick")).status, 200);
  assert.ok(performance.now() - begun > 950, "the second came at once");
  assert.ok(
    own.log.some((line) =>
      /threads end faster than 1 a second \(replacementRate\): the next is started in [0-9]+ ms/.test(line),
    ),
  );
  assert.deepEqual([own.httpd.stats().failed, own.httpd.stats().replaced], [2, 2]);
});

test("where no thread can be started any more, requests get 503; and it goes on when one can", async (t) => {
  const own = await serve(t, Fragile, { threads: 1, replacementRate: 20 });
  t.after(() => delete process.env[SWITCH]);
  assert.equal((await own.get("/")).body, "fine");
  process.env[SWITCH] = "1"; // which threads that are started from now on see
  assert.equal((await own.get("/exit")).status, 500);
  const response = await own.get("/");
  assert.deepEqual([response.status, response.get("retry-after")], [503, "1"]);
  assert.match(response.body, /No thread can be started/);
  assert.ok(
    own.log.some((line) => /thread 0 could not be started: Error: PLINTH_TEST_FRAGILE is set/.test(line)),
    own.log.join("\n"),
  );
  delete process.env[SWITCH];
  await until(() => own.httpd.stats().threads === 1, "a thread");
  assert.equal((await own.get("/")).body, "fine");
});

test("what threads are given may cease to be what can be copied: those that were started serve on", async (t) => {
  let reads = 0;
  const threadData = {
    get mine(): number {
      if (reads++ > 1) throw new Error("no more of it"); // once for the check, once for the first thread
      return 1;
    },
  };
  const own = await serve(t, Faulty, { threads: { min: 1, max: 2 }, replacementRate: 50, threadData });
  const waiting = own.connect();
  await waiting.send(request("GET", "/waits"));
  const next = own.connect();
  await next.send(request("GET", "/quick"));
  await until(() => own.log.some((line) => /could not be started: Error: no more of it/.test(line)), "an attempt");
  waiting.destroy();
  assert.equal(own.httpd.stats().threads, 1);
});

test("ended threads leave no request behind: all get responses, and the numbers agree", async (t) => {
  const own = await serve(t, Faulty, { threads: 2, replacementRate: Infinity, queue: 1000 });
  const paths = ["/exits", "/quick", "/exitsLater", "/throws", "/timer", "/quick", "/rejection"];
  const expected = [500, 200, 500, 500, 500, 200, 500];
  const rounds = runs(4, 1);
  const responses = await Promise.all(
    Array.from({ length: rounds * paths.length }, (_, i) => own.get(paths[i % paths.length])),
  );
  assert.deepEqual(
    responses.map(({ status }) => status),
    Array.from({ length: rounds }, () => expected).flat(),
  );
  const { busy, waiting, done, failed } = own.httpd.stats();
  assert.deepEqual([busy, waiting, failed, done], [0, 0, 4 * rounds, 3 * rounds]);
});

describe("a server that ends", () => {
  /** What this process has open. */
  const open = (): string =>
    process
      .getActiveResourcesInfo()
      .filter((name) => name !== "Timeout")
      .sort()
      .join();

  thoroughly(test)("leaves nothing behind, however often one is opened and closed, and whatever it ran", async (t) => {
    const before = open();
    for (let round = 0; round < runs(4, 1); round++) {
      const servers: Threaded[] = await Promise.all(
        Array.from({ length: 5 }, () => serve(t, Queued, { threads: 1, shutdownTimeout: 50 })),
      );
      for (const [i, own] of servers.entries()) {
        if (i === 0 && round === 0) {
          await own.connect().send(request("GET", "/held"));
          await own.wordIs(BEGUN, 1);
        } else if (i < 3) assert.equal((await own.get("/quick")).status, 200);
      }
      await Promise.all(
        servers.map(({ httpd }, i) => (i === 4 ? (httpd.serverClose(), httpd.shutdown()) : httpd.shutdown())),
      );
      for (const { httpd } of servers) assert.equal(httpd.stats().threads, 0);
    }
    await until(() => open() === before, `everything to end: ${before}`);
  });

  test("lets what runs and waits finish before its deadline", async (t) => {
    const own = await serve(t, Queued, { threads: 1 });
    const held = own.connect();
    await held.send(request("GET", "/held"));
    await own.wordIs(BEGUN, 1);
    const waiting = own.connect();
    await waiting.send(request("GET", "/quick"));
    const down = own.httpd.shutdown();
    assert.throws(() => own.connect(), /does not listen/);
    own.release();
    for (const [client, body] of [
      [held, "held"],
      [waiting, "quick"],
    ] as const) {
      const response = await client.response();
      assert.deepEqual([response.body, response.get("connection")], [body, "close"]);
      await client.end();
    }
    await down;
    assert.deepEqual([own.httpd.stats().threads, own.httpd.stats().done, own.httpd.stats().failed], [0, 2, 0]);
  });

  test("ends what runs behind its deadline, and says nothing of threads that it has ended itself", async (t) => {
    const own = await serve(t, Queued, { threads: 1, shutdownTimeout: 20 });
    const held = own.connect();
    await held.send(request("GET", "/held"));
    await own.wordIs(BEGUN, 1);
    await own.httpd.shutdown();
    assert.deepEqual([held.reading.responses.length, held.closed], [0, true]);
    assert.deepEqual(
      own.log.map((line) => line.slice(line.indexOf('"'))),
      ['"GET /held HTTP/1.1" - - shutdown'],
    );
    await assert.rejects(own.httpd.inject(), /has been shut down/);
  });
});
