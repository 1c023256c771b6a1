// The servers that measures are made on: how each is started, and that it responds as it should before anything is counted.
import process from "node:process";
import { fileURLToPath } from "node:url";
import { root } from "../../scripts/prepare.mjs";
import { executableOf, runtimeVersion } from "../../scripts/runtime_files.mjs";
import { ask, format } from "../load/client.mjs";
import { certificate } from "./certificate.mjs";
import { versionOf } from "./machine.mjs";
import { Child } from "./processes.mjs";
import { findProgram, isMissing } from "./programs.mjs";

const fileOf = (name) => fileURLToPath(new URL(`../servers/${name}`, import.meta.url));

/** The addition: what is asked, and what a response looks like, as JavaScript, Python and the addition app write it. */
export const ADDITION = { method: "POST", path: "/", body: '{"val_a":3,"val_b":4}', expect: '^\\{"sum": ?7\\}\\s*$' };

/**
 * A server of ours.
 * @param {"HTTPServer" | "ThreadingHTTPServer" | "HTTPSServer" | "ThreadingHTTPSServer"} kind
 * @param {{ name?: string, checkout?: string, options?: object, flags?: string[], newer?: boolean }} more `options` for its constructor (Infinity
 * as a string); `checkout`: another one than ours; `flags` for Node; `newer`: it runs on Node 26, not on the Node that runs the benchmark
 */
export function plinth(kind, { name = kind, checkout = root, options = {}, flags = [], newer = false } = {}) {
  return {
    name,
    command: newer ? executableOf("node-26") : process.execPath,
    missing: "there is no package of Node 26 for this machine",
    runtime: `Node ${newer ? runtimeVersion("node-26") : process.versions.node}`,
    tls: kind.endsWith("HTTPSServer"),
    args: [...flags, fileOf("plinth.mjs")],
    env: { BENCH_PLINTH: checkout, BENCH_SERVER: kind, BENCH_OPTIONS: JSON.stringify(options) },
  };
}

const onNode = (name, file, packages) => ({
  get name() {
    return `${name} ${packages.map(versionOf).join(", ")}`;
  },
  command: process.execPath,
  args: [fileOf(file)],
});

export const fastify = onNode("Fastify", "fastify.mjs", ["fastify"]);
export const fastifyPiscina = onNode("Fastify with Piscina", "fastify-piscina.mjs", ["fastify", "piscina"]);
export const hono = onNode("Hono on Node", "hono.mjs", ["hono"]);
export const express = onNode("Express", "express.mjs", ["express"]);

export const bun = {
  get name() {
    return `Bun.serve ${runtimeVersion("bun")}`;
  },
  get command() {
    return executableOf("bun");
  },
  missing: "Bun's package has nothing for this machine",
  args: [fileOf("bun.mjs")],
};

/** Python's ThreadingHTTPServer. @param {"1.0" | "1.1" | "tuned"} how */
export function python(how) {
  const said = how === "tuned" ? "HTTP/1.1, head and content in one packet" : `HTTP/${how}`;
  return {
    name: `Python's ThreadingHTTPServer, ${said}`,
    get command() {
      return findProgram("python3");
    },
    missing: isMissing("python3"),
    args: [fileOf("python.py"), how],
  };
}

/**
 * Starts a server and asks it for a sum.
 * @param server one of the above; with `tls`, it is given a certificate, by the files that TLS_CERT and TLS_KEY name
 * @param {{ units?: number, cores?: readonly number[] }} how `units`: what `calibrate` gave; `cores`: where it may run
 */
export async function start(server, { units = 0, cores } = {}) {
  const secure = server.tls ? await tlsOf() : undefined;
  const ca = secure?.ca;
  const child = new Child(server.command, server.args, {
    env: { ...server.env, ...secure?.env, BENCH_UNITS: String(units), NODE_ENV: "production" },
    ...(cores === undefined ? {} : { cores }),
  });
  const [, port] = /^listens (\d+)$/.exec(await child.line()) ?? [];
  const { status, body } = await ask(Number(port), format(ADDITION.method, ADDITION.path, ADDITION.body), ca);
  if (status !== 200 || !new RegExp(ADDITION.expect).test(body))
    throw new Error(`${server.name} has responded ${status} ${JSON.stringify(body)}\n${child.errors}`);
  return { name: server.name, pid: child.pid, port: Number(port), ca, child, stop: () => child.stop() };
}

/** What a server is told that is to speak TLS, and what its clients trust. */
export async function tlsOf() {
  const { certFile, keyFile, cert } = await certificate();
  return { env: { TLS_CERT: certFile, TLS_KEY: keyFile }, ca: cert };
}

/** How many units of the computation fit into a second of a core, in this runtime. */
export async function calibrate(command = process.execPath) {
  const child = new Child(command, [fileOf("calibrate.mjs")]);
  const units = Number(await child.line());
  await child.exited;
  return units;
}
