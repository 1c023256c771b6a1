// A workload that wrk makes, as a measure of `npm run bench`.
import { choosePeers, readPeers } from "./choice.mjs";
import { applyLoad, contest, estimateContest } from "./contest.mjs";
import { compare } from "./goals.mjs";
import { overTls, peers as everyone, versionLabel } from "./peers.mjs";
import { rowOf, tableOf } from "./rows.mjs";

/** Who takes part where it would take too long with all. */
export const FEW = [
  "plinth-post@node26",
  "plinth-bare@node26",
  "node-http@node26",
  "fastify@node26",
  "uws",
  "bun",
  "deno",
  "c",
];

/** The peers of a workload that were asked for. */
export function peersOf({ field, serves, tls = false }, options) {
  const who = { field, serves: tls ? [...serves, "tls"] : serves };
  const chosen = choosePeers(everyone, who, readPeers(options.peers));
  return tls ? chosen.map(overTls) : chosen;
}

/** What the measures of one set of peers have in common: why they cannot run, and how many peers there are. */
export function standing(who) {
  return {
    wants: (options) => (peersOf(who, options).length === 0 ? "no peer that was named serves it" : undefined),
    count: (options) => peersOf(who, options).filter(({ command }) => command !== undefined).length,
  };
}

/** How long a run of a workload takes whose figures need not be the finest, in whole seconds as wrk wants them. */
export const half = (seconds) => Math.max(1, Math.round(seconds / 2));

/**
 * @param {object} workload
 * @param {string} workload.name
 * @param {string} workload.title
 * @param {readonly string[]} [workload.field] who takes part (choice.mjs); all that serve it, when left out
 * @param {readonly string[]} workload.serves the routes that are asked
 * @param {import("./contest.mjs").Load} workload.load
 * @param {readonly import("./goals.mjs").Wanted[]} workload.goals
 * @param {(seconds: number) => number} [workload.seconds] how long a run takes, of what --seconds says
 * @param {boolean} [workload.tls] all of it is over TLS
 * @param {boolean} [workload.anew] each run has a process of its own (contest.mjs)
 * @returns {import("./run.mjs").Measure}
 */
export function workload({ name, title, field, serves, load, goals, seconds = half, tls, anew }) {
  const who = { field, serves, tls };
  const { wants, count } = standing(who);
  return {
    name,
    title,
    programs: tls && load.ends ? ["wrk", "gcc"] : ["wrk"],
    tls,
    wants,
    estimate: (options) =>
      estimateContest({
        peers: count(options),
        loads: [load],
        seconds: seconds(options.seconds),
        rounds: options.rounds,
        anew,
      }),
    /** For a profile. */
    putOn: (server, forSeconds) => applyLoad(server, load, forSeconds),
    async run(context) {
      const entries = await contest(context, {
        peers: peersOf(who, context),
        loads: [load],
        seconds: seconds(context.seconds),
        rounds: context.rounds,
        anew,
      });
      const found = entries.map((entry) => ({ peer: entry.peer, row: rowOf(entry, versionLabel) }));
      const rows = found.map(({ row }) => row);
      const { goals: told, ratios, text } = compare(found, goals, { whole: context.peers === undefined });
      return {
        text: [tableOf(rows), text].filter(Boolean).join("\n\n"),
        goals: told,
        data: { unit: "requests/s", rows, ratios },
      };
    },
  };
}
