#!/usr/bin/env node
// Node before 22.18 does not run this file, since it is TypeScript ("Unknown file extension"): there, `npm start` builds it and runs
// what was built.
/** The addition server as a program: `plinth`, `npm start`. Loads it part by part: see `load`. */
import process from "node:process";

/**
 * Node 20 opens all files at once that a module needs. So the library's two entries come first and the program behind them: with fewer
 * files open at a time, fewer file descriptors are enough.
 */
async function load(): Promise<void> {
  try {
    await import("../../src/protocol/mod.ts");
    await import("../../src/mod.ts");
    await import("./command.ts");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "EMFILE" && code !== "ENFILE") throw error;
    process.stderr.write(`plinth: cannot start: ${message}. Raise the limit of open files (ulimit -n).\n`);
    process.exit(2);
  }
}

await load();
