// One event loop that accepts, and two, on all cores, which the load is on as well: how much of them each has taken is said beside.
import { fileURLToPath } from "node:url";
import { checkResponses } from "../lib/check.mjs";
import { firstLine } from "../lib/contest.mjs";
import { peers, versionLabel } from "../lib/peers.mjs";
import { addition } from "../lib/requests.mjs";
import { writeRequests } from "../lib/requests_file.mjs";
import { calibrate, start } from "../lib/servers.mjs";
import { pairedRatio, spread } from "../lib/stats.mjs";
import { figure, interval, range, table } from "../lib/table.mjs";
import { half } from "../lib/workload.mjs";
import { wrk } from "../lib/wrk.mjs";

const RUNTIMES = ["node26", "bun", "deno"];
const COUNTS = [1, 2];
const CONNECTIONS = 64;
const GOAL = 1.5;
/** Seconds. */
const WARM = 1;

const fileOf = (name) => fileURLToPath(new URL(`../peers/${name}`, import.meta.url));

/** What the handlers do: nothing but add, or compute as well. */
const KINDS = { adds: "plinth-bare.mjs", computes: "plinth-compute.mjs" };

/** The runtimes' own peers, for their commands. */
const hosts = RUNTIMES.map((runtime) =>
  peers.find((peer) => peer.name === "plinth" && peer.variant === "bare" && peer.runtime === runtime),
);

export const listeners = {
  name: "listeners",
  title: `POST / over ${CONNECTIONS} connections, accepted by one event loop and by two, load and server on all cores`,
  programs: ["wrk"],
  estimate: ({ seconds, rounds }) =>
    RUNTIMES.length * Object.keys(KINDS).length * COUNTS.length * rounds * (half(seconds) + WARM + 0.3),
  async run(context) {
    const file = writeRequests([addition().bytes]);
    const units = await calibrate();
    const found = [];
    for (const [kind, program] of Object.entries(KINDS)) {
      for (const host of hosts) {
        const name = `Plinth, ${kind} (${versionLabel(host)})`;
        if (!context.isThere({ name, command: host.command, missing: host.missing })) continue;
        found.push({
          kind,
          host,
          name,
          runs: new Map(COUNTS.map((count) => [count, []])),
          args: [...host.args.slice(0, -1), fileOf(program)],
        });
      }
    }
    for (let round = 0; round < context.rounds; round++) {
      for (const entry of context.turns(found, round)) {
        for (const count of COUNTS) {
          if (entry.lost) continue;
          context.tell(`round ${round + 1} of ${context.rounds}: ${entry.name}, ${count}`);
          try {
            entry.runs.get(count).push(await measured(entry, count, { file, units, seconds: half(context.seconds) }));
          } catch (error) {
            entry.lost = true;
            context.leaveOut(entry.name, firstLine(error));
          }
        }
      }
    }
    return told(found.filter(({ lost }) => !lost));
  },
};

async function measured({ host, name, args }, count, { file, units, seconds }) {
  const env = { ...host.env, BENCH_LISTENERS: String(count) };
  const server = await start({ name, command: host.command, args, env }, { units });
  try {
    await checkResponses(server, [addition()]);
    await wrk(server, { file, connections: CONNECTIONS, seconds: WARM });
    const { perSecond, cpu, loadBusy } = await wrk(server, { file, connections: CONNECTIONS, seconds });
    return { perSecond, serverBusy: cpu * perSecond, loadBusy };
  } finally {
    await server.stop();
  }
}

function told(found) {
  const goals = [];
  const rows = [];
  const lines = [["handler", "runtime", "event loops", "requests/s", "over the rounds", "cores: server", "load"]];
  for (const { kind, host, runs } of found) {
    const of = (count, what) => runs.get(count).map((run) => run[what]);
    for (const count of COUNTS) {
      const row = {
        kind,
        runtime: versionLabel(host),
        listeners: count,
        perSecond: spread(of(count, "perSecond")),
        serverBusy: spread(of(count, "serverBusy")),
        loadBusy: spread(of(count, "loadBusy")),
        rounds: { perSecond: of(count, "perSecond") },
      };
      rows.push(row);
      lines.push([
        kind,
        row.runtime,
        String(count),
        figure(row.perSecond.median),
        range(row.perSecond),
        row.serverBusy.median.toFixed(2),
        row.loadBusy.median.toFixed(2),
      ]);
    }
    const ratio = pairedRatio(of(2, "perSecond"), of(1, "perSecond"));
    const [server, load] = ["serverBusy", "loadBusy"].map((what) => spread(of(2, what)).median.toFixed(2));
    goals.push({
      what: `requests/s, two event loops to one, ${kind} (${versionLabel(host)}); with two, the server took ${server} cores and the load ${load}`,
      figure: `${ratio.ratio.toFixed(2)} x`,
      spread: interval(ratio),
      goal: `≥ ${GOAL} x`,
      met: ratio.ratio >= GOAL,
    });
  }
  return { text: table(lines), goals, data: { unit: "requests/s", rows } };
}
