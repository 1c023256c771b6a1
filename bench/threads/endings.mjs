// Threads that end in the middle of a request, a thousand of them: what others notice, and what is left behind.
import { openLoop } from "../lib/open.mjs";
import { plinth, start } from "../lib/servers.mjs";
import { figure, signed, table } from "../lib/table.mjs";
import { filesOf, memoryOf, threadsOf } from "../lib/usage.mjs";
import { format, keepAsking } from "../load/client.mjs";

/** Additions a second beside. */
const RATE = 100;
const CONNECTIONS = 16;
/** Requests that end a thread, under way at a time, by way: an endless loop takes its time. */
const WAYS = {
  exit: { said: "process.exit()", underWay: 1 },
  throw: { said: "What a timer threw", underWay: 1 },
  loop: { said: "An endless loop", underWay: 3 },
};
/** No fewer and no more, so that there are as many behind as before. More than are ended at a time. */
const THREADS = 8;
/** Milliseconds that an endless loop may run. */
const TIMEOUT = 150;
/** Of all endings, what is done before anything is compared: heaps have grown to their size then. */
const WARM_UP = 0.1;
/** Bytes of memory that may stay, for each thread and in all: a thread's heap that leaked would be a hundred times as much. */
const MEMORY_A_THREAD = 32 * 1024;
const MEMORY = 16 * 2 ** 20;
/** Milliseconds that a server has to come to rest, and its last threads to be replaced. */
const REST = 1000;
const REPLACEMENT = 15_000;

export const endings = {
  name: "endings",
  title: "threads ended in the middle of a request, with additions beside",
  async run(context) {
    const options = { handlerTimeout: TIMEOUT, replacementRate: "Infinity", threads: THREADS };
    const server = await start(plinth("ThreadingHTTPServer", { options, flags: ["--expose-gc"] }), context);
    const warmUp = Math.max(6, Math.round(context.endings * WARM_UP));
    context.tell("warming up");
    await end(server, warmUp);
    const before = await look(server);

    const additions = await openLoop(server, { rate: RATE, connections: CONNECTIONS });
    const beside = additions.run();
    const started = performance.now();
    let counted = 0;
    const responses = await end(server, context.endings, () => {
      if (++counted % 10 === 0) context.tell(`${counted} of ${context.endings} threads ended`);
    });
    const seconds = (performance.now() - started) / 1000;
    additions.stop();
    await beside;
    const others = await additions.result();
    const after = await look(server);
    await server.stop();
    return report({ endings: context.endings, seconds, responses, others, before, after });
  },
};

/** Ends so many threads, in turns each way. @returns what those requests got, by way */
async function end(server, count, onEach = () => {}) {
  const ways = Object.entries(WAYS);
  const responses = {};
  // A loop for each way: what a way's requests got is known.
  await Promise.all(
    ways.map(async ([way, { underWay }], i) => {
      let left = Math.floor(count / ways.length) + (i < count % ways.length ? 1 : 0);
      const asking = keepAsking(server.port, underWay, () => {
        if (left-- <= 0) return null;
        onEach();
        return format("POST", `/${way}`);
      });
      await asking.done;
      responses[way] = (await asking.stop()).responses;
    }),
  );
  return responses;
}

/** What a server holds once it has come to rest. */
async function look({ child, pid }) {
  const latest = performance.now() + REPLACEMENT;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, REST));
    child.say("state"); // which collects garbage first
    const { stats, resources } = JSON.parse(await child.line());
    if (stats.threads === THREADS || performance.now() > latest)
      return { memory: memoryOf(pid), threads: threadsOf(pid), files: filesOf(pid), resources, stats };
  }
}

function report(result) {
  const { endings, seconds, responses, others, before, after } = result;
  const rows = [
    ["", "before", "after", "change"],
    [
      "memory",
      `${figure(before.memory / 2 ** 20)} MiB`,
      `${figure(after.memory / 2 ** 20)} MiB`,
      `${signed((after.memory - before.memory) / 2 ** 20)} MiB`,
    ],
  ];
  const counts = [
    ["threads of the system", before.threads, after.threads],
    ["threads of the server", before.stats.threads, after.stats.threads],
    ["open files", before.files, after.files],
    ["handles of Node", before.resources.length, after.resources.length],
    ["replaced in all", before.stats.replaced, after.stats.replaced],
  ];
  for (const [name, was, is] of counts)
    rows.push([name, String(was), String(is), is >= was ? `+${is - was}` : `${is - was}`]);
  const failed = Object.values(others.failures).reduce((sum, n) => sum + n, 0);
  const notes = Object.entries(responses).map(
    ([way, kinds]) =>
      `${WAYS[way].said} got ${Object.entries(kinds)
        .map(([what, n]) => `${what} (${n})`)
        .join(", ")}`,
  );
  const why = Object.entries(others.failures).map(([what, n]) => `${what} (${n})`);
  notes.push(
    `${figure(endings / seconds)} threads ended a second. Beside: ${others.sent} additions, p99 ${figure(others.latency.p99)} ms, ${failed} failed${why.length > 0 ? `: ${why.join(", ")}` : ""}.`,
  );
  const grown = after.memory - before.memory;
  const allowed = MEMORY + endings * MEMORY_A_THREAD;
  const same = after.threads <= before.threads && after.files <= before.files;
  return {
    text: [table(rows), ...notes].join("\n"),
    goals: [
      {
        what: `additions that failed while ${endings} threads ended`,
        figure: String(failed),
        spread: "",
        goal: "0",
        met: failed === 0,
      },
      {
        what: "what those left behind: memory; threads; files",
        figure: `${signed(grown / 2 ** 20)} MiB; ${after.threads - before.threads}; ${after.files - before.files}`,
        spread: "",
        goal: `≤ ${figure(allowed / 2 ** 20)} MiB; 0; 0`,
        met: grown <= allowed && same,
      },
    ],
    data: result,
  };
}
