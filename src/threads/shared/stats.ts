/**
 * The statistics of a threading server. The event loop writes them, into shared memory, so that handlers in threads can read them too.
 */
import { DONE, type PoolMemory, STATE, STATS, STATS_WORDS } from "./pool_memory.ts";

/** The statistics of a threading server. */
export interface ThreadingStats {
  /** Threads that take requests. */
  readonly threads: number;
  /** Threads that run a handler. */
  readonly busy: number;
  /** Requests that wait for a thread. */
  readonly waiting: number;
  /** Requests whose handlers have settled. */
  readonly done: number;
  /** Requests whose threads were lost while their handlers ran. */
  readonly failed: number;
  /** Threads that were started in place of lost ones. */
  readonly replaced: number;
  /** Threads that go on after they were ended. They take no requests, and are not replaced. docs/THREADS.md says when that can happen. */
  readonly stuck: number;
  /** How long requests have waited for a thread. */
  readonly waitingTime: WaitingTime;
}

/** How long requests have waited for a thread, in milliseconds; 0 while there were none. Exact to about a tenth. */
export interface WaitingTime {
  /** The median: half of all requests have waited no longer. */
  readonly p50: number;
  /** 90 % of all requests have waited no longer. */
  readonly p90: number;
  /** 99 % of all requests have waited no longer. */
  readonly p99: number;
  /** The longest that any request has waited. */
  readonly max: number;
}

// Indexes of the counts
const THREADS = 0;
const PENDING = 1;
const SETTLED = 2;
const FAILED = 3;
const REPLACED = 4;
const LONGEST = 5;
const STUCK = 6;
const KEPT = 7;
/** The histogram of waiting times begins here. Its size does not depend on the number of requests. */
const TIMES = 8;

/** The histogram has this many classes for each doubling of the time. */
const CLASSES = 8;
/** log2 of CLASSES. */
const BITS = 3;
/** The unit of times: an eighth of a microsecond, in milliseconds. */
const UNIT = 0.001 / CLASSES;
/** Longer times count as this many units, which is about four minutes. */
const MAX_UNITS = 2 ** 31 - 1;

/** Writes the statistics; for the event loop. */
export class StatsRecorder {
  readonly #counts: Float64Array;

  constructor(memory: PoolMemory) {
    this.#counts = countsOf(memory);
  }

  /** A handler has settled. @param waited how long its request had waited, in milliseconds */
  done(waited: number): void {
    const units = Math.min(MAX_UNITS, Math.floor(waited / UNIT));
    this.#counts[SETTLED]++;
    this.#counts[TIMES + classOf(units)]++;
    if (units > this.#counts[LONGEST]) this.#counts[LONGEST] = units;
  }

  /** A thread has ended while it ran a request. */
  failed(): void {
    this.#counts[FAILED]++;
  }

  /** @param count how many requests run or wait @param kept how many got an error response while their threads go on */
  pending(count: number, kept: number): void {
    this.#counts[PENDING] = count;
    this.#counts[KEPT] = kept;
  }

  /** @param size how many threads take requests @param replaced how many were replaced so far @param stuck how many are stuck */
  pool(size: number, replaced: number, stuck: number): void {
    this.#counts[THREADS] = size;
    this.#counts[REPLACED] = replaced;
    this.#counts[STUCK] = stuck;
  }
}

/** Reads the statistics, in any thread. */
export function readStats(memory: PoolMemory): ThreadingStats {
  const counts = countsOf(memory);
  let busy = 0;
  for (let slot = 0; slot < memory.layout.slots; slot++) {
    const at = memory.slotAt(slot);
    if (Atomics.load(memory.words, at + STATE) < 0 && Atomics.load(memory.words, at + DONE) === 0) busy++;
  }
  const total = counts.subarray(TIMES).reduce((sum, count) => sum + count, 0);
  const max = counts[LONGEST] * UNIT;
  const percentile = (part: number): number => {
    let left = Math.ceil(part * total);
    if (left === 0) return 0;
    let index = 0;
    while ((left -= counts[TIMES + index]) > 0) index++;
    return Math.min(max, UNIT * endOf(index));
  };
  return {
    threads: counts[THREADS],
    busy,
    waiting: Math.max(0, counts[PENDING] - Math.max(0, busy - counts[KEPT])),
    done: counts[SETTLED],
    failed: counts[FAILED],
    replaced: counts[REPLACED],
    stuck: counts[STUCK],
    waitingTime: { p50: percentile(0.5), p90: percentile(0.9), p99: percentile(0.99), max },
  };
}

/** The statistics of a server that has handled no request. */
export const NO_STATS: ThreadingStats = Object.freeze({
  threads: 0,
  busy: 0,
  waiting: 0,
  done: 0,
  failed: 0,
  replaced: 0,
  stuck: 0,
  waitingTime: Object.freeze({ p50: 0, p90: 0, p99: 0, max: 0 }),
});

function countsOf(memory: PoolMemory): Float64Array {
  return new Float64Array(memory.buffer, 4 * STATS, STATS_WORDS >> 1);
}

/** The class of a number of units. Up to 15 units, each number is a class; above, there are eight classes for each doubling. */
function classOf(units: number): number {
  const shift = Math.max(0, 31 - Math.clz32(units) - BITS);
  return shift * CLASSES + (units >> shift);
}

/** The first number of units above a class. */
function endOf(index: number): number {
  const shift = Math.max(0, Math.floor(index / CLASSES) - 1);
  return (index - shift * CLASSES + 1) * 2 ** shift;
}

/** The memory of the server whose handlers run in this thread; null outside of handler threads. */
let own: PoolMemory | null = null;

/** Sets the memory that `ownStats` reads, in a handler thread. */
export function runsFor(memory: PoolMemory): void {
  own = memory;
}

/** The statistics of the server whose handlers run in this thread. */
export function ownStats(): ThreadingStats {
  return own === null ? NO_STATS : readStats(own);
}
