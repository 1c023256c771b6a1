/** Errors that handlers throw, or meet. */
import type { GoneReason } from "../protocol/exchange.ts";
import { reasonOf } from "../protocol/status.ts";

/** What an HTTPError carries beside its status and message. */
export interface HTTPErrorOptions {
  /** Fields for the answer, such as `{ "Retry-After": "120" }`. */
  readonly headers?: Readonly<Record<string, string | number>> | undefined;
  /** What happened here, for the person who reads the answer. */
  readonly detail?: string | undefined;
  /** More members of the problem document (RFC 9457 §3), such as `type`, `instance` or `errors`. */
  readonly problem?: Readonly<Record<string, unknown>> | undefined;
  /** What led to it; logged with it, never sent. */
  readonly cause?: unknown;
}

/**
 * Thrown from anywhere under a handler, becomes the answer.
 * @example throw new HTTPError(422, "Unprocessable Content", { detail: "val_a is not a number" })
 */
export class HTTPError extends Error {
  /** The status code, 400 to 599. */
  readonly status: number;
  /** Fields for the answer. */
  readonly headers: Readonly<Record<string, string | number>>;
  /** What happened here, for the person who reads the answer; undefined when that was not said. */
  readonly detail: string | undefined;
  /** More members of the problem document (RFC 9457 §3). */
  readonly problem: Readonly<Record<string, unknown>>;

  /**
   * @param status the status code, 400 to 599
   * @param message the title of the error; its reason phrase when left out
   * @throws {RangeError} for a status that is no error's
   */
  constructor(status: number, message?: string, options: HTTPErrorOptions = {}) {
    super(
      message ?? (reasonOf(status) || `Error ${status}`),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new RangeError(`an HTTPError has a status from 400 to 599: ${status}`);
    }
    this.name = "HTTPError";
    this.status = status;
    this.headers = options.headers ?? {};
    this.detail = options.detail;
    this.problem = options.problem ?? {};
  }
}

/**
 * The peer is not there any more: it closed, was too slow, or broke the protocol. Reads of content that will never come reject
 * with it, and it is the reason that `signal` aborts with. Not a fault of the handler's: thrown on, it is not logged.
 */
export class PeerGoneError extends Error {
  /**
   * "half-closed": the peer sends nothing more, but its answer still reaches it. "closed": the connection is gone. "cancelled": this
   * request is not wanted any more. "malformed", "timeout": it broke the protocol, or was too slow, and was told. "shutdown": this server closed the connection.
   */
  readonly reason: GoneReason["kind"];

  /** @param why what the protocol says of it */
  constructor(why: GoneReason) {
    super(MESSAGES[why.kind] + (why.error === undefined ? "" : `: ${why.error.message}`));
    this.name = "PeerGoneError";
    this.reason = why.kind;
  }
}

const MESSAGES: Record<GoneReason["kind"], string> = {
  "half-closed": "the peer has ended its side of the connection",
  closed: "the peer has closed the connection",
  cancelled: "the peer has cancelled the request",
  malformed: "the peer sent a malformed request",
  timeout: "the peer was too slow",
  shutdown: "this server has closed the connection",
};
