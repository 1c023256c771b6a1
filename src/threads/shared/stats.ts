/**
 * What a threading server does, and has done. It is kept in shared memory, so that threads can tell as well: the event loop writes it,
 * anybody reads it.
 */
import { DONE, type PoolMemory, STATE, STATS, STATS_WORDS } from "./memory.ts";

/** What a threading server does, and has done. */
export interface ThreadingStats {
  /** Threads that take requests. */
  readonly threads: number;
  /** Threads that run a handler. */
  readonly busy: number;
  /** Requests that wait for a thread. */
  readonly waiting: number;
  /** Requests whose handlers have settled. */
  readonly done: number;
  /** Requests whose threads have ended before. */
  readonly failed: number;
  /** Threads that were started in place of others that were lost. */
  readonly replaced: number;
  /** Threads that were ended and go on nevertheless: docs/THREADS.md says where that can be. They take no requests, nor others their place. */
  readonly stuck: number;
  /** How long requests have waited for a thread. */
  readonly waitingTime: WaitingTime;
}

/** How long requests have waited for a thread, in milliseconds; 0 while there were none. Exact to about a tenth. */
export interface WaitingTime {
  /** Half of them have waited so long at most. */
  readonly p50: number;
  /** Nine of ten. */
  readonly p90: number;
  /** All but one in a hundred. */
  readonly p99: number;
  /** All. */
  readonly max: number;
}

// Where the counts are
const THREADS = 0;
const HELD = 1;
const SETTLED = 2;
const FAILED = 3;
const REPLACED = 4;
const LONGEST = 5;
const STUCK = 6;
const KEPT = 7;
/** Counts of waiting times by classes, so that any number of them takes the same little memory. */
const TIMES = 8;

/** Classes of times a doubling. */
const CLASSES = 8;
const BITS = 3;
/** What times are counted in: an eighth of a microsecond, in milliseconds. */
const UNIT = 0.001 / CLASSES;
/** The most units that are told from more: about four minutes. */
const MOST = 2 ** 31 - 1;

/** Writes the statistics; for the event loop. */
export class StatsRecorder {
  readonly #counts: Float64Array;

  constructor(memory: PoolMemory) {
    this.#counts = countsOf(memory);
  }

  /** A handler has settled. @param waited how long its request had waited, in milliseconds */
  done(waited: number): void {
    const units = Math.min(MOST, Math.floor(waited / UNIT));
    this.#counts[SETTLED]++;
    this.#counts[TIMES + classOf(units)]++;
    if (units > this.#counts[LONGEST]) this.#counts[LONGEST] = units;
  }

  /** A thread has ended while it ran a request. */
  failed(): void {
    this.#counts[FAILED]++;
  }

  /** So many requests run or wait, and so many got a response while their threads go on. */
  holds(count: number, kept: number): void {
    this.#counts[HELD] = count;
    this.#counts[KEPT] = kept;
  }

  /** So many threads take requests, so many were started in place of others, and so many go on behind their end. */
  pool(size: number, replaced: number, stuck: number): void {
    this.#counts[THREADS] = size;
    this.#counts[REPLACED] = replaced;
    this.#counts[STUCK] = stuck;
  }
}

/** Reads the statistics, in whatever thread. */
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
    waiting: Math.max(0, counts[HELD] - Math.max(0, busy - counts[KEPT])),
    done: counts[SETTLED],
    failed: counts[FAILED],
    replaced: counts[REPLACED],
    stuck: counts[STUCK],
    waitingTime: { p50: percentile(0.5), p90: percentile(0.9), p99: percentile(0.99), max },
  };
}

/** Of a server that has run nothing. */
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

/** The number of the class that so many units fall into: one each, as long as they are few, then eight for each doubling. */
function classOf(units: number): number {
  const shift = Math.max(0, 31 - Math.clz32(units) - BITS);
  return shift * CLASSES + (units >> shift);
}

/** The first number of units behind a class. */
function endOf(index: number): number {
  const shift = Math.max(0, Math.floor(index / CLASSES) - 1);
  return (index - shift * CLASSES + 1) * 2 ** shift;
}

/** The memory of the server whose handlers run in this thread; null elsewhere. */
let own: PoolMemory | null = null;

/** Says whose handlers run in this thread. */
export function runsFor(memory: PoolMemory): void {
  own = memory;
}

/** The statistics of the server whose handlers run in this thread. */
export function ownStats(): ThreadingStats {
  return own === null ? NO_STATS : readStats(own);
}
