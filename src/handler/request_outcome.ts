/** How a request ended: what handler classes and servers are told once its response has left. */
import type { Exchange, GoneReason } from "../protocol/exchange.ts";
import type { Fields } from "../protocol/fields.ts";

/** How a request ended. Sizes are in bytes, times in milliseconds. */
export interface RequestOutcome {
  /** The method, letter for letter. */
  readonly method: string;
  /** The request target as it was sent. */
  readonly path: string;
  /** "HTTP/1.0" or "HTTP/1.1". */
  readonly requestVersion: string;
  /** The header section of the request. */
  readonly headers: Fields;
  /** The client's address and port. */
  readonly clientAddress: readonly [host: string, port: number];
  /** The status of the response; 0 where none was sent. */
  readonly status: number;
  /** Content of the request, as far as it was read for the handler; what was dropped unread does not count. */
  readonly bytesReceived: number;
  /** Content of the response, as far as it is known to have left. */
  readonly bytesSent: number;
  /** From the end of the request's head until its response had left. */
  readonly duration: number;
  /** Why it ended. */
  readonly reason: OutcomeReason;
  /** What the client did wrong, by the names of docs/ERRORS.md, where `reason` is "malformed" or "timeout"; else undefined. */
  readonly code: string | undefined;
  /** What the handler has thrown, or what stopped it; undefined where nothing did. */
  readonly error: unknown;
}

/**
 * Why a request ended. "complete": the whole response has left. "failed": the handler failed when part of its response had left, so
 * the connection was cut. The others are those of `PeerGoneError.reason`; after "malformed" and "timeout" the client has got a
 * response with a status of 400 or more, where `status` says so.
 */
export type OutcomeReason = "complete" | "failed" | Exclude<GoneReason["kind"], "half-closed">;

/** Makes an outcome of an exchange. */
export function outcomeOf(
  exchange: Exchange,
  { duration, reason, code, error }: Pick<RequestOutcome, "duration" | "reason" | "code" | "error">,
): RequestOutcome {
  const { head, connection, status, bytesReceived, bytesSent } = exchange;
  const { method, target: path, version: requestVersion, fields: headers } = head;
  return {
    method,
    path,
    requestVersion,
    headers,
    clientAddress: connection.clientAddress,
    status,
    bytesReceived,
    bytesSent,
    duration,
    reason,
    code,
    error,
  };
}

/** Calls what a user has written for the end of requests, which may be asynchronous. @param onFailure told of what it throws */
export function callSafely(call: () => unknown, onFailure: (error: unknown) => void): void {
  try {
    const result = call();
    if (result instanceof Promise) result.catch(onFailure);
  } catch (error) {
    onFailure(error);
  }
}
