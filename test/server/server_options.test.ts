/** Each option of a server: one check, one meaning of 0 and of Infinity, one row in the guide. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  BaseHTTPRequestHandler,
  HTTPServer,
  type HTTPServerOptions,
  MemoryTransport,
  ThreadingHTTPServer,
  type ThreadingHTTPServerOptions,
} from "plinth";
import { root } from "../support/places.ts";
import { Stuck } from "../threads/programs/stuck.ts";

class Handler extends BaseHTTPRequestHandler {
  async do_POST(): Promise<void> {
    this.sendText(await this.text());
  }
}

/** Of the options that are numbers: whether 0 and Infinity may be, and whether only whole ones may. */
const NUMBERS: Readonly<Record<string, { zero: boolean; infinity: boolean; whole: boolean; threading?: true }>> = {
  maxBodySize: { zero: true, infinity: true, whole: true },
  maxTargetSize: { zero: true, infinity: true, whole: true },
  maxHeadSize: { zero: true, infinity: true, whole: true },
  maxFields: { zero: true, infinity: true, whole: true },
  maxTrailerSize: { zero: true, infinity: true, whole: true },
  maxTrailers: { zero: true, infinity: true, whole: true },
  maxChunkExtensionSize: { zero: true, infinity: true, whole: true },
  maxDrainSize: { zero: true, infinity: true, whole: true },
  drainTimeout: { zero: true, infinity: true, whole: false },
  headTimeout: { zero: false, infinity: true, whole: false },
  keepAliveTimeout: { zero: true, infinity: true, whole: false },
  minBodyRate: { zero: true, infinity: false, whole: false },
  bodyTimeout: { zero: true, infinity: true, whole: false },
  sendTimeout: { zero: false, infinity: true, whole: false },
  lingerTimeout: { zero: true, infinity: true, whole: false },
  maxLingerTime: { zero: true, infinity: true, whole: false },
  handlerTimeout: { zero: false, infinity: true, whole: false },
  startTimeout: { zero: false, infinity: true, whole: false },
  shutdownTimeout: { zero: true, infinity: true, whole: false },
  shutdownGrace: { zero: true, infinity: true, whole: false },
  maxConnections: { zero: false, infinity: true, whole: true },
  requestQueueSize: { zero: false, infinity: false, whole: true },
  listeners: { zero: false, infinity: false, whole: true },
  threads: { zero: false, infinity: false, whole: true, threading: true },
  queue: { zero: true, infinity: true, whole: true, threading: true },
  threadBuffer: { zero: true, infinity: false, whole: true, threading: true },
  streamingThreads: { zero: false, infinity: false, whole: true, threading: true },
  maxStuckThreads: { zero: true, infinity: true, whole: true, threading: true },
  replacementRate: { zero: false, infinity: true, whole: false, threading: true },
};

/** The others. */
const OTHERS = ["log", "reusePort", "informational", "transport"];
const THREADING_OTHERS = ["threadData", "resourceLimits"];

/** The rows of the options' table of a page: the first column, without its marks. */
function rowsOf(page: string): string[] {
  const text = readFileSync(path.join(root, "docs", page), "utf8");
  const table = /\n\| option +\| unit[^]*?\n\n/.exec(text)?.[0] ?? assert.fail(`${page} has no table of options`);
  return [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name);
}

function make(name: string, value: unknown): HTTPServer {
  const options = { log: "none", transport: new MemoryTransport(), [name]: value } as ThreadingHTTPServerOptions;
  if (NUMBERS[name]?.threading === true || THREADING_OTHERS.includes(name))
    return new ThreadingHTTPServer(["memory", 80], Stuck, options);
  return new HTTPServer(["memory", 80], Handler, options);
}

