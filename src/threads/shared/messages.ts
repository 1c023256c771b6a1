/** What is said in messages, because it is rare or large; the rest goes through shared memory. */
import type { BodyLimits } from "../../protocol/limits.ts";
import type { Program } from "../../program/program_description.ts";
import type { ReadyMessage } from "../../program/supervised_worker.ts";
import type { ExecutorServices } from "../../handler/loop_executor.ts";
import type { Rest } from "./rings.ts";
import type { Layout } from "./memory.ts";
import type { Settings, ThreadingOptions } from "./threading_options.ts";

/** What a thread begins with. */
export interface ThreadStart {
  readonly layout: Layout;
  readonly buffer: SharedArrayBuffer;
  /** Which of the threads it is. */
  readonly index: number;
  readonly program: Program;
  /** How long it may take to find its handlers, in milliseconds. */
  readonly startTimeout: number;
  /** Whether the thread finds out which request an error is of that nobody catches, also where that costs time: see uncaught_errors.ts. */
  readonly isTracked: boolean;
  /** Nobody would see a line of the log. */
  readonly silent: boolean;
  readonly threadData: unknown;
  /** For a server that the thread constructs itself. */
  readonly options: ThreadingOptions & BodyLimits;
}

/** To a thread: the server stops; a shutdown that was asked for is over; end. 0 says that there is something in shared memory. */
export type ToThread = { readonly stopping: true } | { readonly down: number } | { readonly exit: true };

/** From a thread that takes requests. */
export interface ThreadReady extends ReadyMessage {
  /** It has no router of its own. */
  readonly needsRoutes: boolean;
}

/** From a thread, besides how its start went. */
export type FromThread =
  /** Look at shared memory. */
  | 0
  /** What was written of a response and did not fit. */
  | { readonly rest: readonly Rest[]; readonly ticket: number }
  /** It ends by an error of the request that it runs, given by its ticket, and of no other. */
  | { readonly own: number }
  /** A line of the log: of no request, or behind content of one. */
  | { readonly log: string }
  /** Shut the server down: its number among such wishes, and the request that asks for it, 0 for none. */
  | { readonly shutdown: number; readonly atOnce: boolean; readonly ticket: number };

/** What all threads of a server begin with. */
export type ThreadsStart = Omit<ThreadStart, "index" | "layout" | "buffer" | "isTracked">;

/** @param options those of the server that are ThreadingMixIn's */
export function startFor(
  program: Program,
  { log, limits }: ExecutorServices,
  { startTimeout }: Settings,
  { threadData, ...view }: ThreadingOptions,
): ThreadsStart {
  const { maxBodySize, minBodyRate, bodyTimeout } = limits;
  const options = { ...view, maxBodySize, minBodyRate, bodyTimeout };
  return { program, startTimeout, silent: log.silent, threadData, options };
}
