/** The options of a threading server. */
import { availableParallelism } from "node:os";
import type { ResourceLimits } from "node:worker_threads";
import { BYTES, checkNames, checkNumber, checkNumbers, COUNT, type NumberRule } from "../../option_checks.ts";
import { quote } from "../../quote_value.ts";
import { DEFAULTS as SERVER_DEFAULTS, MOST_THREADS, RULES as SERVER_RULES } from "../../server/server_options.ts";

/** The options that ThreadingMixIn adds to a server's. Sizes are in bytes, times in milliseconds. */
export interface ThreadingOptions {
  /**
   * How many threads there are. `min` threads are started with the server. One more, up to `max`, is started when a request has waited
   * 5 ms; a thread beyond `min` ends when it has been idle for 15 s. A number sets both. Default: `min` is the number of cores, or `max`
   * if that is smaller; `max` is 16 or four times the number of cores, whichever is larger. At most 192.
   */
  readonly threads?: number | { readonly min?: number | undefined; readonly max?: number | undefined } | undefined;
  /**
   * How many requests may wait for a thread when all are busy; a further one gets a 503 with Retry-After. Default 1,024.
   */
  readonly queue?: number | undefined;
  /**
   * How long a handler may run, as for an HTTPServer. In threads, a handler that runs longer is ended together with its thread, even in
   * an endless loop. Default: Infinity.
   */
  readonly handlerTimeout?: number | undefined;
  /**
   * How long a thread may take to import the program and to find its server there, as for an HTTPServer. If a thread takes longer,
   * `serverActivate` rejects. Default 60 s.
   */
  readonly startTimeout?: number | undefined;
  /**
   * Data that each thread gets when it starts, as `this.server.threadData`: anything that `structuredClone` can copy, or shared memory.
   * Default undefined.
   */
  readonly threadData?: unknown;
  /**
   * How much content of a request is buffered before the request gets a thread. If its class has a larger `bufferedBody`, that holds
   * instead. Further content passes to the thread as it comes. With 0, no content is buffered. A response up to this size is taken from
   * its thread at once, however slowly its client reads. Up to 16 MiB. Default 64 KiB.
   */
  readonly threadBuffer?: number | undefined;
  /**
   * How many threads may run requests whose content is still coming, because it is longer than what is buffered. Further such requests
   * wait until one of these has all its content. Up to `queue` of them wait; others get a 503. Requests whose content is there do not
   * wait behind them. From 1 to `threads.max`. Default: half of `threads.max`, at least 1.
   */
  readonly streamingThreads?: number | undefined;
  /** How many lost threads may be replaced in a second; Infinity for no limit. Default 10. */
  readonly replacementRate?: number | undefined;
  /**
   * How many threads may be stuck. A thread is stuck if it goes on after it was ended, such as one that computes without end on Deno; it
   * keeps its place among `threads.max`. If more threads are stuck for five seconds, the process ends, so that its supervisor starts it
   * again: with status 70, on Node by SIGKILL. Default: Infinity.
   */
  readonly maxStuckThreads?: number | undefined;
  /** How much memory a thread may take: the option of `worker_threads`. Default: Node's. */
  readonly resourceLimits?: ResourceLimits | undefined;
}

/** The options, checked, with defaults for those that were left out. */
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
  /** How many requests are in shared memory at a time, at most 256. */
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
/** The smallest ring. With a smaller one, a thread that passes much content on would wait and be woken more often. */
const SMALLEST_RING = 512 * 1024;
/** How many requests are in shared memory beyond those that run, so that threads need not wait for the event loop. */
const QUEUED_SLOTS = 64;
/** Bytes of all rings together: offsets in shared memory have 31 bits, and heads are there as well. */
const MAX_RINGS = 1024 * 1024 * 1024;

const DEFAULTS = {
  queue: 1024,
  handlerTimeout: SERVER_DEFAULTS.handlerTimeout,
  startTimeout: SERVER_DEFAULTS.startTimeout,
  threadBuffer: 64 * 1024,
  replacementRate: 10,
  maxStuckThreads: Infinity,
};

const RULES: Readonly<Record<keyof typeof DEFAULTS, NumberRule>> = {
  queue: COUNT,
  handlerTimeout: SERVER_RULES.handlerTimeout,
  startTimeout: SERVER_RULES.startTimeout,
  threadBuffer: { ...BYTES, most: LARGEST_BUFFER },
  replacementRate: { more: true, unit: "threads a second" },
  maxStuckThreads: COUNT,
};

/** Picks the options of ThreadingMixIn from a server's. */
export function threadingOf(options: ThreadingOptions): ThreadingOptions {
  return Object.fromEntries(OPTION_NAMES.filter((name) => name in options).map((name) => [name, options[name]]));
}

/** Checks options, and adds defaults. @throws {TypeError} or {RangeError} for an option that is wrong */
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
  // Buffered content that a ring does not hold waits in memory of the event loop.
  while (ringSize > SMALLEST_RING && 2 * ringSize * (max + QUEUED_SLOTS) > MAX_RINGS) ringSize /= 2;
  return {
    min,
    max,
    ...numbers,
    threadData: options.threadData,
    threadBuffer,
    streamingThreads,
    ringSize,
    slots: max + QUEUED_SLOTS,
    resourceLimits: checkResources(options.resourceLimits),
  };
}

/** @throws {TypeError} for data that cannot be sent to a thread */
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

/** @throws {TypeError} or {RangeError} for values that `worker_threads` would reject, or misunderstand */
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
