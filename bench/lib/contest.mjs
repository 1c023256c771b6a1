// Peers beside each other under the same load: each is started, tried and warmed, and they take turns, round for round.
import { checkResponses } from "./check.mjs";
import { versionLabel } from "./peers.mjs";
import { ownCores } from "./processes.mjs";
import { writeRequests } from "./requests_file.mjs";
import { start } from "./servers.mjs";
import { memoryOf } from "./usage.mjs";
import { wrk } from "./wrk.mjs";

/** Responses under load are as long as those of the sample; in a workload of many different ones the means differ a little. */
const AS_LONG = 0.05;

/** Seconds of warming up for each peer. */
const WARM = 1;
/** Seconds that a run takes beside its load. */
const BESIDE = 0.05;
/** Seconds in which a server starts and is tried. */
const START = 0.15;

/**
 * A load that wrk makes.
 * @typedef {object} Load
 * @property {readonly import("./requests.mjs").Exchange[]} exchanges sent in turns
 * @property {number} connections
 * @property {number} [depth] requests at a time on each
 * @property {boolean} [ends] the server ends each connection behind its response
 * @property {number} [warm] seconds of warming up
 * @property {Readonly<Record<string, unknown>>} [key] what tells it from the other loads of a measure; goes into its rows
 *
 * @typedef {object} Entry a peer under a load
 * @property {object} peer
 * @property {Load} load
 * @property {{ perSecond: number, cpu: number, p50: number, p99: number, loadBusy: number, memory: number }[]} runs one a round
 */

export const nameOf = (peer) => `${peer.label} (${versionLabel(peer)})`;

/** Seconds that `contest` takes with so many peers. */
export function estimateContest({ peers, loads, seconds, rounds, anew = false }) {
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const warming = loads.map(({ warm = WARM }) => warm + BESIDE);
  const running = loads.length * rounds * (seconds + BESIDE);
  const starting = anew ? rounds * (sum(warming) + loads.length * START) : sum(warming) + START;
  return peers * (starting + running);
}

/** Starts a peer that is there, with the last core for itself and its like. */
async function startPeer(context, peer) {
  const name = nameOf(peer);
  const { command, args, env, tls } = peer;
  context.tell(`starting ${name}`);
  return start({ name, command, args, env, tls }, { cores: ownCores().serverCores });
}

const isThere = (context, peer) =>
  context.isThere({ name: nameOf(peer), command: peer.command, missing: peer.missing });

/**
 * Starts the peers that are there. One that does not start is left out.
 * @returns {Promise<{ peer: object, server: object }[]>}
 */
export async function startPeers(context, peers) {
  const started = [];
  for (const peer of peers) {
    if (!isThere(context, peer)) continue;
    try {
      started.push({ peer, server: await startPeer(context, peer) });
    } catch (error) {
      context.leaveOut(nameOf(peer), firstLine(error));
    }
  }
  return started;
}

/**
 * @param {object} context a measure's
 * @param {{ peers: readonly object[], loads: readonly Load[], seconds: number, rounds: number, anew?: boolean }} what `anew`: a process serves for one
 * round of one load; otherwise, for all
 * @returns {Promise<Entry[]>} of each peer that has done it, by peers and then loads
 */
export async function contest(context, { peers, loads, seconds, rounds, anew = false }) {
  const started = anew
    ? peers.filter((peer) => isThere(context, peer)).map((peer) => ({ peer, server: null }))
    : await startPeers(context, peers);
  const entries = started.flatMap(({ peer, server }) =>
    loads.map((load) => ({ peer, server, load, runs: [], lost: false })),
  );
  const files = new Map(loads.map((load) => [load, writeRequests(load.exchanges.map(({ bytes }) => bytes))]));

  /** One that fails is left out from then on, and the others go on. */
  const tried = async (entry, doing, work) => {
    if (entry.lost) return;
    context.tell(`${doing}: ${nameOf(entry.peer)}${titleOf(entry.load)}`);
    try {
      await work(entry);
    } catch (error) {
      entry.lost = true;
      context.leaveOut(`${nameOf(entry.peer)}${titleOf(entry.load)}`, firstLine(error));
    }
  };
  const check = ({ server, load }) => checkResponses(server, load.exchanges, load.ends);
  const warmUp = async (entry) => {
    const { server, load } = entry;
    entry.responseBytes = await check(entry);
    await ask(server, load, files.get(load), load.warm ?? WARM);
  };
  const run = async ({ server, load, responseBytes, runs }) => {
    const { responseBytes: length, broken: _, ...found } = await ask(server, load, files.get(load), seconds);
    if (Math.abs(length / responseBytes - 1) > AS_LONG)
      throw new Error(`responses under load have ${Math.round(length)} bytes, not ${responseBytes}`);
    runs.push({ ...found, memory: memoryOf(server.pid) });
  };
  const runAnew = async (entry) => {
    const server = (entry.server = await startPeer(context, entry.peer));
    try {
      await warmUp(entry);
      await run(entry);
      await check(entry);
    } finally {
      await server.stop();
    }
  };

  if (!anew) for (const entry of entries) await tried(entry, "warming up", warmUp);
  for (let round = 0; round < rounds; round++) {
    for (const load of loads) {
      const those = entries.filter((entry) => entry.load === load);
      for (const entry of context.turns(those, round))
        await tried(entry, `round ${round + 1} of ${rounds}`, anew ? runAnew : run);
    }
  }
  if (!anew) for (const entry of entries) await tried(entry, "trying again", check);
  for (const { server } of started) await server?.stop();
  const done = entries.filter(({ lost }) => !lost);
  if (done.length === 0) throw new Error("no peer has done it");
  return done;
}

/** Puts a load on one server that is started already: for a profile. @returns what wrk says of it */
export async function applyLoad(server, load, seconds) {
  await checkResponses(server, load.exchanges, load.ends);
  return ask(server, load, writeRequests(load.exchanges.map(({ bytes }) => bytes)), seconds);
}

async function ask(server, { connections, ends, depth = 1 }, file, seconds) {
  const found = await wrk(server, { file, connections, ends, seconds, cores: ownCores().loadCores });
  // wrk puts in those latencies that it thinks it has missed, and reckons with a request at a time: of several its figures are wrong.
  return depth === 1 ? found : { ...found, p50: NaN, p99: NaN };
}

function titleOf({ key = {} }) {
  return Object.entries(key)
    .map(([name, value]) => `, ${name}: ${value}`)
    .join("");
}

export function firstLine(error) {
  return error.message.split("\n").filter(Boolean).slice(0, 2).join(": ");
}
