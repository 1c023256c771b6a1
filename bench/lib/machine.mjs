// What the figures were taken on.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { root } from "../../scripts/prepare.mjs";

/** One line a fact. */
export function describeMachine() {
  const [cpu] = os.cpus();
  return {
    machine: `${os.availableParallelism()} cores, ${cpu?.model.trim() ?? "unknown"}; ${Math.round(os.totalmem() / 2 ** 30)} GiB; Linux ${os.release()}`,
    load: `${os.loadavg()[0].toFixed(2)} processes wanted a core in the minute before`,
    versions: `Node ${process.versions.node}; ${commitOf(root)}`,
  };
}

/** The commit of a checkout, and whether it is what lies there. */
export function commitOf(folder) {
  const git = (...args) =>
    execFileSync("git", args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    const changed = git("status", "--porcelain", "--", "src") !== "";
    return `Plinth ${git("rev-parse", "--short", "HEAD")}${changed ? " with changes" : ""}`;
  } catch {
    return "Plinth of no commit";
  }
}

/** The version of a package that bench/ has installed. */
export function versionOf(name) {
  const file = path.join(root, "bench", "node_modules", name, "package.json");
  return JSON.parse(fs.readFileSync(file, "utf8")).version;
}
