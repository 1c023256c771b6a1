// What a connection takes that is kept open and not used: clients do that, and hope for the next request to be quick.
import fs from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { applyLoad, firstLine, nameOf, startPeers } from "../lib/contest.mjs";
import { isMeant } from "../lib/choice.mjs";
import { versionLabel } from "../lib/peers.mjs";
import { Child, ownCores } from "../lib/processes.mjs";
import { addition } from "../lib/requests.mjs";
import { rowName, whoOf } from "../lib/rows.mjs";
import { ADDITION } from "../lib/servers.mjs";
import { pairedRatio, spread } from "../lib/stats.mjs";
import { figure, interval, range, table } from "../lib/table.mjs";
import { mostFiles, settledMemory } from "../lib/usage.mjs";
import { peersOf, standing } from "../lib/workload.mjs";

const WANTED = 10_000;
/** Open files that a process has besides. */
const BESIDES = 200;
const ROUNDS = 2;
const TRIES = 3;
const GOAL = 1;
const AIM = 0.5;
const WHO = {
  serves: ["add"],
  field: ["plinth-post", "node-http", "fastify@node26", "uws", "bun", "deno"],
};

const { wants, count } = standing(WHO);
const roundsOf = (options) => Math.min(options.rounds, ROUNDS);
const file = fileURLToPath(new URL("../load/idle.mjs", import.meta.url));

export const idle = {
  name: "idle",
  title: `${WANTED.toLocaleString("en-US")} idle connections, after a request on each: resident memory for one`,
  programs: ["wrk"],
  wants,
  estimate: (options) => count(options) * roundsOf(options) * 6,
  async run(context) {
    // Node has raised its limit as far as it may, and children have ours.
    const files = mostFiles(fs.readFileSync("/proc/self/limits", "utf8"));
    const connections = Math.max(1, Math.min(WANTED, files - BESIDES));
    const peers = peersOf(WHO, context);
    const runs = new Map(peers.map((peer) => [peer, []]));
    const rounds = roundsOf(context);
    for (let round = 0; round < rounds; round++) {
      for (const peer of context.turns(peers, round)) {
        if (!runs.has(peer)) continue;
        context.tell(`round ${round + 1} of ${rounds}: ${nameOf(peer)}`);
        const run = await measured(context, peer, connections);
        if (run === undefined) runs.delete(peer);
        else runs.get(peer).push(run);
      }
    }
    if (runs.size === 0) throw new Error("no peer has done it");
    return report(runs, connections);
  },
};

/**
 * One round of a peer, on a process of its own. Where the machine was held up for so long that the server has begun to close idle
 * connections, it is tried again.
 */
async function measured(context, peer, connections) {
  let run;
  for (let tries = 0; tries < TRIES && run?.open !== connections; tries++) {
    const [started] = await startPeers(context, [peer]);
    if (started === undefined) return undefined;
    try {
      run = await measure(started.server, connections);
    } catch (error) {
      context.leaveOut(nameOf(peer), firstLine(error));
      return undefined;
    } finally {
      await started.server.stop();
    }
  }
  return run;
}

/** A server that has only just started would take memory for other things too. */
async function measure(server, connections) {
  await applyLoad(server, { exchanges: [addition()], connections: 64 }, 1);
  const before = await settledMemory(server.pid);
  const { path, body, expect } = ADDITION;
  const orders = { port: server.port, connections, path, body, expect };
  const load = new Child(process.execPath, [file, JSON.stringify(orders)], { cores: ownCores().loadCores });
  const { failures } = JSON.parse(await load.line());
  const [first] = Object.entries(failures);
  if (first !== undefined) throw new Error(`${first[1]} of ${connections} connections: ${first[0]}`);
  const memory = await settledMemory(server.pid);
  load.say("count");
  const { open } = JSON.parse(await load.line());
  await load.stop();
  return { before, memory, open, bytesEach: (memory - before) / connections };
}

function report(all, connections) {
  const found = [...all].map(([peer, runs]) => {
    const of = (name) => runs.map((run) => run[name]);
    const row = {
      ...whoOf(peer, versionLabel),
      connections,
      open: Math.min(...of("open")),
      bytesEach: spread(of("bytesEach")),
      memory: spread(of("memory")).median,
      before: spread(of("before")).median,
      rounds: { bytesEach: of("bytesEach") },
    };
    return { peer, row };
  });
  const mib = (bytes) => `${figure(bytes / 2 ** 20)} MiB`;
  const lines = found.map(({ row }) => [
    row.label,
    row.runtime,
    figure(row.bytesEach.median),
    range(row.bytesEach),
    mib(row.before),
    mib(row.memory),
    row.open.toLocaleString("en-US"),
  ]);
  const heading = ["server", "runtime", "bytes each", "over the rounds", "memory before", "with them", "still open"];
  const notes = [];
  if (connections < WANTED)
    notes.push(`Only ${connections} connections: ulimit -n allows no more, here and for the servers.`);
  if (found.some(({ row }) => row.open < connections))
    notes.push("Where fewer are still open, the server had begun to close idle ones before its memory was looked at.");
  return {
    text: [table([heading, ...lines]), ...notes].join("\n"),
    goals: ["node26", "node20"].flatMap((runtime) => goalOn(found, runtime)),
    data: { unit: "bytes", rows: found.map(({ row }) => row) },
  };
}

function goalOn(found, runtime) {
  const [us, them] = ["plinth-post", "node-http"].map((name) =>
    found.find(({ peer }) => isMeant(peer, `${name}@${runtime}`)),
  );
  if (us === undefined || them === undefined) return [];
  const each = ({ row }) => row.rounds.bytesEach;
  const positive = [...each(us), ...each(them)].every((bytes) => bytes > 0);
  const ratio = positive ? pairedRatio(each(us), each(them)) : { ratio: NaN, n: 1 };
  return [
    {
      what: `memory for a connection, ${rowName(us.row)} to ${rowName(them.row)}`,
      figure: `${ratio.ratio.toFixed(2)} x`,
      spread: interval(ratio),
      goal: `≤ ${GOAL} x, aim ${AIM} x`,
      met: ratio.ratio <= GOAL,
    },
  ];
}
