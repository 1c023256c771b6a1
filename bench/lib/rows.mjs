// A contest's figures, as rows of the result file and as a table.
import { spread } from "./stats.mjs";
import { figure, range, table } from "./table.mjs";
import { FULL } from "./wrk.mjs";

/** Who it was: the beginning of every row. */
export function whoOf(peer, versionLabel) {
  return { peer: peer.name, variant: peer.variant, runtime: versionLabel(peer), label: peer.label };
}

/** The name of a row, for people. */
export const rowName = ({ label, runtime }) => `${label} (${runtime})`;

/**
 * @param {import("./contest.mjs").Entry} entry
 * @returns a row; CPU in seconds a request, latencies in milliseconds (left out where they are not known), memory in bytes; `rounds`: each round's figures
 */
export function rowOf({ peer, load, runs }, versionLabel) {
  const of = (name) => runs.map((run) => run[name]);
  return {
    ...whoOf(peer, versionLabel),
    ...load.key,
    perSecond: spread(of("perSecond")),
    cpu: spread(of("cpu")),
    ...latencies(of),
    memory: spread(of("memory")).median,
    loadBusy: spread(of("loadBusy")).median,
    rounds: { perSecond: of("perSecond"), cpu: of("cpu") },
  };
}

function latencies(of) {
  return of("p50").some(Number.isNaN) ? {} : { p50: spread(of("p50")), p99: spread(of("p99")) };
}

/** Whether the load's own core had no time left: then the server could have done more, and CPU a request is what to compare. */
export const isFull = ({ loadBusy }) => loadBusy > FULL;

/**
 * @param {readonly object[]} rows as `rowOf` makes them
 * @param {readonly string[]} keys of the loads
 */
export function tableOf(rows, keys = []) {
  const heading = ["server", "runtime", ...keys, "requests/s", "over the rounds", "CPU a request", "over the rounds"];
  const lines = rows.map((row) => [
    row.label,
    row.runtime,
    ...keys.map((key) => row[key].toLocaleString("en-US")),
    figure(row.perSecond.median),
    range(row.perSecond),
    `${microseconds(row.cpu.median)} µs`,
    range(row.cpu, microseconds),
    row.p50 === undefined ? "" : `${figure(row.p50.median)} ms`,
    row.p99 === undefined ? "" : `${figure(row.p99.median)} ms`,
    `${Math.round(row.memory / 2 ** 20)} MiB`,
    `${Math.round(row.loadBusy * 100)} %${isFull(row) ? " FULL" : ""}`,
  ]);
  const text = table([[...heading, "p50", "p99", "memory", "load's core"], ...lines]);
  return rows.some(isFull) ? `${text}\n${FULL_NOTE}` : text;
}

export const FULL_NOTE =
  "FULL: the load could do no more, and the server might have: there the CPU that it takes is what to compare.";

const microseconds = (seconds) => figure(seconds * 1e6);
