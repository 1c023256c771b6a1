/** The members of a server that a handler sees, as `this.server`. */
/// <reference types="node" preserve="true" />
import type { RequestOutcome } from "./request_outcome.ts";

/**
 * The server of a handler: an HTTPServer, or an object of a class that extends it. A handler that needs more members says of
 * which class its server is: `override get server() { return super.server as HTTPServer; }`.
 */
export interface Server {
  /** Where the server listens: `[host, port]`. @source Python's `server_address` */
  readonly serverAddress: readonly [host: string, port: number];
  /** Aborts when the server stops. */
  readonly stopping: AbortSignal;
  /** Stops the server gracefully; does not wait for the handler that calls it. @source Python's `shutdown` */
  shutdown(): Promise<void>;
  /** Stops the server at once. @source Python's `server_close` */
  serverClose(): void;
  /** Logs an error that belongs to no request. `%s` and `%d` are replaced by the arguments, in order. */
  logError(message: string, ...args: unknown[]): void;
  /** As `shutdown`. */
  [Symbol.asyncDispose](): Promise<void>;
  /** Called by the library when a request has ended. */
  requestEnded(outcome: RequestOutcome): void;
}
