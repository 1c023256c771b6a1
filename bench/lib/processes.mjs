// Child processes: started, perhaps pinned to cores, asked by lines, and ended by their ids whatever happens to us.
import { spawn } from "node:child_process";
import fs from "node:fs";
import process from "node:process";
import { findProgram, isMissing } from "./programs.mjs";

/** @type {Set<Child>} */
const running = new Set();
const taskset = findProgram("taskset");

/** The cores that we may use, and so those that a child can be pinned to. */
export function allowedCores() {
  const [, list] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(fs.readFileSync("/proc/self/status", "utf8")) ?? [];
  return (list ?? "0").split(",").flatMap((part) => {
    const [from, to = from] = part.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

/** Whether a server and its load can have a core each. */
export const canPin = taskset !== undefined && allowedCores().length > 1;

/** Where a server runs, the last core, and where its load does, the first; nothing where they cannot have a core each. */
export function ownCores() {
  const cores = allowedCores();
  return canPin ? { serverCores: [cores.at(-1)], loadCores: [cores[0]] } : {};
}

/** The same, for people. */
export function describeCores() {
  const { serverCores, loadCores } = ownCores();
  if (serverCores !== undefined) return `server on core ${serverCores.join()}, load on core ${loadCores.join()}`;
  const why = taskset === undefined ? isMissing("taskset") : "there is but one";
  return `server and load cannot have a core each, and CPU a request is what to compare: ${why}`;
}

export class Child {
  #process;
  #lines = [];
  #waiting = [];
  #rest = "";
  /** What it has written to stderr, the end of it. */
  errors = "";
  ended = false;

  /**
   * @param {string} command
   * @param {readonly string[]} args
   * @param {{ env?: Record<string, string>, cores?: readonly number[] }} options `cores`: where it may run, with all that it starts
   */
  constructor(command, args, { env = {}, cores } = {}) {
    const pinned = cores !== undefined && taskset !== undefined;
    // taskset becomes the command, under the same id.
    const [file, ...rest] = pinned ? [taskset, "-c", cores.join(","), command, ...args] : [command, ...args];
    this.#process = spawn(file, rest, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    running.add(this);
    this.#process.stdin.on("error", () => {});
    this.#process.stdout.setEncoding("utf8").on("data", (text) => this.#read(text));
    this.#process.stderr.setEncoding("utf8").on("data", (text) => {
      this.errors = (this.errors + text).slice(-4000);
    });
    this.exited = new Promise((resolve) => {
      this.#process.on("error", (error) => {
        this.errors += error.message;
        resolve(-1);
      });
      this.#process.on("close", (code, signal) => resolve(signal ?? code));
    }).then((how) => {
      running.delete(this);
      this.ended = true;
      const error = new Error(`${command} ${args.join(" ")} has ended (${how})\n${this.errors}`);
      for (const { reject } of this.#waiting.splice(0)) reject(error);
      return how;
    });
  }

  get pid() {
    return this.#process.pid;
  }

  /** The next line of its output; rejects when it ends before. */
  line() {
    const next = this.#lines.shift();
    if (next !== undefined) return Promise.resolve(next);
    if (this.ended) return Promise.reject(new Error(`a child has ended\n${this.errors}`));
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Sends a line to its input. */
  say(text) {
    this.#process.stdin.write(`${text}\n`);
  }

  async stop() {
    if (!this.ended) this.#process.kill("SIGKILL");
    await this.exited;
  }

  #read(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    for (const line of lines) {
      const waiting = this.#waiting.shift();
      if (waiting) waiting.resolve(line);
      else this.#lines.push(line);
    }
  }

  killNow() {
    if (!this.ended && this.pid !== undefined) this.#process.kill("SIGKILL");
  }
}

/** Ends whatever still runs. */
export async function stopAll() {
  await Promise.all([...running].map((child) => child.stop()));
}

/** From now on nothing that was started outlives us, unless we are killed outright: then children see the end of their input. */
export function killAllAtExit() {
  process.on("exit", () => {
    for (const child of running) child.killNow();
  });
  for (const [signal, status] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }))
    process.on(signal, () => process.exit(status));
}
