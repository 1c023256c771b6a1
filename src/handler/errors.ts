/** Errors that handlers throw, or meet. */
import type { GoneReason } from "../protocol/exchange.ts";
import { quote } from "../quote_value.ts";
import { reasonOf } from "../protocol/status.ts";
import { isInstance, mark } from "../runtime/library_copies.ts";
import { type HeaderFields, keepFields } from "./header_fields.ts";

/** What an HTTPError carries beside its status and message. */
export interface HTTPErrorOptions {
  /** Fields for the response, such as `{ "Retry-After": "120" }`. */
  readonly headers?: HeaderFields | undefined;
  /** What happened here, for the person who reads the response. */
  readonly detail?: string | undefined;
  /** More members of the problem document (RFC 9457 §3), such as `type`, `instance` or `errors`. */
  readonly problem?: Readonly<Record<string, unknown>> | undefined;
  /** What led to it; logged with it, never sent. */
  readonly cause?: unknown;
}

/**
 * Thrown from anywhere under a handler, becomes the response.
 * @example throw new HTTPError(422, { detail: "val_a is not a number" })
 */
export class HTTPError extends Error {
  /** The status code, 400 to 599. */
  readonly status: number;
  /** Fields for the response. */
  readonly headers: HeaderFields;
  /** What happened here, for the person who reads the response; undefined when that was not said. */
  readonly detail: string | undefined;
  /** More members of the problem document (RFC 9457 §3). */
  readonly problem: Readonly<Record<string, unknown>>;

  /**
   * @param status the status code, 400 to 599
   * @param message the title of the error; its reason phrase when left out, and then the options may stand in its place
   * @throws {RangeError} for a status that is no error's; {TypeError} for a message that is no string, and for headers that are none
   */
  constructor(status: number, message?: string, options?: HTTPErrorOptions);
  constructor(status: number, options: HTTPErrorOptions);
  constructor(status: number, second?: string | HTTPErrorOptions, third: HTTPErrorOptions = {}) {
    const isMessage = typeof second !== "object" || second === null;
    const message = isMessage ? second : undefined;
    const options = isMessage ? third : second;
    if (message !== undefined && typeof message !== "string")
      throw new TypeError(`an HTTPError has a string as its message, not ${quote(message)}`);
    super(
      message ?? (reasonOf(status) || `Error ${status}`),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new RangeError(`an HTTPError has a number from 400 to 599 as its status, not ${quote(status)}`);
    }
    this.name = "HTTPError";
    this.status = status;
    this.headers = options.headers === undefined ? {} : keepFields(options.headers);
    this.detail = options.detail;
    this.problem = options.problem ?? {};
  }

  static {
    mark(this, "HTTPError");
  }

  /** @internal */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isInstance(this, HTTPError, "HTTPError", value);
  }
}

/** Why a handler is told that its peer is not there any more: as the protocol has it, or that nobody wants its content. */
export type PeerGoneReason = GoneReason | { readonly kind: "head-only"; readonly error?: undefined };

/**
 * The peer is not there any more: it closed, was too slow, or broke the protocol. Reads of content that will never come, and writes
 * that nobody will receive, reject with it, and it is the reason that `signal` aborts with. Not a fault of the handler's: thrown on,
 * it is not logged.
 */
export class PeerGoneError extends Error {
  /**
   * "half-closed": the peer sends nothing more, but its response still reaches it. "closed": the connection is gone. "cancelled":
   * this request is not wanted any more. "malformed", "timeout": it broke the protocol, or was too slow, and was told.
   * "shutdown": this server closed the connection. "head-only": the peer is there, but the response has no content, as that to a
   * HEAD, and the handler went on writing some.
   */
  readonly reason: PeerGoneReason["kind"];
  /** What it did wrong, where `reason` is "malformed" or "timeout", by the names of docs/ERRORS.md: "BODY_TOO_LARGE" … */
  readonly code: string | undefined;

  /** @param why what the protocol says of it */
  constructor(why: PeerGoneReason) {
    super(MESSAGES[why.kind] + (why.error === undefined ? "" : `: ${why.error.message}`));
    this.name = "PeerGoneError";
    this.reason = why.kind;
    this.code = why.error?.code;
  }

  static {
    mark(this, "PeerGoneError");
  }

  /** @internal */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isInstance(this, PeerGoneError, "PeerGoneError", value);
  }
}

const MESSAGES: Record<PeerGoneReason["kind"], string> = {
  "half-closed": "the peer has ended its side of the connection",
  closed: "the peer has closed the connection",
  cancelled: "the peer has cancelled the request",
  malformed: "the peer sent what is refused",
  timeout: "the peer was too slow",
  shutdown: "this server has closed the connection",
  "head-only": "the response has no content, and its head is complete",
};
