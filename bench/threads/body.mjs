// A large content in and out again: how fast, and in how much memory.
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Child } from "../lib/processes.mjs";
import { plinth, start } from "../lib/servers.mjs";
import { median, pairedRatio, spread } from "../lib/stats.mjs";
import { figure, interval, range, table } from "../lib/table.mjs";
import { watchMemory } from "../lib/usage.mjs";

const GOAL = 0.7;
/** Bytes of growth that still count as flat: a young generation of a thread's heap or two, and buffers that wait to be collected. */
const FLAT = 96 * 2 ** 20;
const MIB = 2 ** 20;

const file = fileURLToPath(new URL("../load/bulk.mjs", import.meta.url));

export const body = {
  name: "body",
  title: "content in and out again through an echo handler",
  async run(context) {
    const options = { maxBodySize: "Infinity" };
    const contestants = [
      ["on the event loop", "HTTPServer", "/echo"],
      ["in a thread, for await", "ThreadingHTTPServer", "/echo"],
      ["in a thread, readSync and writeSync", "ThreadingHTTPServer", "/echo-sync"],
    ];
    const entries = [];
    for (const [name, kind, path] of contestants) {
      const server = await start(plinth(kind, { name, options }), context);
      context.tell(`${name}: warming up`);
      await pass(server, path, 128 * MIB);
      entries.push({ server, path, rates: [], growth: [], first: [] });
    }
    const rounds = Math.min(context.rounds, 3);
    for (let round = 0; round < rounds; round++) {
      for (const entry of context.turns(entries, round)) {
        context.tell(`round ${round + 1} of ${rounds}: ${entry.server.name}`);
        const memory = watchMemory(entry.server.pid);
        const seconds = await pass(entry.server, entry.path, context.size * MIB);
        const { first, most } = memory.stop();
        entry.rates.push((context.size * MIB) / 1e6 / seconds);
        entry.first.push(first);
        entry.growth.push(most - first);
      }
    }
    for (const { server } of entries) await server.stop();
    return report(entries, context.size);
  },
};

async function pass(server, path, size) {
  const child = new Child(process.execPath, [file, JSON.stringify({ port: server.port, path, size })]);
  const { seconds, error, received } = JSON.parse(await child.line());
  await child.exited;
  if (error !== undefined)
    throw new Error(`${server.name}: ${error} (${received} bytes came back)\n${server.child.errors}`);
  return seconds;
}

function report(entries, size) {
  const rows = [["echo", "MB/s each way", "over the rounds", "memory before", "its growth", "over the rounds"]];
  for (const { server, rates, growth, first } of entries) {
    const grown = spread(growth.map((bytes) => bytes / MIB));
    rows.push([
      server.name,
      figure(median(rates)),
      range(spread(rates)),
      `${figure(median(first) / MIB)} MiB`,
      `${figure(grown.median)} MiB`,
      range(grown),
    ]);
  }
  const [loop, ...threads] = entries;
  const goals = threads.flatMap(({ server, rates, growth }) => {
    const ratio = pairedRatio(rates, loop.rates);
    const grown = spread(growth.map((bytes) => bytes / MIB));
    return [
      {
        what: `MB/s of ${size} MiB ${server.name}, to the event loop`,
        figure: `${ratio.ratio.toFixed(2)} x`,
        spread: interval(ratio),
        goal: `≥ ${GOAL} x`,
        met: ratio.ratio >= GOAL,
      },
      {
        what: `memory that this takes ${server.name}`,
        figure: `${figure(grown.median)} MiB`,
        spread: range(grown),
        goal: `≤ ${FLAT / MIB} MiB`,
        met: grown.median <= FLAT / MIB,
      },
    ];
  });
  return { text: table(rows), goals, data: entries.map(({ server, ...rest }) => ({ echo: server.name, ...rest })) };
}
