/** What a server has for those who run its handlers, and for the handlers' own class; not for users. */
import type { Limits } from "../protocol/limits.ts";
import type { Clock } from "../loop/clock.ts";
import type { StartContext } from "../loop/async_context.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Log } from "../loop/log.ts";
import type { HTTPServer } from "../server/server.ts";
import type { RequestContext } from "./request_context.ts";
import type { FlushScheduler } from "../loop/flush_scheduler.ts";

// Members of a server that other files of this package call or override. They are symbols, because a user's class may well have a
// `makeConnection` of its own, and private names would be known to one file alone.

/** The names of options that a class takes beside those of HTTPServer, and looks at itself. */
export const OWN_OPTIONS: unique symbol = Symbol("ownOptions");
/** Makes what runs the handlers. */
export const MAKE_EXECUTOR: unique symbol = Symbol("makeExecutor");
/** Makes the protocol of a connection. */
export const MAKE_CONNECTION: unique symbol = Symbol("makeConnection");
/** Gives what handlers, and those who run them, have of the server. */
export const MAKE_SERVICES: unique symbol = Symbol("makeServices");

export interface Services {
  readonly server: HTTPServer;
  readonly limits: Limits;
  /** Makes the handler of a transaction and runs its method. @returns a promise, where that is asynchronous */
  readonly dispatcher: Pick<Dispatcher, "dispatch" | "limited" | "limitsFor" | "watched">;
  readonly clock: Clock;
  readonly scheduler: FlushScheduler;
  readonly log: Log;
  /** Whether the server's own `requestEnded` is to be called here. */
  readonly watched: boolean;
  /** Calls what a user has written for the end of requests: what it throws is logged, and harms nobody. */
  told(call: () => unknown): void;
  /** Where requests begin, and where everything is called that belongs to no request. */
  readonly context: StartContext;
  /** As the server's own, in the context of its start: for what belongs to no request. */
  logError(message: string, ...args: unknown[]): void;
  /** Whether there are file descriptors for one more thread. */
  admitsThread(): boolean;
  /** The server, for a handler that reads `this.server`: if the next thing is a call of `shutdown`, it is the handler's. */
  serverFor(request: RequestContext): HTTPServer;
  /** Whose code runs, up to its first await; null when it has come back. A `shutdown` meanwhile is called by it. */
  handling(asker: ShutdownCaller | null): void;
}

/** A handler that may ask its server to shut down, and is not waited for then. */
export interface ShutdownCaller {
  /** Whether it has come to its end. */
  readonly settled: boolean;
}
