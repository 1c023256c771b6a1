/** How a request ended, as it is reported to handlers and servers when the response has left. */
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
  /** Bytes of the request's content that were read for the handler. Content that was dropped unread does not count. */
  readonly bytesReceived: number;
  /** Bytes of the response's content that are known to have left. */
  readonly bytesSent: number;
  /** Milliseconds from the end of the request's head until the response had left. */
  readonly duration: number;
  /** Why the request ended. */
  readonly reason: OutcomeReason;
  /** The client's fault where `reason` is "malformed" or "timeout", by its name in docs/ERRORS.md; else undefined. */
  readonly code: string | undefined;
  /** The value that the handler has thrown, or the error that stopped the handler; else undefined. */
  readonly error: unknown;
}

/**
 * Why a request ended. "complete": the whole response has left. "failed": the handler failed after part of its response had left, so
 * the connection was cut. The other reasons are those of `PeerGoneError.reason`. After "malformed" and "timeout", a `status` of 400 or
 * more is that of the error response.
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

/** Calls a user's function, which may be asynchronous. @param onFailure called with the error that it throws */
export function callSafely(call: () => unknown, onFailure: (error: unknown) => void): void {
  try {
    const result = call();
    if (result instanceof Promise) result.catch(onFailure);
  } catch (error) {
    onFailure(error);
  }
}
