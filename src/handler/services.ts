/** What a server has for the requests that it runs, and for their handlers' own class; not for users. */
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
  readonly watched: boolean;
  /** Calls what a user has written for the end of requests: what it throws is logged, and harms nobody. */
  told(call: () => unknown): void;
  /** Where requests begin, and where everything is called that belongs to no request. */
  readonly context: StartContext;
  /** The server, for a handler that reads `this.server`: if the next thing is a call of `shutdown`, it is the handler's. */
  serverFor(caller: ShutdownCaller): Server;
}

/** A handler that may ask its server to shut down, and is not waited for then. */
export interface ShutdownCaller {
  /** Whether it has come to its end. */
  readonly settled: boolean;
}
