/** What a server has for those who run its handlers, and for the handlers' own class; not for users. */
import type { Clock } from "./clock.ts";
import type { Dispatcher } from "./dispatch.ts";
import type { Log } from "./log.ts";
import type { HTTPServer } from "./server.ts";
import type { Transaction } from "./transaction.ts";
import type { Turn } from "./turn.ts";

export interface Services {
  readonly server: HTTPServer;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Log;
  /** The server, for a handler that reads `this.server`: if the next thing is a call of `shutdown`, it is the handler's. */
  serverFor(transaction: Transaction): HTTPServer;
  /** Whose code runs, up to its first await; null when it has come back. A `shutdown` meanwhile is called by it. */
  handling(transaction: Transaction | null): void;
}
