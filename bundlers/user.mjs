// A folder as a user has it: the program, and the package as it is packed, in node_modules.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after } from "node:test";
import { root } from "../scripts/prepare.mjs";
import { executableOf } from "../scripts/runtime_files.mjs";

/** How long a program may take, in milliseconds: much longer than any does. */
const PATIENCE = 40_000;

/** Makes such a folder, which is gone after the tests of the file. @returns {{ folder: string, entry: string }} */
export function makeUser() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "plinth-bundlers-"));
  after(() => fs.rmSync(folder, { recursive: true, force: true }));
  // It is built already.
  const npm = process.env.npm_execpath;
  const [command, ...first] = npm?.endsWith("npm-cli.js") ? [process.execPath, npm] : ["npm"];
  finish(command, [...first, "pack", "--silent", "--ignore-scripts", "--pack-destination", folder], root);
  const [tarball] = fs.readdirSync(folder);
  finish("tar", ["-xf", tarball], folder);
  const modules = path.join(folder, "node_modules");
  fs.mkdirSync(modules);
  fs.renameSync(path.join(folder, "package"), path.join(modules, "plinth"));
  fs.symlinkSync(path.join(root, "node_modules", "rou3"), path.join(modules, "rou3"), "junction");
  fs.writeFileSync(path.join(folder, "package.json"), '{ "type": "module" }');
  const entry = path.join(folder, "main.js");
  fs.copyFileSync(new URL("program.mjs", import.meta.url), entry);
  return { folder, entry };
}

function finish(command, args, cwd) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  assert.equal(status, 0, `${command} ${args.join(" ")}: ${error ?? ""}${stdout}${stderr}`);
}

/**
 * Runs what a bundler has made, to its end: it must end well, and say nothing but what became of its servers.
 * @param {import("./bundlers.mjs").Bundle} bundle
 * @param {string} [runtime] of scripts/runtime_files.mjs: Node 22 where none is given, since Node 20 cannot share a port
 * @returns {Promise<Record<"loop" | "threads" | "listeners", string | string[]>>}
 */
export async function became({ file, by = "node" }, runtime = by === "bun" ? "bun" : "node-22") {
  const [program, ...args] =
    by === "itself" ? [file] : [executableOf(runtime) ?? process.execPath, ...FLAGS[runtime], file];
  const child = spawn(program, args, {
    cwd: path.dirname(file),
    env: { ...process.env, NODE_OPTIONS: "" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: PATIENCE,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  const [status] = await once(child, "close");
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" }, stdout);
  return JSON.parse(stdout);
}

const FLAGS = { "node-20": [], "node-22": [], bun: [], deno: ["run", "--allow-all"] };

/** With the way of each bundler to leave a package out. */
const ADVICE =
  /cannot start a thread: .* A bundler has put .* Mark plinth as external, .*esbuild.*bun build.*ncc.*rollup.*Vite.*webpack/;

/** Holds what became of a bundle's servers to what must: where the library is in the bundle too, only the event loop serves. */
export function checkBundled({ loop, threads, listeners }) {
  assert.deepEqual(loop.map(statusOf), ["200", "422"]);
  assert.equal(loop[0], '200 {"sum":3,"apart":false}');
  assert.match(String(threads), new RegExp(`^Error: ${ADVICE.source}`));
  assert.match(String(listeners), new RegExp(`^Error: cannot listen on 127\\.0\\.0\\.1:0: ${ADVICE.source}`));
}

const statusOf = (response) => response.slice(0, 3);
