// What a short request waits while others compute, and while slow clients are about.
import process from "node:process";
import { fileURLToPath } from "node:url";
import { openLoop } from "../lib/open.mjs";
import { Child } from "../lib/processes.mjs";
import { bun, express, fastify, hono, plinth, start } from "../lib/servers.mjs";
import { median, spread } from "../lib/stats.mjs";
import { figure, range, signed, table } from "../lib/table.mjs";
import { format, keepAsking } from "../load/client.mjs";

/** Additions a second. */
const RATE = 500;
/** So many that requests which come while a server stalls for two seconds have one each. */
const CONNECTIONS = 1000;
/** In milliseconds, how much the p99 may grow. */
const GOAL = 10;
/** Peers stall for seconds on end: so much of that shows it. */
const PEER_ROUNDS = 1;
const PEER_SECONDS = 2;

/** Milliseconds from when others have begun to when additions do. */
const SETTLING = 500;

const COMPUTATION = format("POST", "/compute", '{"milliseconds":1000}');

/** 50 uploads that bring a megabyte at 1,000 bytes a second; 50 readers that take a large response at 40 KB a second. */
const SLOW = {
  uploads: 50,
  uploadSize: 1_000_000,
  uploadStep: 100,
  readers: 50,
  readStep: 4096,
  interval: 100,
  patience: 3,
};
const slowFile = fileURLToPath(new URL("../load/slow.mjs", import.meta.url));

export const latency = {
  name: "latency",
  title: `p99 of ${RATE} additions a second, without and with two computations of 1 s at a time`,
  run: (context) => measure(context, false),
};

export const slow = {
  name: "slow",
  title: "the same with 50 dribbling uploads and 50 slow readers beside the computations",
  run: (context) => measure(context, true),
};

async function measure(context, withSlow) {
  const contestants = [plinth("ThreadingHTTPServer"), fastify, hono, express, bun].filter((one) =>
    context.isThere(one),
  );
  const entries = [];
  for (const one of contestants) entries.push({ server: await start(one, context), quiet: [], busy: [] });
  for (let round = 0; round < context.rounds; round++) {
    for (const [i, { server, quiet, busy }] of entries.entries()) {
      const isPeer = i > 0;
      if (isPeer && round >= PEER_ROUNDS) continue;
      const seconds = isPeer ? Math.min(PEER_SECONDS, context.seconds) : context.seconds;
      context.tell(`round ${round + 1} of ${context.rounds}: ${server.name}`);
      const runs = [
        async () => quiet.push(await run(server, seconds, false, false)),
        async () => busy.push(await run(server, seconds, true, withSlow)),
      ];
      for (const one of round % 2 === 0 ? runs : runs.reverse()) await one();
    }
  }
  for (const { server } of entries) await server.stop();
  return report(entries, withSlow);
}

async function run(server, seconds, computing, withSlow) {
  const additions = await openLoop(server, { rate: RATE, seconds, connections: CONNECTIONS });
  const slowClients = withSlow ? await startSlow(server.port) : undefined;
  const computations = computing ? keepAsking(server.port, 2, () => COMPUTATION) : undefined;
  await new Promise((resolve) => setTimeout(resolve, SETTLING)); // they are under way
  await additions.run();
  const [computed, slowResult, result] = await Promise.all([
    computations?.stop(),
    slowClients?.stop(),
    additions.result(),
  ]);
  const failed = Object.values(result.failures).reduce((sum, n) => sum + n, 0);
  return { ...result, failed, computed, slow: slowResult };
}

async function startSlow(port) {
  const child = new Child(process.execPath, [slowFile, JSON.stringify({ port, ...SLOW })]);
  await child.line();
  return {
    async stop() {
      child.say("stop");
      const result = JSON.parse(await child.line());
      await child.exited;
      return result;
    },
  };
}

function report(entries, withSlow) {
  const rows = [
    ["server", "p50 without", "p99 without", "p99 with", "more", "over the rounds", "computations/s", "failed"],
  ];
  for (const { server, quiet, busy } of entries) {
    const p99 = (runs) => runs.map((one) => one.latency.p99);
    const more = spread(busy.map((one, i) => one.latency.p99 - quiet[i].latency.p99));
    rows.push([
      server.name,
      `${figure(median(quiet.map((one) => one.latency.p50)))} ms`,
      `${figure(median(p99(quiet)))} ms`,
      `${figure(median(p99(busy)))} ms`,
      `${signed(more.median)} ms`,
      range(more, signed),
      figure(median(busy.map(({ computed }) => computed.responded / computed.seconds))),
      String([...quiet, ...busy].reduce((sum, one) => sum + one.failed, 0)),
    ]);
  }
  const [{ server, quiet, busy }] = entries;
  const more = spread(busy.map((one, i) => one.latency.p99 - quiet[i].latency.p99));
  const runs = entries.flatMap((entry) => [...entry.quiet, ...entry.busy]);
  const lag = (which) => figure(median(runs.map((one) => one.lag[which])));
  const notes = [
    `The load sent ${lag("p50")} ms (p50), ${lag("p99")} ms (p99) late itself, which is in every figure; its priority: ${runs[0].priority}.`,
  ];
  for (const entry of entries) {
    for (const what of new Set(entry.busy.flatMap(({ computed }) => Object.keys(computed.responses))))
      if (what !== "200") notes.push(`${entry.server.name}: computations got ${what}`);
    const failures = new Map();
    for (const one of [...entry.quiet, ...entry.busy])
      for (const [why, n] of Object.entries(one.failures)) failures.set(why, (failures.get(why) ?? 0) + n);
    if (failures.size > 0)
      notes.push(`${entry.server.name} failed: ${[...failures].map(([why, n]) => `${why} (${n})`).join(", ")}`);
  }
  if (withSlow) {
    for (const entry of entries) {
      const { uploaded, uploadsDone, read, responsesBegun, responsesDone, refused } = entry.busy.at(-1).slow;
      const cut = Object.entries(refused).map(([why, n]) => `, ${n} ended by ${why}`);
      notes.push(
        `${entry.server.name}, slow clients in the last round: ${figure(uploaded / 1000)} KB sent (${uploadsDone} uploads done), ${figure(read / 1000)} KB read (${responsesBegun} responses begun, ${responsesDone} done)${cut.join("")}`,
      );
    }
  }
  const failed = [...quiet, ...busy].reduce((sum, one) => sum + one.failed, 0);
  return {
    text: [table(rows), ...notes].join("\n"),
    goals: [
      {
        what: `p99 of the addition, ${server.name}: how much more while computing${withSlow ? ", slow clients beside" : ""}`,
        figure: `${signed(more.median)} ms`,
        spread: range(more, signed),
        goal: `< ${GOAL} ms`,
        met: more.median < GOAL && failed === 0,
      },
    ],
    data: entries.map((entry) => ({ server: entry.server.name, without: entry.quiet, with: entry.busy })),
  };
}
