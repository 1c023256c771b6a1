/** Starts a thread of this library's: on the event loop's side, what handler threads and listeners have in common. */
import process from "node:process";
import { Worker, type WorkerOptions } from "node:worker_threads";

/** A program that was given on the command line may have been called a module there, which Node does not take of a file. */
const EXEC_ARGV: { readonly execArgv?: [] } = process.execArgv.some((option) => option.startsWith("--input-type"))
  ? { execArgv: [] }
  : {};

/** @throws where the system has no thread to give, or `workerData` cannot be copied */
export function startThread(file: URL, options: WorkerOptions): Worker {
  return new Worker(file, { ...options, ...EXEC_ARGV });
}

/** The file of that name beside another: sources and what is built of them lie side by side, whatever they are called. */
export function fileBeside(url: string, name: string): URL {
  return new URL(`./${name}${url.slice(url.lastIndexOf("."))}`, url);
}
