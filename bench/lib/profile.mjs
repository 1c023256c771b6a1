// A CPU profile of a server under load: the file for DevTools, and where the time goes, by area and by function.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { root } from "../../scripts/prepare.mjs";
import { peers, versionLabel } from "./peers.mjs";
import { allowedCores, canPin } from "./processes.mjs";
import { figure, table } from "./table.mjs";
import { tlsOf } from "./servers.mjs";
import { cpuBetween, cpuNow } from "./usage.mjs";

/** Microseconds between two looks at what runs. */
const INTERVAL = 200;
const FUNCTIONS = 30;
const FILES = 12;

/**
 * Profiles a peer that runs on Node, prints where its time went, and where the file is.
 * @param {object} what
 * @param {string} what.workload its name, for the heading and the file
 * @param {(server: { name: string, pid: number, port: number }, seconds: number) => Promise<{ perSecond?: number } | void>} what.run puts
 * the load on; with its requests a second, times are told by request too
 * @param {import("./peers.mjs").Peer} [what.peer] Plinth with the post's handler on the newer Node, when left out
 * @param {number} [what.seconds] how long it is looked at, behind one second to warm up
 * @param {string} [what.out] the file's folder; one for temporary files when left out
 * @returns {Promise<{ file: string, found: Found }>}
 * @throws {Error} when the peer is not there, or does not run on Node
 */
export async function profile({ workload, run, peer = usual(), seconds = 5, out }) {
  const label = `${peer.label}, ${versionLabel(peer)}`;
  if (!peer.runtime.startsWith("node")) throw new Error(`cannot profile ${label}: it does not run on Node`);
  if (peer.command === undefined) throw new Error(`cannot profile ${label}: ${peer.missing}`);
  const folder = out ?? fs.mkdtempSync(path.join(os.tmpdir(), "plinth-profile-"));
  fs.mkdirSync(folder, { recursive: true });
  const version = /\d+/.exec(versionLabel(peer))?.[0] ?? "";
  const names = [workload, peer.name, peer.variant, `node${version}`].filter((word) => word !== "");
  const file = path.resolve(folder, `${names.join("-")}.cpuprofile`);

  const server = await start(peer, folder, path.basename(file));
  let window;
  let perSecond;
  let cpu;
  try {
    await run(server, 1);
    const from = microseconds();
    const before = cpuNow(server.pid);
    perSecond = (await run(server, seconds))?.perSecond;
    cpu = cpuBetween(before, cpuNow(server.pid));
    window = { from, to: microseconds() };
  } finally {
    await server.end();
  }
  const found = aggregate(JSON.parse(fs.readFileSync(file, "utf8")), window);
  console.log(
    `${workload}: ${label}, ${figure(found.total / 1e6)} s of it\n\n${report(found, cpu, perSecond)}\n\n${file}`,
  );
  return { file, found };
}

function usual() {
  const ours = peers.filter(({ name, variant }) => name === "plinth" && variant === "post");
  return ours.find(({ command }) => command !== undefined) ?? ours[0];
}

