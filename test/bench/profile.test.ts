/** Where the time of a CPU profile goes: whose code a function is, and what is counted. */
import assert from "node:assert/strict";
import { importBench } from "./import.ts";
import { testOnNode as test } from "../support/runtime.ts";

interface Found {
  readonly total: number;
  readonly idle: number;
  readonly areas: Map<string, { self: number; files: Map<string, number> }>;
  readonly functions: readonly { name: string; place: string; area: string; self: number }[];
}

const { aggregate } = await importBench<{
  aggregate(profile: unknown, window?: { from: number; to: number }): Found;
}>("lib/profile.mjs");

const root = new URL(".", import.meta.resolve("plinth/package.json")).href;
const node = (id: number, functionName: string, url = "", lineNumber = -1): unknown => ({
  id,
  callFrame: { functionName, url, lineNumber, columnNumber: 0, scriptId: "0" },
});

const NODES = [
  node(1, "(root)"),
  node(2, "(idle)"),
  node(3, "(garbage collector)"),
  node(4, "read", `${root}dist/src/protocol/http1/request_head.js`, 9),
  node(5, "read", `${root}dist/src/protocol/http1/chunked_reader.js`, 9),
  node(6, "do_POST", `${root}bench/peers/plinth-post.mjs`, 4),
  node(7, "writeBuffer"),
  node(8, "emit", "node:events", 99),
  node(9, "_parse", `${root}bench/node_modules/@scope/parse/index.js`, 0),
  // The same function, called from somewhere else.
  node(10, "read", `${root}dist/src/protocol/http1/request_head.js`, 9),
];

/** A sample each 100 µs, from 1,000 µs on. */
const profile = (samples: readonly number[]): unknown => ({
  nodes: NODES,
  samples,
  timeDeltas: samples.map((_, i) => (i === 0 ? 0 : 100)),
  startTime: 1000,
  endTime: 1000 + 100 * samples.length,
});

const areas = ({ areas }: Found): Record<string, number> =>
  Object.fromEntries([...areas].map(([area, { self }]) => [area, self]));

test("every function counts for its area, idle time for none", () => {
  const found = aggregate(profile([2, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
  assert.equal(found.total, 1000);
  assert.equal(found.idle, 200);
  assert.deepEqual(areas(found), {
    protocol: 300,
    "garbage collector": 100,
    handler: 100,
    native: 100,
    node: 100,
    "@scope/parse": 100,
  });
  assert.deepEqual(
    [...found.areas.get("protocol")!.files],
    [
      ["protocol/http1/request_head.js", 200],
      ["protocol/http1/chunked_reader.js", 100],
    ],
  );
});

test("a function is one wherever it was called from, and the one that took most comes first", () => {
  const { functions } = aggregate(profile([6, 4, 10, 5]));
  assert.deepEqual(functions[0], {
    name: "read",
    place: "protocol/http1/request_head.js:10",
    area: "protocol",
    self: 200,
  });
  assert.deepEqual(
    functions.map(({ self }) => self),
    [200, 100, 100],
  );
});

test("what lies outside the window is not counted; where nothing lies inside, all is", () => {
  const samples = [6, 6, 4, 4, 8];
  assert.deepEqual(areas(aggregate(profile(samples), { from: 1200, to: 1400 })), { protocol: 200 });
  assert.equal(aggregate(profile(samples), { from: 1, to: 2 }).total, 500);
});

test("a sample stands for the time until the next", () => {
  const uneven = { nodes: NODES, samples: [6, 4, 8], timeDeltas: [50, 10, 500], startTime: 0, endTime: 600 };
  assert.deepEqual(areas(aggregate(uneven)), { protocol: 500, node: 40, handler: 10 });
});
