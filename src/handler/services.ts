/** The services that a server gives to its requests and to the base class of handlers. They are internal. */
import type { StartContext } from "../loop/async_context.ts";
import type { Clock } from "../loop/clock.ts";
import type { FlushScheduler } from "../loop/flush_scheduler.ts";
import type { Log } from "../loop/log.ts";
import type { Server } from "./server_interface.ts";

export interface Services {
  readonly server: Server;
  readonly clock: Clock;
  readonly scheduler: FlushScheduler;
  readonly log: Log;
  /** Whether the server's own `requestEnded` is to be called here. */
  readonly reportsEnds: boolean;
  /** Calls a user's `requestEnded`. An error that it throws is logged, and has no other effect. */
  callHook(call: () => unknown): void;
  /** The async context in which requests begin, and in which everything is called that belongs to no request. */
  readonly context: StartContext;
  /** The server, for a handler that reads `this.server`. If a call of `shutdown` follows at once, it counts as this handler's. */
  serverReadBy(caller: ShutdownCaller): Server;
}

/** A handler that may call its server's `shutdown`, which then does not wait for that handler. */
export interface ShutdownCaller {
  /** Whether the handler has settled. */
  readonly settled: boolean;
}
