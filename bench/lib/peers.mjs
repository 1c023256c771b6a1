// The servers that the engine is measured beside, and its own: how each is started, and what it is called.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { root } from "../../scripts/prepare.mjs";
import { executableOf, runtimeVersion } from "../../scripts/runtime_files.mjs";
import { compiled, whyNotCompiled } from "./compiled.mjs";
import { versionOf } from "./machine.mjs";
import { findProgram, isMissing } from "./programs.mjs";

/**
 * A server with a program of its own in bench/peers, which prints `listens PORT` when it does, on 127.0.0.1, and ends when its input
 * ends. Responses are to be compared as JSON: Python's have a space, and the addition app's a line feed behind them.
 * @typedef {object} Peer
 * @property {string} name for --peers; all its variants and runtimes
 * @property {string} variant "" where there is but one; `name-variant` selects it
 * @property {"node20" | "node26" | "bun" | "deno" | "go" | "python" | "c"} runtime "node20" is the Node that runs the benchmark,
 * whatever its version
 * @property {string} label what tables call it; its runtime is said by versionLabel
 * @property {string | undefined} command undefined where it cannot be started on this machine. Go and C are compiled when it is asked for
 * @property {string} missing why, then
 * @property {readonly string[]} args
 * @property {Readonly<Record<string, string>>} env
 * @property {ReadonlySet<"add" | "path" | "upload" | "download" | "tls">} serves POST /, GET /val_a/3/val_b/4, POST /upload, GET /download; "tls":
 * those over TLS, where TLS_CERT and TLS_KEY name the files of a certificate and its key
 * @property {boolean} [tls] it is to speak TLS (overTls)
 * @property {boolean} guest it is one of those that run on Node as well, on another runtime: named only together with that (choice.mjs)
 */

const fileOf = (name) => fileURLToPath(new URL(`../peers/${name}`, import.meta.url));

const EVERYTHING = new Set(["add", "path", "upload", "download"]);
const SUMS = new Set(["add", "path"]);
const overTlsToo = (serves) => new Set([...serves, "tls"]);

// -------------------------------------------------------------------------------------------------------- executables

const commands = {
  node20: () => process.execPath,
  node26: () => executableOf("node-26"),
  bun: () => executableOf("bun"),
  deno: () => executableOf("deno"),
  python: () => findProgram("python3"),
  go: () => compiled("go", ["build", "-o"], fileOf("go/main.go")),
  c: () => compiled("gcc", ["-O2", "-o"], fileOf("limit.c")),
};

const missing = {
  node20: () => "",
  node26: () => "there is no package of Node 26 for this machine",
  bun: () => "Bun's package has nothing for this machine",
  deno: () => "Deno's package has nothing for this machine",
  python: () => isMissing("python3"),
  go: () => whyNotCompiled("go", "golang-go", fileOf("go/main.go")),
  c: () => whyNotCompiled("gcc", "gcc libc6-dev", fileOf("limit.c")),
};

// -------------------------------------------------------------------------------------------------------------- peers

/** What a runtime is told before a program. */
const runtimeArgs = { bun: ["run"], deno: ["run", "--allow-all"] };

/** @returns {Peer} */
function peer(name, variant, runtime, label, file, { env = {}, serves = EVERYTHING } = {}) {
  const args = runtimeArgs[runtime] ?? [];
  return {
    name,
    variant,
    runtime,
    label,
    get command() {
      return commands[runtime]();
    },
    get missing() {
      return missing[runtime]();
    },
    args: file === undefined ? args : [...args, fileOf(file)],
    env: { NODE_ENV: "production", ...env },
    serves,
    guest: runtime in runtimeArgs && name !== runtime,
  };
}

const plinth = (variant, runtime, what, serves) =>
  peer("plinth", variant, runtime, `Plinth, ${what}`, `plinth-${variant}.mjs`, { serves: overTlsToo(serves) });

/** With the version of its package, if that is installed: it is asked for once there is something to run. */
function packaged(name, runtime, title, file, packages, more) {
  const made = peer(name, "", runtime, title, file, more);
  return Object.defineProperty(made, "label", {
    enumerable: true,
    get: () => [title, ...packages.map(installedVersion)].filter((word) => word !== "").join(" "),
  });
}

function installedVersion(name) {
  try {
    return versionOf(name);
  } catch {
    return "";
  }
}

/** Its program speaks TLS as well. */
const WITH_TLS = { serves: overTlsToo(EVERYTHING) };

