// What it costs to hand a request to a thread and its response back: an empty handler on the event loop and on threads.
import { plinth, start } from "../lib/servers.mjs";
import { median, spread } from "../lib/stats.mjs";
import { figure, range, signed, table } from "../lib/table.mjs";
import { wrk } from "../lib/wrk.mjs";

/** Microseconds on a core. */
const GOAL = 4;

export const overhead = {
  name: "overhead",
  title: "an empty handler: what a request takes of the cores, all threads together, and requests a second",
  programs: ["wrk"],
  async run(context) {
    const servers = [];
    for (const kind of ["HTTPServer", "ThreadingHTTPServer"]) servers.push(await start(plinth(kind), context));
    const seconds = Math.max(1, Math.round(context.seconds / 2));
    const measures = [];
    for (const connections of [64, 1]) {
      const entries = servers.map((server) => ({ server, connections, runs: [] }));
      for (const { server } of entries) await wrk(server, { connections, seconds: 1 });
      measures.push(entries);
    }
    for (let round = 0; round < context.rounds; round++) {
      for (const entries of measures) {
        context.tell(`round ${round + 1} of ${context.rounds}: connections: ${entries[0].connections}`);
        for (const { server, connections, runs } of context.turns(entries, round))
          runs.push(await wrk(server, { connections, seconds }));
      }
    }
    for (const server of servers) await server.stop();
    return report(measures);
  },
};

function report(measures) {
  const rows = [
    ["connections", "server", "CPU a request", "over the rounds", "requests/s", "over the rounds", "p50", "p99"],
  ];
  for (const entries of measures) {
    for (const { server, connections, runs } of entries) {
      const cpu = spread(runs.map((run) => run.cpu * 1e6));
      const perSecond = spread(runs.map((run) => run.perSecond));
      rows.push([
        String(connections),
        server.name,
        `${figure(cpu.median)} µs`,
        range(cpu),
        figure(perSecond.median),
        range(perSecond),
        `${figure(median(runs.map((run) => run.p50)))} ms`,
        `${figure(median(runs.map((run) => run.p99)))} ms`,
      ]);
    }
  }
  const goals = measures.map(([loop, threads]) => {
    const more = spread(threads.runs.map((run, i) => (run.cpu - loop.runs[i].cpu) * 1e6));
    const isGoal = loop.connections === 64;
    return {
      what: `CPU of a request with an empty handler, threads over event loop, connections: ${loop.connections}`,
      figure: `${signed(more.median)} µs`,
      spread: range(more, signed),
      goal: isGoal ? `≤ ${GOAL} µs` : "",
      met: isGoal ? more.median <= GOAL : null,
    };
  });
  return {
    text: table(rows),
    goals,
    data: measures.flat().map(({ server, ...rest }) => ({ server: server.name, ...rest })),
  };
}
