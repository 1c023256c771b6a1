/** The options of a threading server. */
import { availableParallelism } from "node:os";
import type { ResourceLimits } from "node:worker_threads";
import { show } from "../protocol/show.ts";

/** What ThreadingMixIn adds to a server's options. Sizes are in bytes, times in milliseconds. */
export interface ThreadingOptions {
  /**
   * How many threads there are: at least `min`, which are started with the server, and at most `max`. One more is started when a
   * request has waited 5 ms, and ends when it has been idle for a while. A number sets both. Default: as many as there are cores, and
   * the larger of 16 and four times as many.
   */
  readonly threads?: number | { readonly min?: number | undefined; readonly max?: number | undefined } | undefined;
  /**
   * How many requests may wait for a thread when all are busy; one more is answered 503, with Retry-After. Default 1,024.
   */
  readonly queue?: number | undefined;
  /**
   * How long a handler may run, as HTTPServer has it. In threads, one that takes longer is ended with its thread, even in an endless
   * loop. Default: as long as it likes.
   */
  readonly handlerTimeout?: number | undefined;
  /**
   * What each thread is given when it starts, as `this.server.threadData`: anything that a structured clone can copy, or shared
   * memory. Default undefined.
   */
  readonly threadData?: unknown;
  /**
   * How much content of a request is waited for before a thread is given to it; where its class has a larger `bufferedBody`, that much.
   * More than that passes through as it comes. With 0, nothing is waited for. As much of a response is taken from a thread at once, at
   * least, whether or not its client reads. Up to 16 MiB. Default 64 KiB.
   */
  readonly threadBuffer?: number | undefined;
  /**
   * How many threads, at most, may run requests whose content is still coming, because it is more than is waited for. Further ones wait
   * until one of those has all its content; up to `queue` of them, and others are answered 503. Requests whose content is there pass
   * them. From 1 to `threads.max`. Default: half of `threads.max`, at least 1.
   */
  readonly streamingThreads?: number | undefined;
  /** How many threads may be started in a second in place of those that were lost; Infinity for no limit. Default 10. */
  readonly replacementRate?: number | undefined;
  /**
   * How many threads may go on though they were ended, such as one that computes without end on Deno; with one more, the process ends
   * itself, with status 70, for its supervisor to start it again. Such a thread keeps its place among `threads.max`. Default: Infinity,
   * which is never.
   */
  readonly maxStuckThreads?: number | undefined;
  /** How much memory a thread may take, as `worker_threads` has it. Default: Node's. */
  readonly resourceLimits?: ResourceLimits | undefined;
}

/** The options, and what stands in for those that are not there. */
export interface Settings {
  readonly min: number;
  readonly max: number;
  readonly queue: number;
  readonly handlerTimeout: number;
  readonly threadData: unknown;
  readonly threadBuffer: number;
  readonly streamingThreads: number;
  /** Bytes of each ring, a power of two. */
  readonly ringSize: number;
  /** Requests that are in shared memory at a time, at most 256. */
  readonly slots: number;
  readonly replacementRate: number;
  readonly maxStuckThreads: number;
  readonly resourceLimits: ResourceLimits | undefined;
}

export const OPTION_NAMES: readonly (keyof ThreadingOptions)[] = [
  "threads",
  "queue",
  "handlerTimeout",
  "threadData",
  "threadBuffer",
  "streamingThreads",
  "replacementRate",
  "maxStuckThreads",
  "resourceLimits",
];

/** The most threads that one server can have. */
export const MOST_THREADS = 192;
const LARGEST_BUFFER = 16 * 1024 * 1024;
/** The least that a ring holds: with less, a thread through which much passes would sleep and be woken for little. */
const SMALLEST_RING = 512 * 1024;
/** Requests that are in shared memory beyond those that run, so that threads need not wait for the event loop. */
const AHEAD = 64;
const LEAST_AHEAD = 8;
/** Bytes of rings: places in shared memory are counted in 31 bits, and there are heads as well. */
const MOST_SHARED = 1024 * 1024 * 1024;

