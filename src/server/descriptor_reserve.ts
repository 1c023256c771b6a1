/** The file descriptors of the process, where they are few: how many connections there may be, and what happens when none is left. */
import { closeSync, openSync } from "node:fs";
import process from "node:process";
import type { Descriptors } from "../transport/transport.ts";
import { runningFile } from "../runtime/running_file.ts";

/** What a thread of handlers takes, on the runtime on which it takes most. */
const FOR_A_THREAD = 8;
/** How many descriptors an event loop keeps for when none is left. */
const SPARE = 2;
/** What an event loop that accepts takes, its socket among them. */
const FOR_A_LISTENER = FOR_A_THREAD + SPARE;
/** For files that are opened meanwhile, connections of handlers to others, and those that are closed at once: a part of all. */
const PART = 1 / 8;
const LEAST = 8;
const MOST = 256;

/**
 * @param descriptors before the server has started anything
 * @param threads of handlers, at most
 * @param listeners event loops that accept
 * @returns how many connections each of the event loops may have at a time
 */
export function connectionsFor({ limit, open }: Descriptors, threads: number, listeners: number): number {
  const left = limit - open;
  const others = threads * FOR_A_THREAD + listeners * FOR_A_LISTENER;
  const free = Math.min(MOST, Math.max(LEAST, Math.floor(limit * PART)));
  // Where there is not enough for all of that, connections have a part nevertheless.
  return Math.max(1, Math.floor(Math.max(left - others - free, left / 4) / listeners));
}

/** What can be opened: on Deno a file of this library's, which must be readable for threads anyway, since /dev takes --allow-all. */
const OPENS = ("deno" in process.versions ? runningFile() : null) ?? "/dev/null";

/**
 * Finds out that no descriptor is left, which a runtime does not say: a server cannot even accept a connection in order to close it, and
 * its event loop may spin. So a few are kept, and given up then. Only where a file can be opened.
 */
export class DescriptorReserve {
  /** None is left. */
  isShort = false;
  readonly #held: number[] = [];

  /** Looks whether there is one to be had, and takes those that are kept, or gives them up. */
  look(): void {
    try {
      while (this.#held.length < SPARE) this.#held.push(openSync(OPENS, "r"));
      closeSync(openSync(OPENS, "r"));
      this.isShort = false;
    } catch (error) {
      this.isShort = saysNoneIsLeft(error);
      this.release();
    }
  }

  /** Whether one more thread can be started: without enough descriptors, a runtime may end the whole process for it. */
  get isEnoughForAThread(): boolean {
    const tried: number[] = [];
    try {
      while (tried.length < FOR_A_THREAD + LEAST) tried.push(openSync(OPENS, "r"));
      return true;
    } catch (error) {
      return !saysNoneIsLeft(error);
    } finally {
      for (const descriptor of tried) closeSync(descriptor);
    }
  }

  /** Gives up those that are kept. */
  release(): void {
    for (const descriptor of this.#held.splice(0)) closeSync(descriptor);
  }
}

function saysNoneIsLeft(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EMFILE" || code === "ENFILE";
}
