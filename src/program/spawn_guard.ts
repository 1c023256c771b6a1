/**
 * Keeps a thread that imports the program again from starting the program again as a process: that process would start such threads too,
 * and so on without end.
 */
import { ChildProcess } from "node:child_process";
import cluster from "node:cluster";
import { syncBuiltinESMExports } from "node:module";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { resolveFile } from "./main_module.ts";
import { TWICE } from "./program_description.ts";

/** The environment variable by which Node tells a process which worker of a cluster it is. Node removes it in that process. */
const WORKER_ID = "NODE_UNIQUE_ID";

/**
 * The variables that a thread's environment needs in addition to the process's own, for `seeCluster`; null outside a cluster.
 * @throws {Error} on Deno, where threads fail in a worker of a cluster
 */
export function clusterEnvironment(): Record<string, string> | null {
  if (!cluster.isWorker) return null;
  if ("deno" in process.versions)
    throw new Error("Deno starts no threads in a worker of node:cluster: use threads, or listeners, without a cluster");
  return { [WORKER_ID]: String(cluster.worker!.id) };
}

/**
 * Makes `node:cluster` say in a thread that this process is a worker, as it does in the main thread. Otherwise the program would take the
 * thread for the primary, and fork. Called before the program is imported.
 */
function seeCluster(): void {
  if (!cluster.isWorker) return;
  const id = process.env[WORKER_ID];
  delete process.env[WORKER_ID]; // otherwise a process that a handler starts would take itself for a worker
  // The declarations of `cluster` lack the class of workers, and make `worker` read-only.
  const own = cluster as unknown as { worker: unknown; Worker: new (of: object) => unknown };
  own.worker = new own.Worker({ id: Number(id), process, state: "online" });
  syncBuiltinESMExports();
}

/** The method that all asynchronous calls of node:child_process use, on Node, Bun and Deno. The declarations lack it. */
interface Spawning {
  spawn(options: Spawned): unknown;
}

interface Spawned {
  readonly file?: unknown;
  /** `argv[0]` and the arguments. Values of any type may be among them: Node makes strings of them. */
  readonly args?: readonly unknown[];
  readonly cwd?: unknown;
}

/** The names of commands that run JavaScript or TypeScript programs. */
const RUNTIMES = /^(?:node|nodejs|bun|deno|tsx|ts-node)(?:\.exe)?$/i;

/**
 * The argument by which a process would run the program; null if it would not.
 * @param program the path of the program's main file
 */
export function argumentOf({ file, args = [], cwd }: Spawned, program: string): string | null {
  const isProgram = (name: unknown): name is string =>
    typeof name === "string" &&
    !name.startsWith("-") &&
    resolveFile(name, typeof cwd === "string" ? cwd : "") === program;
  if (typeof file !== "string") return null;
  if (/[\\/]/.test(file) && isProgram(file)) return file; // the program is executable: its first line names what runs it
  if (file !== process.execPath && !RUNTIMES.test(path.basename(file))) return null;
  return args.slice(args[0] === file ? 1 : 0).find(isProgram) ?? null;
}

/**
 * Called in a thread before it imports the program.
 * @param main the URL of the program's main module
 * @param isHandling whether a handler is running: a handler may start any process
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