/** µWebSockets comes as a binary for certain Nodes only. */
function uws() {
  const made = packaged("uws", "node20", "µWebSockets.js", "uws.mjs", [], WITH_TLS);
  const { platform, arch, versions } = process;
  const binary = path.join(
    root,
    "bench",
    "node_modules",
    "uwebsockets",
    `uws_${platform}_${arch}_${versions.modules}.node`,
  );
  return Object.defineProperties(made, {
    command: { enumerable: true, get: () => (fs.existsSync(binary) ? process.execPath : undefined) },
    missing: { enumerable: true, get: () => `its package has no binary for Node ${versions.node} on this machine` },
  });
}

/** What runs on Node as well, on another runtime, beside that one's own server. */
function onOther(runtime) {
  return [
    plinth("post", runtime, "the post's handler", EVERYTHING),
    plinth("bare", runtime, "a synchronous handler", SUMS),
    packaged("hono", runtime, "Hono", "hono-fetch.mjs", ["hono"]),
    packaged("fastify", runtime, "Fastify", "fastify.mjs", ["fastify"], WITH_TLS),
    peer("node-http", "", runtime, "node:http", "node-http.mjs", WITH_TLS),
  ];
}

/** Go's program is as many threads as there are cores for it: one, where it is pinned; this holds where it is not. */
const ONE_CORE = { GOMAXPROCS: "1" };

/** @type {readonly Peer[]} */
export const peers = [
  plinth("post", "node26", "the post's handler", EVERYTHING),
  plinth("post", "node20", "the post's handler", EVERYTHING),
  plinth("bare", "node26", "a synchronous handler", SUMS),
  plinth("bare", "node20", "a synchronous handler", SUMS),
  plinth("app", "node26", "the addition app", SUMS),
  plinth("app", "node20", "the addition app", SUMS),
  peer("node-http", "", "node26", "node:http", "node-http.mjs", WITH_TLS),
  peer("node-http", "", "node20", "node:http", "node-http.mjs", WITH_TLS),
  packaged("fastify", "node26", "Fastify", "fastify.mjs", ["fastify"], WITH_TLS),
  packaged("fastify", "node20", "Fastify", "fastify.mjs", ["fastify"], WITH_TLS),
  packaged("hono", "node26", "Hono", "hono.mjs", ["hono"]),
  packaged("express", "node26", "Express", "express.mjs", ["express"]),
  packaged("srvx", "node26", "h3 on srvx", "srvx.mjs", ["srvx"]),
  uws(),
  peer("bun", "", "bun", "Bun.serve", "bun.mjs", WITH_TLS),
  ...onOther("bun"),
  peer("deno", "", "deno", "Deno.serve", "deno.mjs", WITH_TLS),
  ...onOther("deno"),
  peer("go", "", "go", "Go's net/http", undefined, { env: ONE_CORE }),
  peer("python", "", "python", "Python's ThreadingHTTPServer", "python.py"),
  peer("c", "", "c", "C, epoll, no checks", undefined, { serves: SUMS }),
];

/** A peer as it is over TLS. */
export function overTls(peer) {
  return Object.create(peer, {
    tls: { enumerable: true, value: true },
    label: { enumerable: true, get: () => (peer.name === "node-http" ? "node:https" : peer.label) },
  });
}

// ----------------------------------------------------------------------------------------------------------- versions

/** What a peer's program runs on, with its version: "Node 26.10.0", "Go 1.19.8". The name alone where it is not there. */
export function versionLabel({ runtime }) {
  const [name, version] = names[runtime]();
  return version === "" ? name : `${name} ${version}`;
}

const names = {
  node20: () => ["Node", process.versions.node],
  node26: () => ["Node", runtimeVersion("node-26") || "26"],
  bun: () => ["Bun", runtimeVersion("bun")],
  deno: () => ["Deno", runtimeVersion("deno")],
  go: () => ["Go", said("go", ["env", "GOVERSION"]).replace(/^go/, "")],
  python: () => ["Python", said("python3", ["--version"]).replace(/^Python /, "")],
  c: () => ["gcc", said("gcc", ["-dumpfullversion"])],
};

const outputs = new Map();

/** What a program says of itself, asked once; "" where it is not there. */
function said(program, args) {
  if (!outputs.has(program)) {
    let output = "";
    try {
      output = execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    } catch {
      // Its peer will be left out, and say why.
    }
    outputs.set(program, output);
  }
  return outputs.get(program);
}
