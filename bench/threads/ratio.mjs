// Requests a second beside those who also run handlers in threads: Fastify with Piscina, and Python.
import { ADDITION, fastifyPiscina, plinth, python, start } from "../lib/servers.mjs";
import { median, pairedRatio, spread } from "../lib/stats.mjs";
import { figure, interval, range, table } from "../lib/table.mjs";
import { wrk } from "../lib/wrk.mjs";

const PISCINA_GOAL = 3;
const PYTHON_GOAL = 20;
const CONNECTIONS = 64;

export const ratio = {
  name: "ratio",
  title: `additions a second in threads, connections: ${CONNECTIONS}`,
  programs: ["wrk"],
  async run(context) {
    const contestants = [
      { one: plinth("ThreadingHTTPServer") },
      { one: fastifyPiscina, kind: "piscina" },
      { one: python("1.0"), kind: "python" },
      { one: python("1.1"), kind: "python" },
      // Beside the goal: not the post's program any more.
      { one: python("tuned") },
    ].filter(({ one }) => context.isThere(one));
    const entries = [];
    for (const { one, kind } of contestants) entries.push({ server: await start(one, context), kind, runs: [] });
    const load = { ...ADDITION, connections: CONNECTIONS };
    const seconds = Math.max(1, Math.round(context.seconds / 2));
    for (const { server } of entries) await wrk(server, { ...load, seconds: 1, lenient: true });
    for (let round = 0; round < context.rounds; round++) {
      for (const { server, kind, runs } of context.turns(entries, round)) {
        context.tell(`round ${round + 1} of ${context.rounds}: ${server.name}`);
        // Python turns connections away when many come at once: that is not counted, but is not forgiven others.
        runs.push(await wrk(server, { ...load, seconds, lenient: kind === "python" }));
      }
    }
    for (const { server } of entries) await server.stop();
    return report(entries);
  },
};

function report(entries) {
  const [ours] = entries;
  const perSecond = ({ runs }) => runs.map((run) => run.perSecond);
  const rows = [["server", "requests/s", "over the rounds", "CPU a request", "p50", "p99", "broken connections"]];
  for (const entry of entries) {
    rows.push([
      entry.server.name,
      figure(median(perSecond(entry))),
      range(spread(perSecond(entry))),
      `${figure(median(entry.runs.map((run) => run.cpu * 1e6)))} µs`,
      `${figure(median(entry.runs.map((run) => run.p50)))} ms`,
      `${figure(median(entry.runs.map((run) => run.p99)))} ms`,
      figure(median(entry.runs.map((run) => run.broken))),
    ]);
  }
  const goals = [];
  for (const [kind, goal] of Object.entries({ piscina: PISCINA_GOAL, python: PYTHON_GOAL })) {
    const those = entries.filter((entry) => entry.kind === kind);
    if (those.length === 0) continue;
    const best = those.reduce((a, b) => (median(perSecond(a)) >= median(perSecond(b)) ? a : b));
    const ratio = pairedRatio(perSecond(ours), perSecond(best));
    goals.push({
      what: `additions a second to those of ${best.server.name}`,
      figure: `${ratio.ratio.toFixed(1)} x`,
      spread: interval(ratio),
      goal: `≥ ${goal} x`,
      met: ratio.ratio >= goal,
    });
  }
  return { text: table(rows), goals, data: entries.map(({ server, runs }) => ({ server: server.name, runs })) };
}
