/** Starts a thread of this library: a handler thread or a listener. Runs on the main thread. */
import { statSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";
import { TWICE } from "./program_description.ts";
import { isBundled, runningFile } from "../runtime/running_file.ts";
import { clusterEnvironment } from "./spawn_guard.ts";
import { LONGEST_TIMER } from "../loop/clock.ts";

/** --input-type, which may belong to a program on the command line, is not inherited: Node refuses it for the file of a thread. */
const EXEC_ARGV: { readonly execArgv?: [] } = process.execArgv.some((option) => option.startsWith("--input-type"))
  ? { execArgv: [] }
  : {};

/** Advice, for an error: a bundler has put this library into the program's file. */
const MARK_AS_EXTERNAL =
  "Mark plinth as external, so that it stays in node_modules: --external:plinth for esbuild; --external plinth for bun build (with" +
  ' --compile, --compile-autoload-package-json as well) and ncc; external: ["plinth"] for rollup; ssr: { external: ["plinth"] } for Vite;' +
  ' externals: { plinth: "module plinth" } for webpack, or "commonjs plinth" where it makes CommonJS';

/**
 * Starts a thread that runs a file of this library.
 * @param name the path of the file in the library's folder, without its ending: "threads/worker/main"
 * @param own the URL of this very file, from which the folder and the ending are taken (".ts" for sources, ".js" for a build); undefined
 *   if a bundler has removed it
 * @throws {Error} if the file is missing, the system has no thread to give, or `workerData` cannot be copied
 */
export function startThread(name: string, options: WorkerOptions, own: string | undefined = import.meta.url): Worker {
  const [, folder, ending] = /^(.*\/)program\/start_thread(\.[a-z]+)$/.exec(own ?? "") ?? [];
  // In a bundle, a file of that name may be one of the user's. Or `own` is a URL on the machine on which the bundle was made.
  const bundled = isBundled();
  const file = folder === undefined || bundled ? null : new URL(`${folder}${name}${ending}`);
  if (file === null || isMissing(file)) {
    throw new Error(
      `cannot start a thread: the file of plinth that it runs is not beside ${(bundled ? runningFile() : own) ?? "the others"}.` +
        ` A bundler has put this library and the program into one file. ${MARK_AS_EXTERNAL}`,
    );
  }
  const inCluster = clusterEnvironment();
  const env = inCluster === null ? {} : { env: { ...process.env, ...inCluster } };
  return new Worker(file, { ...options, ...EXEC_ARGV, ...env });
}

/** Whether a file is known to be missing. */
export function isMissing(file: URL): boolean {
  if (file.protocol !== "file:") return false;
  try {
    return statSync(fileURLToPath(file), { throwIfNoEntry: false }) === undefined;
  } catch {
    return false; // its folder may not be readable, and the file importable all the same
  }
}

/** Milliseconds after `startTimeout` in which the thread's own error may still arrive, which is more precise. */
const SILENCE = 1_000;

/**
 * Calls `onLate` if a thread has not reported on its start in time, because a module that it imports blocks its event loop.
 * @param timeout milliseconds that a start may take
 * @returns the function to call when the thread has reported, or has ended
 */
export function watchStart(timeout: number, onLate: (why: Error) => void): () => void {
  if (timeout + SILENCE > LONGEST_TIMER) return () => {};
  const late = (): void =>
    onLate(
      new Error(
        `the thread was not ready within ${timeout} ms (startTimeout): the top level of what it imports does not end. ${TWICE}`,
      ),
    );
  const timer = setTimeout(late, timeout + SILENCE);
  timer.unref();
  return () => clearTimeout(timer);
}
