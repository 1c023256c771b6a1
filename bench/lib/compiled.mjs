// Programs in C and Go, which are compiled when they are asked for.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { findProgram } from "./programs.mjs";

/** Built once a run, into a folder that does not outlive it. @type {Map<string, { file?: string, error?: string }>} */
const builds = new Map();

/**
 * @param {string} compiler
 * @param {readonly string[]} args the last one names the output, which follows
 * @returns {string | undefined} the file; undefined where there is no compiler, or it has failed
 */
export function compiled(compiler, args, source) {
  if (findProgram(compiler) === undefined) return undefined;
  let build = builds.get(source);
  if (build === undefined) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "plinth-bench-"));
    process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
    const file = path.join(folder, "program");
    try {
      execFileSync(compiler, [...args, file, source], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
      build = { file };
    } catch (error) {
      build = { error: String(error.stderr || error.message).trim() };
    }
    builds.set(source, build);
  }
  return build.file;
}

export function whyNotCompiled(compiler, packages, source) {
  if (findProgram(compiler) === undefined) return `${compiler} is not installed: apt-get install ${packages}`;
  return `${compiler} has failed: ${builds.get(source)?.error ?? ""}`;
}