/** A process of its own kind: it must not be killed, but end by itself, or it writes no profile. */
async function start(peer, folder, name) {
  const flags = [
    "--cpu-prof",
    `--cpu-prof-interval=${INTERVAL}`,
    `--cpu-prof-dir=${folder}`,
    `--cpu-prof-name=${name}`,
  ];
  const args = [...flags, ...peer.args];
  const pinned = canPin
    ? ["taskset", "-c", String(allowedCores().at(-1)), peer.command, ...args]
    : [peer.command, ...args];
  const secure = peer.tls ? await tlsOf() : undefined;
  const child = spawn(pinned[0], pinned.slice(1), {
    env: { ...process.env, ...peer.env, ...secure?.env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const line = await Promise.race([
    once(createInterface(child.stdout), "line").then(([text]) => text),
    exited.then(([code]) => {
      throw new Error(`${peer.label} has ended (${code}) before it listened`);
    }),
  ]);
  return {
    name: peer.label,
    pid: child.pid,
    port: Number(/^listens (\d+)$/.exec(line)?.[1]),
    ca: secure?.ca,
    async end() {
      child.stdin.end();
      await exited;
    },
  };
}

/** The clock that a profile's times are told by: both are the system's that only goes forward. */
const microseconds = () => Number(process.hrtime.bigint() / 1000n);

// ---------------------------------------------------------------------------------------------------------- aggregate

/**
 * Self time in microseconds, the most first.
 * @typedef {object} Found
 * @property {number} total all of the time looked at
 * @property {number} idle of which there was nothing to do
 * @property {Map<string, { self: number, files: Map<string, number> }>} areas
 * @property {{ name: string, place: string, area: string, self: number }[]} functions
 */

/**
 * Adds up a profile's samples.
 * @param {object} profile as V8 writes it
 * @param {{ from: number, to: number }} [window] what lies outside is not counted; a window in which nothing lies is none
 * @returns {Found}
 */
export function aggregate(profile, window) {
  const within = count(profile, window);
  const selves = within.size > 0 ? within : count(profile);
  const areas = new Map();
  const functions = new Map();
  let total = 0;
  let idle = 0;
  for (const { id, callFrame } of profile.nodes) {
    const self = selves.get(id);
    if (self === undefined) continue;
    total += self;
    const { area, file } = areaOf(callFrame);
    if (area === "idle") {
      idle += self;
      continue;
    }
    if (!areas.has(area)) areas.set(area, { self: 0, files: new Map() });
    const entry = areas.get(area);
    entry.self += self;
    entry.files.set(file, (entry.files.get(file) ?? 0) + self);
    const name = callFrame.functionName || "(anonymous)";
    const place = callFrame.lineNumber >= 0 && callFrame.url !== "" ? `${file}:${callFrame.lineNumber + 1}` : "";
    const key = `${name} ${place}`;
    if (!functions.has(key)) functions.set(key, { name, place, area, self: 0 });
    functions.get(key).self += self;
  }
  for (const entry of areas.values()) entry.files = new Map([...entry.files].sort(([, a], [, b]) => b - a));
  return {
    total,
    idle,
    areas: new Map([...areas].sort(([, a], [, b]) => b.self - a.self)),
    functions: [...functions.values()].sort((a, b) => b.self - a.self),
  };
}

/** Microseconds by node: a sample stands for the time from it to the next one. */
function count({ samples, timeDeltas, startTime, endTime }, { from, to } = { from: -Infinity, to: Infinity }) {
  const selves = new Map();
  let at = startTime;
  for (let i = 0; i < samples.length; i++) {
    at += timeDeltas[i];
    const next = i + 1 < samples.length ? at + timeDeltas[i + 1] : endTime;
    if (at < from || at >= to) continue;
    // Where the deltas are out of order, as they may be, none is counted backwards.
    selves.set(samples[i], (selves.get(samples[i]) ?? 0) + Math.max(0, next - at));
  }
  return selves;
}

const OURS = ["protocol", "transport", "server", "routing", "threads"];

/** Whose code it is, and in which file. */
function areaOf({ functionName, url }) {
  if (functionName === "(idle)") return { area: "idle", file: "" };
  if (functionName === "(garbage collector)") return { area: "garbage collector", file: functionName };
  // What V8 does not see into: system calls, C++ of Node's, its own compiler.
  if (functionName === "(program)" || functionName === "(root)") return { area: "native", file: functionName };
  if (url === "") return { area: "native", file: "built-in functions" };
  if (url.startsWith("node:")) return { area: "node", file: url };
  const file = url.startsWith("file:") ? fileURLToPath(url) : url;
  const short = path.relative(root, file).split(path.sep).join("/");
  const inSource = /(?:^|\/)dist\/src\/([^/]+)\/(.*)$/.exec(short);
  if (inSource !== null && OURS.includes(inSource[1]))
    return { area: inSource[1], file: `${inSource[1]}/${inSource[2]}` };
  const inPackage = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\/(.*)$/.exec(short);
  if (inPackage !== null) return { area: inPackage[1], file: `${inPackage[1]}/${inPackage[2]}` };
  return { area: "handler", file: short };
}

// ------------------------------------------------------------------------------------------------------------- report

/**
 * Two tables: areas with their files, and functions; shares are of the time that was not idle.
 * @param {number} cpu seconds that the process took of the cores meanwhile, all its threads
 */
function report({ total, idle, areas, functions }, cpu, perSecond) {
  const busy = total - idle;
  const share = (self) => `${((100 * self) / busy).toFixed(1)} %`;
  // A core's time for a request: requests came for as long as was looked.
  const each = (self) => (perSecond === undefined ? [] : [`${((self / total / perSecond) * 1e6).toFixed(2)} µs`]);
  const heading = (...names) => [...names, "self", ...(perSecond === undefined ? [] : ["a request"])];
  const byArea = [heading("area", "file")];
  for (const [area, { self, files }] of areas) {
    byArea.push([area, "", share(self), ...each(self)]);
    if (files.size === 1) continue;
    for (const [file, self] of [...files].slice(0, FILES)) {
      if (self / busy >= 0.005) byArea.push(["", file, share(self), ...each(self)]);
    }
  }
  const byFunction = [heading("function", "where")];
  for (const { name, place, area, self } of functions.slice(0, FUNCTIONS))
    byFunction.push([name, place === "" ? area : place, share(self), ...each(self)]);
  const unseen = cpu * 1e6 - busy;
  const lines = [
    `Not idle: ${figure(busy / 1e6)} s of ${figure(total / 1e6)} s. The process took ${figure(cpu)} s of the cores, all threads; what it took`,
    `more than that, ${[`${figure(unseen / 1e6)} s`, ...each(unseen)].join(", ")}, are reads from sockets above all, which V8 takes for idle.`,
    ...(perSecond === undefined
      ? []
      : [
          `${figure(perSecond)} requests/s, each with ${each(cpu * 1e6)[0]} of the cores, the profiler's part among it.`,
        ]),
  ];
  return `${table(byArea)}\n\n${table(byFunction)}\n\n${lines.join("\n")}`;
}
