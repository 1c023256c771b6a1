/** The options of a threading server. */
import { availableParallelism } from "node:os";
import type { ResourceLimits } from "node:worker_threads";
import { BYTES, checkNames, checkNumber, checkNumbers, COUNT, type NumberRule } from "../../option_checks.ts";
import { quote } from "../../quote_value.ts";
import { DEFAULTS as OF_SERVERS, MOST_THREADS, RULES as RULES_OF_SERVERS } from "../../server/server_options.ts";

/** What ThreadingMixIn adds to a server's options. Sizes are in bytes, times in milliseconds. */
export interface ThreadingOptions {
  /**
   * How many threads there are: at least `min`, which are started with the server, and at most `max`. One more is started when a
   * request has waited 5 ms, and ends when it has been idle for a while. A number sets both. Default: as many as there are cores, and
   * the larger of 16 and four times as many.
   */
  readonly threads?: number | { readonly min?: number | undefined; readonly max?: number | undefined } | undefined;
  /**
   * How many requests may wait for a thread when all are busy; one more gets 503, with Retry-After. Default 1,024.
   */
  readonly queue?: number | undefined;
  /**
   * How long a handler may run, as HTTPServer has it. In threads, one that takes longer is ended with its thread, even in an endless
   * loop. Default: as long as it likes.
   */
  readonly handlerTimeout?: number | undefined;
  /**
   * How long a thread may take to import the program and to find its server there, as HTTPServer has it. With one that takes longer,
   * `serverActivate` rejects. Default 60 s.
   */
  readonly startTimeout?: number | undefined;
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
   * until one of those has all its content; up to `queue` of them, and others get 503. Requests whose content is there pass
   * them. From 1 to `threads.max`. Default: half of `threads.max`, at least 1.
   */
  readonly streamingThreads?: number | undefined;
  /** How many threads may be started in a second in place of those that were lost; Infinity for no limit. Default 10. */
  readonly replacementRate?: number | undefined;
  /**
   * How many threads may go on though they were ended, such as one that computes without end on Deno; with one more, for five seconds, the
   * process ends itself for its supervisor to start it again: with status 70, on Node by SIGKILL. Such a thread keeps its place among
   * `threads.max`. Default: Infinity, which is never.
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
  readonly startTimeout: number;
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
  "startTimeout",
  "threadData",
  "threadBuffer",
  "streamingThreads",
  "replacementRate",
  "maxStuckThreads",
  "resourceLimits",
];

const LARGEST_BUFFER = 16 * 1024 * 1024;
/** The least that a ring holds: with less, a thread through which much passes would sleep and be woken for little. */
const SMALLEST_RING = 512 * 1024;
/** Requests that are in shared memory beyond those that run, so that threads need not wait for the event loop. */
const AHEAD = 64;
/** Bytes of all rings: places in shared memory are counted in 31 bits, and there are heads as well. */
const MOST_RINGS = 1024 * 1024 * 1024;

const DEFAULTS = {
  queue: 1024,
  handlerTimeout: OF_SERVERS.handlerTimeout,
  startTimeout: OF_SERVERS.startTimeout,
  threadBuffer: 64 * 1024,
  replacementRate: 10,
  maxStuckThreads: Infinity,
};

const RULES: Readonly<Record<keyof typeof DEFAULTS, NumberRule>> = {
  queue: COUNT,
  handlerTimeout: RULES_OF_SERVERS.handlerTimeout,
  startTimeout: RULES_OF_SERVERS.startTimeout,
  threadBuffer: { ...BYTES, most: LARGEST_BUFFER },
  replacementRate: { more: true, unit: "threads a second" },
  maxStuckThreads: COUNT,
};

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
  else if (typeof threads === "object" && threads !== null && !Array.isArray(threads)) range = threads;
  else throw new TypeError(`threads must be a number, or { min, max }, not ${quote(threads)}`);
  checkNames(range, ["min", "max"], "threads.");
  const cores = availableParallelism();
  const rule = { least: 1, most: MOST_THREADS, whole: true };
  if (typeof threads === "number") checkNumber("threads", threads, rule);
  const { min: least = 1 } = range;
  const most = Math.max(checkNumber("threads.min", least, rule), Math.min(MOST_THREADS, Math.max(16, 4 * cores)));
  const { max = most } = range;
  checkNumber("threads.max", max, rule);
  const { min = Math.min(cores, max) } = range;
  checkNumber("threads.min", min, { ...rule, most: max });
  const { streamingThreads = Math.max(1, max >> 1) } = options;
  checkNumber("streamingThreads", streamingThreads, { ...rule, most: max });
  const { threadBuffer, ...numbers } = checkNumbers<keyof typeof DEFAULTS>(options, RULES, DEFAULTS);
  let ringSize = SMALLEST_RING;
  while (ringSize < threadBuffer) ringSize *= 2;
  // What a ring does not hold of what was buffered waits in other memory.
  while (ringSize > SMALLEST_RING && 2 * ringSize * (max + AHEAD) > MOST_RINGS) ringSize /= 2;
  return {
    min,
    max,
    ...numbers,
    threadData: options.threadData,
    threadBuffer,
    streamingThreads,
    ringSize,
    slots: max + AHEAD,
    resourceLimits: checkResources(options.resourceLimits),
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

const MEGABYTES: NumberRule = { most: Number.MAX_VALUE, more: true, unit: "megabytes" };
const RESOURCES: Readonly<Record<keyof Required<ResourceLimits>, NumberRule>> = {
  maxYoungGenerationSizeMb: MEGABYTES,
  maxOldGenerationSizeMb: MEGABYTES,
  codeRangeSizeMb: MEGABYTES,
  stackSizeMb: MEGABYTES,
};

/** @throws {TypeError} or {RangeError} for what `worker_threads` would not take, or take for something else */
function checkResources(limits: unknown): ResourceLimits | undefined {
  if (limits === undefined) return undefined;
  if (typeof limits !== "object" || limits === null)
    throw new TypeError(
      `resourceLimits must be an object, such as { maxOldGenerationSizeMb: 256 }, not ${quote(limits)}`,
    );
  checkNames(limits, Object.keys(RESOURCES), "resourceLimits.");
  for (const [name, value] of Object.entries(limits))
    if (value !== undefined) checkNumber(`resourceLimits.${name}`, value, RESOURCES[name as keyof ResourceLimits]);
  return limits;
}
