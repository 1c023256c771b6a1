/** The file descriptors of the process: how many connections they allow, and a few spare ones for when no other is left. */
import { closeSync, openSync } from "node:fs";
import process from "node:process";
import type { Descriptors } from "../transport/transport.ts";
import { runningFile } from "../runtime/running_file.ts";

/** How many descriptors a handler thread takes, on the runtime on which it takes most. */
const FOR_A_THREAD = 8;
/** How many descriptors an event loop keeps open as spare ones. */
const SPARE_COUNT = 2;
/** How many descriptors an event loop that accepts connections takes, with its listening socket and spare ones. */
const FOR_A_LISTENER = FOR_A_THREAD + SPARE_COUNT;
/**
 * The share of all descriptors that is left free, but from 8 to 256: for files that handlers open, their own connections, and connections
 * that are closed at once.
 */
const FREE_SHARE = 1 / 8;
const MIN_FREE = 8;
const MAX_FREE = 256;

/**
 * Computes how many connections the file descriptors allow.
 * @param descriptors the process's limit, and how many were open before the server has started anything
 * @param threads how many handler threads there may be
 * @param listeners how many event loops accept connections
 * @returns how many connections each of these event loops may have at a time
 */
export function connectionsFor({ limit, open }: Descriptors, threads: number, listeners: number): number {
  const left = limit - open;
  const others = threads * FOR_A_THREAD + listeners * FOR_A_LISTENER;
  const free = Math.min(MAX_FREE, Math.max(MIN_FREE, Math.floor(limit * FREE_SHARE)));
  // If too few descriptors are left for all of that, connections still get a quarter of those that are left.
  return Math.max(1, Math.floor(Math.max(left - others - free, left / 4) / listeners));
}

/**
 * The file that is opened to take a descriptor. On Deno, /dev/null would need --allow-all, so it is a file of this library: threads need
 * the permission to read that anyway.
 */
const OPENED_FILE = ("deno" in process.versions ? runningFile() : null) ?? "/dev/null";

/**
 * Finds out that no descriptor is left, which runtimes do not report. A server without descriptors cannot even accept a connection in
 * order to close it, and its event loop may spin. So a few spare descriptors are kept open, and are closed when no other is left. Has no
 * effect if the file cannot be opened for another reason.
 */
export class DescriptorReserve {
  /** Whether no descriptor was left at the last look. */
  isShort = false;
  readonly #spares: number[] = [];

  /** Checks that a file can be opened, and opens the spare descriptors. Closes them if no descriptor is left. */
  look(): void {
    try {
      while (this.#spares.length < SPARE_COUNT) this.#spares.push(openSync(OPENED_FILE, "r"));
      closeSync(openSync(OPENED_FILE, "r"));
      this.isShort = false;
    } catch (error) {
      this.isShort = isOutOfDescriptors(error);
      this.release();
    }
  }

  /** Whether there are descriptors for one more thread. A runtime may end the process if it starts a thread with too few. */
  get isEnoughForAThread(): boolean {
    const tried: number[] = [];
    try {
      while (tried.length < FOR_A_THREAD + MIN_FREE) tried.push(openSync(OPENED_FILE, "r"));
      return true;
    } catch (error) {
      return !isOutOfDescriptors(error);
    } finally {
      for (const descriptor of tried) closeSync(descriptor);
    }
  }

  /** Closes the spare descriptors. */
  release(): void {
    for (const descriptor of this.#spares.splice(0)) closeSync(descriptor);
  }
}

function isOutOfDescriptors(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EMFILE" || code === "ENFILE";
}
