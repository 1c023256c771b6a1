/** Whatever clients and handlers do, in whatever order: each request ends, the numbers agree, and nothing is left. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { type MemoryClient, post, postChunks, request, until } from "../server/support.ts";
import { Blocking, Faulty, pattern, Queued } from "./handlers.ts";
import { serve, type Threaded } from "./support.ts";
import { thoroughly, runs } from "../support/thorough.ts";

/** Numbers that look like chance, the same each time. */
function dice(seed: number): (sides: number) => number {
  return (sides) => {
    seed = (Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return (seed >>> 3) % sides;
  };
}

/** One client: sends some requests, reads or not, and leaves when it likes, or when it has all its responses. */
async function visit(server: Threaded, roll: (sides: number) => number, paths: readonly string[]): Promise<void> {
  const client: MemoryClient = server.connect();
  const methods: string[] = [];
  for (let count = 1 + roll(3); count > 0; count--) {
    const path = paths[roll(paths.length)];
    const content = pattern([0, 10, 3000, 70_000, 300_000][roll(5)]).toString("latin1");
    const text = [
      request("GET", path),
      post(content).replace("/", path),
      postChunks([content + ".", "more"]).replace("/", path),
    ][roll(3)];
    methods.push(text.slice(0, text.indexOf(" ")));
    for (let at = 0; at < text.length && !client.client.closed;) {
      const piece = 1 + roll(1 + roll(40_000));
      // Who does not read may wait for ever for its next request to be read.
      const sent = client.send(text.slice(at, at + piece));
      for (let i = 0; i < 200; i++) if (await Promise.race([sent.then(() => true), sleep(1, false)])) break;
      at += piece;
      if (roll(60) === 0) return client.destroy();
      if (roll(4) === 0) void client.reading;
    }
  }
  client.methods = methods;
  if (roll(4) === 0) void client.end(); // once the server reads
  if (roll(3) === 0) return client.destroy();
  await until(
    () => client.reading.responses.length === methods.length || client.ended || client.closed,
    "responses",
    30_000,
  );
  client.destroy();
}

const cases: [
  name: string,
  Handler: typeof Queued | typeof Blocking | typeof Faulty,
  paths: string[],
  options: object,
][] = [
  [
    "content and responds of all sizes",
    Queued,
    ["/quick", "/content", "/noted/1", "/large/5", "/large/500000", "/large/300000/7000"],
    {},
  ],
  [
    "the same, with nothing waited for",
    Queued,
    ["/quick", "/content", "/large/500000", "/asksSync"],
    { threadBuffer: 0 },
  ],
  ["handlers that block", Blocking, ["/echo", "/read", "/some", "/write/3/90000", "/pieces/1000", "/lines"], {}],
  [
    "threads that end",
    Faulty,
    ["/quick", "/exits", "/throws", "/exitsLater", "/timer", "/quick"],
    { replacementRate: Infinity },
  ],
];

for (const [i, [name, Handler, paths, options]] of cases.entries()) {
  // The short run leaves out the slowest of them. Its clients and paths are those of the first.
  (name.startsWith("the same") ? thoroughly(test) : test)(name, async (t) => {
    const server = await serve(t, Handler, { threads: { min: 2, max: 4 }, queue: 20, ...options });
    const roll = dice(i + 1);
    const count = Handler === Faulty ? runs(60, 20) : runs(150, 30);
    let begun = 0;
    await Promise.all(
      Array.from({ length: 12 }, async () => {
        while (begun++ < count) await visit(server, roll, paths);
      }),
    );
    const { stats } = server.httpd;
    await until(() => stats.call(server.httpd).busy === 0 && stats.call(server.httpd).waiting === 0, "all to end");
    assert.ok(server.httpd.stats().done > count / 3, `only ${server.httpd.stats().done} were run`);
    assert.equal((await server.get("/quick")).status, 200);
    const faults = server.log.filter((line) => /Error:|cannot|lost/.test(line));
    if (Handler !== Faulty) assert.deepEqual([faults, server.httpd.stats().failed], [[], 0]);
    await server.httpd.shutdown(); // waits for whatever is counted as running
    assert.equal(server.httpd.stats().threads, 0);
  });
}
