// Thousands of connections that never finish their handshake: what a client notices whose connections are kept, and what memory they take.
import fs from "node:fs";
import process from "node:process";
import { setTimeout as after } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openLoop } from "../lib/open.mjs";
import { Child } from "../lib/processes.mjs";
import { plinth, start } from "../lib/servers.mjs";
import { median, pairedRatio } from "../lib/stats.mjs";
import { figure, interval, table } from "../lib/table.mjs";
import { filesOf, mostFiles, settledMemory } from "../lib/usage.mjs";

/** Additions a second, and the connections for them. */
const RATE = 500;
const CONNECTIONS = 64;
/** Open files that a process has besides. */
const BESIDES = 200;
const ROUNDS = 3;
/** How many times the p99 it may be. */
const GOAL = 3;
/** Milliseconds in which they have all been accepted. */
const PATIENCE = 15_000;
/** Milliseconds that a handshake may take, besides what the additions do: the server ends none of them meanwhile. */
const HANDSHAKE = 20_000;
/** Open files that a server may have more of for reasons of its own. */
const SLACK = 8;

const KINDS = { silent: "say nothing", half: "stop in the middle of a ClientHello" };
const file = fileURLToPath(new URL("../load/stalled.mjs", import.meta.url));

export const stalled = {
  name: "stalled",
  title: `p99 of ${RATE} additions a second over TLS, without and with connections that never finish their handshake`,
  async run(context) {
    // Node has raised its limit as far as it may, and children have ours.
    const files = mostFiles(fs.readFileSync("/proc/self/limits", "utf8"));
    const connections = Math.max(1, Math.min(Math.round(context.stalled), files - BESIDES - CONNECTIONS));
    const options = {
      maxHandshakes: connections + BESIDES,
      maxConnections: connections + BESIDES + CONNECTIONS,
      handshakeTimeout: context.seconds * 1000 + HANDSHAKE,
    };
    const entries = [];
    for (const kind of Object.keys(KINDS))
      entries.push({ kind, server: await start(plinth("HTTPSServer", { options })), quiet: [], busy: [] });
    const rounds = Math.min(context.rounds, ROUNDS);
    for (const { server } of entries) await additions(server, 1);
    for (let round = 0; round < rounds; round++) {
      for (const { kind, server, quiet, busy } of context.turns(entries, round)) {
        context.tell(`round ${round + 1} of ${rounds}: ${connections} connections that ${KINDS[kind]}`);
        const runs = [
          async () => quiet.push(await additions(server, context.seconds)),
          async () => busy.push(await besideStalled(server, kind, connections, context.seconds)),
        ];
        for (const one of context.turns(runs, round)) await one();
      }
    }
    for (const { server } of entries) await server.stop();
    return report(entries, connections, context.stalled);
  },
};

async function additions(server, seconds) {
  const load = await openLoop(server, { rate: RATE, seconds, connections: CONNECTIONS });
  await load.run();
  return load.result();
}

/** The same, with so many stalled connections beside, and the memory that the server has before, during and after them. */
async function besideStalled(server, kind, connections, seconds) {
  const before = await settledMemory(server.pid);
  const files = filesOf(server.pid);
  const orders = { port: server.port, connections, kind };
  const child = new Child(process.execPath, [file, JSON.stringify(orders)]);
  try {
    const { failures } = JSON.parse(await child.line());
    const [first] = Object.entries(failures);
    if (first !== undefined) throw new Error(`${first[1]} of ${connections} connections: ${first[0]}`);
    await until(() => filesOf(server.pid) >= files + connections - SLACK, PATIENCE, "not all were accepted");
    const result = await additions(server, seconds);
    const during = await settledMemory(server.pid);
    child.say("count");
    const { open } = JSON.parse(await child.line());
    await child.stop();
    const left = performance.now();
    const patience = seconds * 1000 + HANDSHAKE + PATIENCE;
    await until(
      () => filesOf(server.pid) <= files + SLACK,
      patience,
      "the server still has some of those that are gone",
    );
    const noticed = performance.now() - left;
    return { ...result, open, noticed, memory: { before, during, after: await settledMemory(server.pid) } };
  } finally {
    await child.stop();
  }
}

async function until(condition, patience, why) {
  const latest = performance.now() + patience;
  while (!condition()) {
    if (performance.now() > latest) throw new Error(`${why}, after ${patience / 1000} s`);
    await after(20);
  }
}

const failedOf = (runs) =>
  runs.flatMap(({ failures }) => Object.values(failures)).reduce((total, failed) => total + failed, 0);

function report(entries, connections, wanted) {
  const ms = (value) => `${figure(value)} ms`;
  const mib = (bytes) => `${figure(bytes / 2 ** 20)} MiB`;
  const heading = `${connections.toLocaleString("en-US")} connections that`;
  const latencies = [
    [heading, "p50 without", "p50 with", "p99 without", "p99 with", "p99, with to without", "95 % interval", "failed"],
  ];
  const memory = [
    [heading, "memory before the first", "most during", "after each round", "bytes each", "still open", "closed after"],
  ];
  const goals = [];
  for (const { kind, server, quiet, busy } of entries) {
    const of = (runs, name) => runs.map(({ latency }) => latency[name]);
    const ratio = pairedRatio(of(busy, "p99"), of(quiet, "p99"));
    const failed = failedOf([...quiet, ...busy]);
    const count = connections.toLocaleString("en-US");
    latencies.push([
      KINDS[kind],
      ms(median(of(quiet, "p50"))),
      ms(median(of(busy, "p50"))),
      ms(median(of(quiet, "p99"))),
      ms(median(of(busy, "p99"))),
      `${ratio.ratio.toFixed(2)} x`,
      interval(ratio),
      String(failed),
    ]);
    const { before } = busy[0].memory;
    const during = Math.max(...busy.map((run) => run.memory.during));
    memory.push([
      KINDS[kind],
      mib(before),
      mib(during),
      busy.map((run) => mib(run.memory.after)).join(", "),
      figure((during - before) / connections),
      Math.min(...busy.map(({ open }) => open)).toLocaleString("en-US"),
      `${figure(median(busy.map(({ noticed }) => noticed)) / 1000)} s`,
    ]);
    goals.push({
      what: `p99 of the addition, ${server.name}, with ${count} connections that ${KINDS[kind]}, to without`,
      figure: `${ratio.ratio.toFixed(2)} x`,
      spread: interval(ratio),
      goal: `≤ ${GOAL} x`,
      met: ratio.ratio <= GOAL && failed === 0,
    });
  }
  const runs = entries.flatMap(({ quiet, busy }) => [...quiet, ...busy]);
  const lag = (which) => figure(median(runs.map((one) => one.lag[which])));
  const notes = [
    `The load sent ${lag("p50")} ms (p50), ${lag("p99")} ms (p99) late itself, which is in every figure; its priority: ${runs[0].priority}.`,
  ];
  if (connections < wanted)
    notes.push(`Only ${connections} connections: ulimit -n allows no more, here and for the server.`);
  return {
    text: [table(latencies), "", table(memory), ...notes].join("\n"),
    goals,
    data: entries.map(({ kind, quiet, busy }) => ({ kind, connections, without: quiet, with: busy })),
  };
}
