// Large contents in and out: how fast, for how much of a core, and in how much memory.
import process from "node:process";
import { fileURLToPath } from "node:url";
import { firstLine, nameOf, startPeers } from "../lib/contest.mjs";
import { compare } from "../lib/goals.mjs";
import { versionLabel } from "../lib/peers.mjs";
import { Child, ownCores } from "../lib/processes.mjs";
import { FULL_NOTE, isFull, whoOf } from "../lib/rows.mjs";
import { spread } from "../lib/stats.mjs";
import { figure, range, table } from "../lib/table.mjs";
import { cpuBetween, cpuNow, watchMemory } from "../lib/usage.mjs";
import { half, peersOf, standing } from "../lib/workload.mjs";

const MIB = 2 ** 20;
const SIZE = 100 * MIB;
const ROUNDS = 4;
/** Bytes of growth behind the first content that still count as flat. */
const FLAT = 16 * MIB;
/** The JavaScript peers on Node. */
const ON_NODE = ["node-http", "fastify", "hono", "express", "srvx", "uws"];

const file = fileURLToPath(new URL("../load/transfer.mjs", import.meta.url));

export const upload = transfer("upload", "POST /upload of 100 MiB, again and again over one connection");
export const download = transfer("download", "GET /download of 100 MiB, again and again over one connection");

const OVER_TLS = {
  tls: true,
  field: [
    "plinth-post@node26",
    "plinth-post@bun",
    "plinth-post@deno",
    "node-http@node26",
    "fastify@node26",
    "uws",
    "bun",
    "deno",
  ],
  theirs: "node-http@node26",
};
export const tlsUpload = transfer(
  "upload",
  "POST /upload of 100 MiB over TLS, again and again over one connection",
  OVER_TLS,
);
export const tlsDownload = transfer(
  "download",
  "GET /download of 100 MiB over TLS, again and again over one connection",
  OVER_TLS,
);

/** @param {{ tls?: boolean, field?: readonly string[], theirs?: string | readonly string[] }} how `theirs`: those that the goal is for (goals.mjs) */
function transfer(direction, title, { tls = false, field, theirs = ON_NODE } = {}) {
  const who = { serves: [direction], field, tls };
  const { wants, count } = standing(who);
  const roundsOf = (options) => Math.min(options.rounds, ROUNDS);
  return {
    name: tls ? `tls-${direction}` : direction,
    title,
    tls,
    wants,
    estimate: (options) => count(options) * (0.8 + roundsOf(options) * (half(options.seconds) + 0.25)),
    putOn: (server, seconds) => passes(server, direction, seconds),
    async run(context) {
      const rounds = roundsOf(context);
      const started = await startPeers(context, peersOf(who, context));
      const entries = started.map((one) => ({ ...one, runs: [], lost: false }));
      const tried = async (entry, doing, work) => {
        if (entry.lost) return;
        context.tell(`${doing}: ${nameOf(entry.peer)}`);
        try {
          await work(entry);
        } catch (error) {
          entry.lost = true;
          context.leaveOut(nameOf(entry.peer), firstLine(error));
        }
      };
      for (const one of entries) {
        await tried(one, "a first content", async (entry) => {
          entry.first = (await watched(entry.server, direction, 0)).most;
        });
      }
      for (let round = 0; round < rounds; round++) {
        for (const one of context.turns(entries, round)) {
          await tried(one, `round ${round + 1} of ${rounds}`, async (entry) => {
            entry.runs.push(await watched(entry.server, direction, half(context.seconds)));
          });
        }
      }
      for (const { server } of started) await server.stop();
      const done = entries.filter(({ lost }) => !lost);
      if (done.length === 0) throw new Error("no peer has done it");
      return report(done, context, theirs);
    },
  };
}

/** One run of the load. @param {number} seconds no content is begun behind them: 0 is for one */
async function passes({ port, ca }, direction, seconds) {
  const orders = { port, ca, direction, size: SIZE, seconds };
  const child = new Child(process.execPath, [file, JSON.stringify(orders)], { cores: ownCores().loadCores });
  const result = JSON.parse(await child.line());
  await child.exited;
  if (result.error !== undefined) throw new Error(result.error);
  return result;
}

/** The same, and what the server takes meanwhile. */
async function watched(server, direction, seconds) {
  const memory = watchMemory(server.pid, 20);
  const before = cpuNow(server.pid);
  try {
    const result = await passes(server, direction, seconds);
    const mib = (result.passes * SIZE) / MIB;
    const cpu = cpuBetween(before, cpuNow(server.pid)) / mib;
    return {
      perSecond: (mib * MIB) / 1e6 / result.seconds,
      cpu,
      loadBusy: result.busy,
      chunked: result.chunked,
      most: memory.stop().most,
    };
  } finally {
    memory.stop();
  }
}

function report(entries, context, theirs) {
  const found = entries.map(({ peer, runs, first }) => {
    const of = (name) => runs.map((run) => run[name]);
    const row = {
      ...whoOf(peer, versionLabel),
      mbPerSecond: spread(of("perSecond")),
      cpuPerMiB: spread(of("cpu")),
      memory: spread(of("most")).median,
      memoryGrowth: Math.max(...of("most")) - first,
      loadBusy: spread(of("loadBusy")).median,
      chunked: of("chunked").includes(true),
      rounds: { mbPerSecond: of("perSecond"), cpu: of("cpu") },
    };
    return { peer, row };
  });
  const ours = "plinth-post@node26";
  const { goals, ratios, text } = compare(found, [{ ours, theirs, least: 1.0 }], {
    figure: "mbPerSecond",
    unit: "MB/s",
    whole: context.peers === undefined,
  });
  const plinth = found.filter(({ peer }) => peer.name === "plinth");
  for (const { row } of plinth) {
    goals.push({
      what: `memory of ${row.label} (${row.runtime}), the most over that with the first content`,
      figure: `${figure(row.memoryGrowth / MIB)} MiB`,
      spread: "",
      goal: `≤ ${FLAT / MIB} MiB`,
      met: row.memoryGrowth <= FLAT,
    });
  }
  const rows = found.map(({ row }) => row);
  return { text: [tableOf(rows), text].filter(Boolean).join("\n\n"), goals, data: { unit: "MB/s", rows, ratios } };
}

function tableOf(rows) {
  const milliseconds = (seconds) => (seconds * 1000).toFixed(3);
  const heading = [
    "server",
    "runtime",
    "MB/s",
    "over the rounds",
    "CPU a MiB",
    "over the rounds",
    "memory",
    "its growth",
  ];
  const lines = rows.map((row) => [
    row.chunked ? `${row.label}, in chunks` : row.label,
    row.runtime,
    figure(row.mbPerSecond.median),
    range(row.mbPerSecond),
    `${milliseconds(row.cpuPerMiB.median)} ms`,
    range(row.cpuPerMiB, milliseconds),
    `${Math.round(row.memory / MIB)} MiB`,
    `${figure(row.memoryGrowth / MIB)} MiB`,
    `${Math.round(row.loadBusy * 100)} %${isFull(row) ? " FULL" : ""}`,
  ]);
  const text = table([[...heading, "load's core"], ...lines]);
  return rows.some(isFull) ? `${text}\n${FULL_NOTE}` : text;
}
