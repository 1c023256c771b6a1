/** Starts a thread of this library's: on the event loop's side, what handler threads and listeners have in common. */
import { statSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";
import { TWICE } from "./program_description.ts";
import { isBundled, runningFile } from "../runtime/running_file.ts";
import { clusterEnvironment } from "./spawn_guard.ts";
import { LONGEST_TIMER } from "../loop/clock.ts";

/** A program that was given on the command line may have been called a module there, which Node does not take of a file. */
const EXEC_ARGV: { readonly execArgv?: [] } = process.execArgv.some((option) => option.startsWith("--input-type"))
  ? { execArgv: [] }
  : {};

/** What to do about a bundle. */
const MARK_AS_EXTERNAL =
  "Mark plinth as external, so that it stays in node_modules: --external:plinth for esbuild; --external plinth for bun build (with" +
  ' --compile, --compile-autoload-package-json as well) and ncc; external: ["plinth"] for rollup; ssr: { external: ["plinth"] } for Vite;' +
  ' externals: { plinth: "module plinth" } for webpack, or "commonjs plinth" where it makes CommonJS';

/**
 * Starts a thread that runs a file of this library.
 * @param name its path in the library's folder, without its ending: "threads/worker/main"
 * @param own the URL of this very file, from which the folder and the ending are taken (".ts" for sources, ".js" for what is built of
 *   them); undefined where a bundler has taken it away
 * @throws {Error} where the program is not there; where the system has no thread to give, or `workerData` cannot be copied
 */
export function startThread(name: string, options: WorkerOptions, own: string | undefined = import.meta.url): Worker {
  const [, folder, ending] = /^(.*\/)program\/start_thread(\.[a-z]+)$/.exec(own ?? "") ?? [];
  // In a bundle, a file of that name may be one of the user's; or the URL is that of the machine on which it was made.
  const bundled = isBundled();
  const file = folder === undefined || bundled ? null : new URL(`${folder}${name}${ending}`);
  if (file === null || isMissing(file)) {
    throw new Error(
      `cannot start a thread: its first file is one of plinth's own, which is not beside ${(bundled ? runningFile() : own) ?? "the others"}.` +
        ` A bundler has put this library and the program into one file. ${MARK_AS_EXTERNAL}`,
    );
  }
  const inCluster = clusterEnvironment();
  const env = inCluster === null ? {} : { env: { ...process.env, ...inCluster } };
  return new Worker(file, { ...options, ...EXEC_ARGV, ...env });
}

/** Whether a file is known not to be there. */
export function isMissing(file: URL): boolean {
  if (file.protocol !== "file:") return false;
  try {
    return statSync(fileURLToPath(file), { throwIfNoEntry: false }) === undefined;
  } catch {
    return false; // it may not be looked at, but perhaps be imported
  }
}

/** How long after `startTimeout` the thread's own error is waited for, which says more precisely what is missing. In milliseconds. */
const SILENCE = 1_000;

/**
 * Calls when a thread has said nothing of its start for too long, because what it imports never comes to its event loop.
 * @param timeout how long a start may take, in milliseconds
 * @returns what is to be called when the thread has said something, or has ended
 */
export function watchStart(timeout: number, onLate: (why: Error) => void): () => void {
  if (timeout + SILENCE > LONGEST_TIMER) return () => {};
  const late = (): void =>
    onLate(
      new Error(
        `it was not ready within ${timeout} ms (startTimeout): the top level of what it imports does not end. ${TWICE}`,
      ),
    );
  const timer = setTimeout(late, timeout + SILENCE);
  timer.unref();
  return () => clearTimeout(timer);
}
