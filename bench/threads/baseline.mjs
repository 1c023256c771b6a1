// The event loop's server against an earlier state of the project: what threads have cost those who do not use them.
import fs from "node:fs";
import path from "node:path";
import { commitOf } from "../lib/machine.mjs";
import { allowedCores, canPin } from "../lib/processes.mjs";
import { ADDITION, plinth, start } from "../lib/servers.mjs";
import { pairedRatio, spread } from "../lib/stats.mjs";
import { figure, interval, range, table } from "../lib/table.mjs";
import { wrk } from "../lib/wrk.mjs";

const GOAL = 0.97;
const CONNECTIONS = 64;

export const baseline = {
  name: "baseline",
  title: `additions on the event loop, beside those of another checkout, connections: ${CONNECTIONS}`,
  programs: ["wrk"],
  /** Why it cannot run, if it cannot. */
  wants({ baseline: checkout }) {
    if (checkout === undefined) return "it compares with another checkout, built: --baseline PATH";
    if (!fs.existsSync(path.join(checkout, "dist", "src", "mod.js")))
      return `there is no built Plinth in ${checkout} (npm run build there)`;
    return undefined;
  },
  async run(context) {
    const checkout = path.resolve(context.baseline);
    const cores = allowedCores();
    const serverCores = canPin ? [cores.at(-1)] : undefined;
    const loadCores = canPin ? [cores[0]] : undefined;
    const entries = [plinth("HTTPServer", { name: "this" }), plinth("HTTPServer", { name: "baseline", checkout })].map(
      (one) => ({ one, runs: [] }),
    );
    const load = { ...ADDITION, connections: CONNECTIONS, cores: loadCores };
    const seconds = Math.max(1, Math.round(context.seconds / 2));
    // Twice as many: here hundredths are asked for.
    const rounds = context.rounds * 2;
    for (let round = 0; round < rounds; round++) {
      context.tell(`round ${round + 1} of ${rounds}`);
      // Two processes of one program differ by hundredths for as long as they live, so each round has its own.
      const pair = [];
      for (const { one, runs } of entries) pair.push({ server: await start(one, { cores: serverCores }), runs });
      for (const { server } of pair) await wrk(server, { ...load, seconds: 1 });
      for (const { server, runs } of context.turns(pair, round)) runs.push(await wrk(server, { ...load, seconds }));
      for (const { server } of pair) await server.stop();
    }
    return report(entries, checkout);
  },
};

function report(entries, checkout) {
  const [ours, theirs] = entries;
  const rows = [["checkout", "requests/s", "over the rounds", "CPU a request", "over the rounds"]];
  for (const { one, runs } of entries) {
    const perSecond = spread(runs.map((run) => run.perSecond));
    const cpu = spread(runs.map((run) => run.cpu * 1e6));
    rows.push([one.name, figure(perSecond.median), range(perSecond), `${cpu.median.toFixed(2)} µs`, range(cpu)]);
  }
  const figures = {
    "requests a second": pairedRatio(
      ours.runs.map((run) => run.perSecond),
      theirs.runs.map((run) => run.perSecond),
    ),
    // Turned round, so that more is better here too.
    "requests for a second of CPU": pairedRatio(
      theirs.runs.map((run) => run.cpu),
      ours.runs.map((run) => run.cpu),
    ),
  };
  const goals = Object.entries(figures).map(([what, ratio]) => ({
    what: `${what} on the event loop, to the baseline's`,
    figure: `${ratio.ratio.toFixed(3)} x`,
    spread: interval(ratio, (value) => value.toFixed(3)),
    goal: `reaches ${GOAL} x`,
    met: ratio.high >= GOAL,
  }));
  const pinned = canPin ? "Server and load had a core each." : "Server and load could not be given a core each.";
  return {
    text: `${table(rows)}\nThe baseline is ${commitOf(checkout)}. ${pinned}`,
    goals,
    data: {
      checkout: commitOf(checkout),
      figures,
      runs: entries.map(({ one, runs }) => ({ server: one.name, runs })),
    },
  };
}
