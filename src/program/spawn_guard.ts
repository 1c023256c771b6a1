/**
 * Keeps a thread that imports the program once more from starting it once more, as a process: that process would have such threads,
 * too, and so on without end.
 */
import { ChildProcess } from "node:child_process";
import cluster from "node:cluster";
import { syncBuiltinESMExports } from "node:module";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { resolveFile } from "./main_module.ts";
import { TWICE } from "./program_description.ts";

/** By what Node tells a process that it is a worker of a cluster, and which. It is taken out of the environment of that process. */
const WORKER_ID = "NODE_UNIQUE_ID";

/**
 * What there must be in a thread's environment besides the process's own, for `seeCluster`; null outside a cluster.
 * @throws {Error} on Deno, whose threads fail there whatever they do
 */
export function clusterEnvironment(): Record<string, string> | null {
  if (!cluster.isWorker) return null;
  if ("deno" in process.versions)
    throw new Error(
      "Deno starts no threads in a worker of node:cluster: take threads, or listeners, without a cluster",
    );
  return { [WORKER_ID]: String(cluster.worker!.id) };
}

/**
 * Lets `node:cluster` say in a thread what it says in the rest of the process: whether this is a worker. Otherwise a thread would take
 * itself for the primary, and fork. Before the program is imported.
 */
function seeCluster(): void {
  if (!cluster.isWorker) return;
  const id = process.env[WORKER_ID];
  delete process.env[WORKER_ID]; // as in the process, or what a handler starts would take itself for a worker
  // Its declarations do not have the class of workers, nor let the worker be set.
  const own = cluster as unknown as { worker: unknown; Worker: new (of: object) => unknown };
  own.worker = new own.Worker({ id: Number(id), process, state: "online" });
  syncBuiltinESMExports();
}

/** What all asynchronous calls of node:child_process use, on Node, Bun and Deno. Its declarations do not have it. */
interface Spawning {
  spawn(options: Spawned): unknown;
}

interface Spawned {
  readonly file?: unknown;
  /** Its name for itself, and its arguments; anything may be among them, which Node makes strings. */
  readonly args?: readonly unknown[];
  readonly cwd?: unknown;
}

/** What runs programs such as this one. */
const RUNTIMES = /^(?:node|nodejs|bun|deno|tsx|ts-node)(?:\.exe)?$/i;

/**
 * The argument by which a process would run the program; null where it would not.
 * @param program the path of the program's main file
 */
export function argumentOf({ file, args = [], cwd }: Spawned, program: string): string | null {
  const named = (name: unknown): name is string =>
    typeof name === "string" &&
    !name.startsWith("-") &&
    resolveFile(name, typeof cwd === "string" ? cwd : "") === program;
  if (typeof file !== "string") return null;
  if (/[\\/]/.test(file) && named(file)) return file; // a file that says itself what runs it
  if (file !== process.execPath && !RUNTIMES.test(path.basename(file))) return null;
  return args.slice(args[0] === file ? 1 : 0).find(named) ?? null;
}

/**
 * Called in a thread before it imports the program.
 * @param main the URL of the program's main module
 * @param isHandling whether a handler is running: that one may start what it likes
 */
export function guardSpawning(main: string | null, isHandling: () => boolean): void {
  seeCluster();
  if (main?.startsWith("file:") !== true) return;
  const program = fileURLToPath(main);
  const spawning = ChildProcess.prototype as unknown as Spawning;
  const { spawn } = spawning;
  spawning.spawn = function (this: unknown, options) {
    const name = isHandling() ? null : argumentOf(options, program);
    if (name !== null)
      throw new Error(`a thread was about to start the program once more, as a process of its own: ${name}. ${TWICE}`);
    return spawn.call(this, options);
  };
}