/** Those of a server's options that are ThreadingMixIn's. */
export function threadingOf(options: ThreadingOptions): ThreadingOptions {
  return Object.fromEntries(OPTION_NAMES.filter((name) => name in options).map((name) => [name, options[name]]));
}

/** @throws {TypeError} or {RangeError} for an option that is wrong */
export function settingsFrom(options: ThreadingOptions): Settings {
  const { threads } = options;
  let range: { readonly min?: number | undefined; readonly max?: number | undefined };
  if (threads === undefined) range = {};
  else if (typeof threads === "number") range = { min: threads, max: threads };
  else if (typeof threads === "object" && threads !== null) range = threads;
  else throw new TypeError(`threads must be a number, or { min, max }, not ${show(threads)}`);
  for (const name of Object.keys(range))
    if (name !== "min" && name !== "max") throw new TypeError(`there is no threads.${name}; there are min and max`);
  const cores = availableParallelism();
  const max = whole(
    "threads.max",
    range.max,
    Math.max(range.min ?? 0, Math.min(MOST_THREADS, Math.max(16, 4 * cores))),
  );
  const min = whole("threads.min", range.min, Math.min(cores, max));
  if (max < 1 || max > MOST_THREADS)
    throw new RangeError(`threads.max must be from 1 to ${MOST_THREADS}, not ${show(max)}`);
  if (min < 1 || min > max) throw new RangeError(`threads.min must be from 1 to threads.max, ${max}, not ${show(min)}`);
  const threadBuffer = whole("threadBuffer", options.threadBuffer, 64 * 1024);
  if (threadBuffer > LARGEST_BUFFER)
    throw new RangeError(`threadBuffer must be at most ${LARGEST_BUFFER}, not ${show(threadBuffer)}`);
  const streamingThreads = whole("streamingThreads", options.streamingThreads, Math.max(1, max >> 1));
  if (streamingThreads < 1 || streamingThreads > max)
    throw new RangeError(
      `streamingThreads must be from 1 to threads.max, ${max}, not ${show(streamingThreads)}: without any, content of more than threadBuffer could not be handled`,
    );
  let ringSize = SMALLEST_RING;
  while (ringSize < threadBuffer) ringSize *= 2;
  const ahead = Math.min(AHEAD, Math.floor(MOST_SHARED / (2 * ringSize)) - max);
  if (ahead < LEAST_AHEAD)
    throw new RangeError(
      `a threadBuffer of ${threadBuffer} and up to ${max} threads are more than can be shared: take less of one`,
    );
  return {
    min,
    max,
    queue: positive("queue", options.queue, 1024),
    handlerTimeout: some("handlerTimeout", options.handlerTimeout, Infinity),
    threadData: options.threadData,
    threadBuffer,
    streamingThreads,
    ringSize,
    slots: max + ahead,
    replacementRate: some("replacementRate", options.replacementRate, 10),
    maxStuckThreads: positive("maxStuckThreads", options.maxStuckThreads, Infinity),
    resourceLimits: options.resourceLimits,
  };
}

/** @throws {TypeError} for what threads cannot be given */
export function checkData(threadData: unknown): void {
  try {
    structuredClone(threadData);
  } catch (error) {
    throw new TypeError(
      `cannot give threadData to a thread: ${(error as Error).message} It must be what structuredClone can copy, or shared memory`,
      { cause: error },
    );
  }
}

function positive(name: string, value: number | undefined, byDefault: number): number {
  if (value === undefined) return byDefault;
  if (typeof value !== "number" || !(value >= 0))
    throw new RangeError(`${name} must be a number, 0 or more, not ${show(value)}`);
  return value;
}

/** A number that is not 0 either, by which some would mean that there is no limit. */
function some(name: string, value: number | undefined, byDefault: number): number {
  const n = positive(name, value, byDefault);
  if (n === 0) throw new RangeError(`${name} must be more than 0; Infinity is no limit`);
  return n;
}

function whole(name: string, value: number | undefined, byDefault: number): number {
  const n = positive(name, value, byDefault);
  if (!Number.isInteger(n)) throw new RangeError(`${name} must be a whole number, not ${show(value)}`);
  return n;
}
