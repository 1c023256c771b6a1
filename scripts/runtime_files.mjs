// The runtimes of runtimes/package.json: where the executable of each lies, once they are installed, and its version.
import fs from "node:fs";
import path from "node:path";
import { install, root } from "./prepare.mjs";

const FOLDER = path.join(root, "runtimes", "node_modules");

/** Each by its name: the folders in which packages with one executable a platform lie, and where in them it is. */
const places = {
  "node-20": nodePlace(20),
  "node-22": nodePlace(22),
  "node-24": nodePlace(24),
  "node-26": nodePlace(26),
  bun: { scope: "@oven", file: ["bin", "bun"] },
  deno: { scope: "@deno", file: ["deno"] },
};

function nodePlace(line) {
  return { scope: ".", only: `node-${line}-${process.platform}-${process.arch}`, file: ["bin", "node"] };
}

/** "node-20" … "deno" */
export const RUNTIMES = Object.keys(places);

export function installRuntimes() {
  install("runtimes");
}

/** @param {string} name one of RUNTIMES @returns {string | undefined} undefined where it has none for this machine, or is not installed */
export function executableOf(name) {
  const { scope, only, file } = places[name];
  const folder = path.join(FOLDER, scope);
  for (const one of fs.existsSync(folder) ? fs.readdirSync(folder) : []) {
    if (only !== undefined && one !== only) continue;
    const executable = path.join(folder, one, ...file);
    // An executable is installed for this machine's system and C library alone.
    if (fs.existsSync(executable)) return executable;
  }
  return undefined;
}

/** The version that is installed; "" where none is. */
export function runtimeVersion(name) {
  const folder = places[name].only ?? name;
  try {
    return JSON.parse(fs.readFileSync(path.join(FOLDER, folder, "package.json"), "utf8")).version;
  } catch {
    return "";
  }
}

/** "Node 20.20.2", "Bun 1.4.5" */
export function runtimeLabel(name) {
  const title = name.startsWith("node") ? "Node" : name === "bun" ? "Bun" : "Deno";
  return `${title} ${runtimeVersion(name)}`.trim();
}