test("each option has one row in the guide, those of threads in THREADS.md", () => {
  const names = Object.keys(NUMBERS);
  assert.deepEqual(
    rowsOf("GUIDE.md").sort(),
    [...names.filter((name) => NUMBERS[name].threading === undefined), ...OTHERS].sort(),
  );
  const shared = ["handlerTimeout", "startTimeout"];
  assert.deepEqual(
    rowsOf("THREADS.md").sort(),
    [...names.filter((name) => NUMBERS[name].threading === true), ...THREADING_OTHERS, ...shared].sort(),
  );
  // What a server takes is what is known here: its message lists all.
  const message = (): string => {
    try {
      new ThreadingHTTPServer(["memory", 80], Stuck, { none: 1 } as HTTPServerOptions);
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  };
  assert.deepEqual(
    message().replace("there is no option none; there are ", "").split(", ").sort(),
    [...names, ...OTHERS, ...THREADING_OTHERS].sort(),
  );
});

test("each number is checked in one way, with the value and what would be right in the message", () => {
  for (const [name, { zero, infinity, whole }] of Object.entries(NUMBERS)) {
    for (const wrong of [
      -1,
      NaN,
      -Infinity,
      ...(zero ? [] : [0]),
      ...(infinity ? [] : [Infinity, 2 ** 32]),
      ...(whole ? [0.5] : []),
    ]) {
      if (name === "minBodyRate" && wrong === 2 ** 32) continue;
      assert.throws(
        () => make(name, wrong),
        { name: "RangeError", message: new RegExp(`^${name} must be .*, not ${wrong}$`) },
        `${name}: ${wrong}`,
      );
    }
    for (const wrong of ["5", null, true, [5], 5n, Symbol("s")]) {
      assert.throws(
        () => make(name, wrong),
        { name: "TypeError", message: new RegExp(`^${name} must be `) },
        `${name}: ${typeof wrong}`,
      );
    }
    for (const right of [1, undefined, ...(zero ? [0] : []), ...(infinity ? [Infinity] : []), ...(whole ? [] : [0.5])])
      make(name, right);
  }
});

test("the others are checked as well", () => {
  for (const [name, wrong, message] of [
    ["reusePort", "yes", /^reusePort must be true or false, not "yes"$/],
    ["reusePort", 1, /^reusePort must be true or false, not 1$/],
    ["transport", 5, /^transport must be an object with a method listen, not 5$/],
    ["transport", null, /^transport must be an object with a method listen, not null$/],
    ["transport", {}, /^transport must be an object with a method listen, not an object$/],
    ["informational", "sometimes", /^informational must be "never", "http2" or "always", not "sometimes"$/],
    ["log", 5, /^the option log is "plain", "none" or a function, not 5$/],
    ["threads", {}, null],
    ["threads", { most: 5 }, /^there is no threads\.most; there are min, max$/],
    ["threads", { min: "1" }, /^threads\.min must be a whole number from 1 to 192, not "1"$/],
    ["resourceLimits", "x", /^resourceLimits must be an object, such as \{ maxOldGenerationSizeMb: 256 \}, not "x"$/],
    [
      "resourceLimits",
      { maxOldGenerationSizeMb: "5" },
      /^resourceLimits\.maxOldGenerationSizeMb must be a number of megabytes above 0, and finite, not "5"$/,
    ],
    ["resourceLimits", { stackSizeMb: 0 }, /^resourceLimits\.stackSizeMb must be a number of megabytes above 0/],
    ["resourceLimits", { memory: 5 }, /^there is no resourceLimits\.memory; there are maxYoungGenerationSizeMb, /],
    ["resourceLimits", { stackSizeMb: 4 }, null],
    ["threadData", () => 5, /^cannot give threadData to a thread: /],
  ] as const) {
    if (message === null) make(name, wrong);
    else assert.throws(() => make(name, wrong), { message }, `${name}: ${String(wrong)}`);
  }
});

test("with each option without a limit, or at its least, a server serves, and stops", async () => {
  const most = Object.entries(NUMBERS).filter(([, { infinity, threading }]) => infinity && threading !== true);
  const least = {
    drainTimeout: 0,
    keepAliveTimeout: 0,
    lingerTimeout: 0,
    maxLingerTime: 0,
    shutdownTimeout: 0,
    shutdownGrace: 0,
    minBodyRate: 0,
  };
  for (const options of [
    Object.fromEntries(most.map(([name]) => [name, Infinity])),
    least,
    { requestQueueSize: 65_535, maxConnections: 1 },
  ]) {
    const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none", ...options });
    await httpd.serverActivate();
    const [host, port] = httpd.serverAddress;
    const response = await fetch(`http://${host}:${port}/`, {
      method: "POST",
      body: "all of it",
      headers: { Connection: "close" },
    });
    assert.deepEqual([response.status, await response.text()], [200, "all of it"], JSON.stringify(options));
    await httpd.shutdown();
  }
});

test("with each option of threads without a limit, or at its least, a server serves, and stops", async () => {
  const options = [
    {
      queue: Infinity,
      replacementRate: Infinity,
      maxStuckThreads: Infinity,
      startTimeout: Infinity,
      handlerTimeout: Infinity,
    },
    { queue: 0, maxStuckThreads: 0, threadBuffer: 0, threads: 1, streamingThreads: 1, replacementRate: 1e-9 },
    // As many threads as there may be, with the largest buffers.
    { threadBuffer: 2 ** 24, threads: { min: 1, max: 192 } },
    { threadBuffer: 2 ** 24, threads: { min: 1, max: 32 } },
  ];
  for (const each of options) {
    const httpd = new ThreadingHTTPServer(["memory", 80], Stuck, {
      log: "none",
      transport: new MemoryTransport(),
      ...each,
    });
    await httpd.serverActivate();
    assert.equal((await httpd.inject({ path: "/quick" })).text(), "quick", JSON.stringify(each));
    await httpd.shutdown();
  }
});
