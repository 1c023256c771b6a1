// Programs of the system that measures need.
import fs from "node:fs";
import path from "node:path";
import process from "node:process";

/** Each program, and the Debian package that brings it. */
const packages = { wrk: "wrk", python3: "python3", taskset: "util-linux", gcc: "gcc libc6-dev" };

/** The program's file, or undefined where there is none. */
export function findProgram(name) {
  for (const folder of (process.env.PATH ?? "").split(path.delimiter)) {
    const file = path.join(folder, name);
    try {
      fs.accessSync(file, fs.constants.X_OK);
      if (folder !== "" && fs.statSync(file).isFile()) return file;
    } catch {
      // Not there.
    }
  }
  return undefined;
}

/** Why a measure without this program cannot run. */
export function isMissing(name) {
  return `${name} is not installed: apt-get install ${packages[name]}`;
}
