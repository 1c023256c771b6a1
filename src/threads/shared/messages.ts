/** The messages between the event loop and its threads. They are rare or large: all else goes through shared memory. */
import type { BodyLimits } from "../../protocol/limits.ts";
import type { Program } from "../../program/program_description.ts";
import type { ServerCall, ServerCallEnd } from "../../program/server_calls.ts";
import type { ReadyMessage } from "../../program/supervised_thread.ts";
import type { ExecutorServices } from "../../handler/loop_executor.ts";
import type { UnsentRecord } from "./rings.ts";
import type { Layout } from "./pool_memory.ts";
import type { Settings, ThreadingOptions } from "./threading_options.ts";

/** The `workerData` of a handler thread. */
export interface ThreadStart {
  readonly layout: Layout;
  readonly buffer: SharedArrayBuffer;
  /** The index of the thread, from 0 on. */
  readonly index: number;
  readonly program: Program;
  /** How long the thread may take to find its handlers, in milliseconds. */
  readonly startTimeout: number;
  /** Whether the thread finds out which request has caused an uncaught error, even where that costs time: see uncaught_errors.ts. */
  readonly isTracked: boolean;
  /** The server logs nothing. */
  readonly silent: boolean;
  readonly threadData: unknown;
  /** The server speaks HTTPS. */
  readonly isSecure: boolean;
  /** Options for a server that the thread constructs itself. */
  readonly options: ThreadingOptions & BodyLimits;
}

/** A message to a thread. Besides these, 0 says that there is news in shared memory. */
export type ToThread =
  /** The server stops. */
  | { readonly stopping: true }
  /** A shutdown that the thread has asked for is complete: its number. */
  | { readonly down: number }
  | ServerCallEnd
  /** The thread is to end. */
  | { readonly exit: true };

/** A thread is ready to take requests. */
export interface ThreadReady extends ReadyMessage {
  /** Whether the thread has no router of its own, and so needs routes with its requests. */
  readonly needsRoutes: boolean;
}

/** A message from a thread, besides those on how its start went. */
export type FromThread =
  /** There is news in shared memory. */
  | 0
  /** The last records of a response, which the ring had no room for, and the ticket of the request. */
  | { readonly unsent: readonly UnsentRecord[]; readonly ticket: number }
  /** The thread ends by an error of the request that it runs: the request's ticket. */
  | { readonly fault: number }
  /** A line of the log that belongs to no request, or that must not wait behind the content of a response. */
  | { readonly log: string }
  | ServerCall
  /**
   * The thread asks for a shutdown of the server: its number among those that the thread has asked for; whether to call `serverClose`
   * and not `shutdown`; and the ticket of the request whose handler asks, 0 for none.
   */
  | { readonly shutdown: number; readonly atOnce: boolean; readonly ticket: number };

/** The part of a ThreadStart that is the same for all threads of a server. */
export type ThreadsStart = Omit<ThreadStart, "index" | "layout" | "buffer" | "isTracked">;

/** Makes the part of a ThreadStart that is the same for all threads. @param options the server's options that are ThreadingMixIn's */
export function startFor(
  program: Program,
  { log, limits, tls }: ExecutorServices,
  { startTimeout }: Settings,
  { threadData, ...view }: ThreadingOptions,
): ThreadsStart {
  const { maxBodySize, minBodyRate, bodyTimeout } = limits;
  const options = { ...view, maxBodySize, minBodyRate, bodyTimeout };
  return { program, startTimeout, silent: log.silent, threadData, isSecure: tls !== null, options };
}
