/** The errors that handlers throw or catch. */
import type { GoneReason } from "../protocol/exchange.ts";
import { quote } from "../quote_value.ts";
import { reasonOf } from "../protocol/status.ts";
import { isInstance, mark } from "../runtime/library_copies.ts";
import { type HeaderFields, keepFields } from "./header_fields.ts";

/** The options of an HTTPError. */
export interface HTTPErrorOptions {
  /** Fields for the response, such as `{ "Retry-After": "120" }`. */
  readonly headers?: HeaderFields | undefined;
  /** What happened here, for the person who reads the response. */
  readonly detail?: string | undefined;
  /** More members of the problem document (RFC 9457 §3), such as `type`, `instance` or `errors`. */
  readonly problem?: Readonly<Record<string, unknown>> | undefined;
  /** The error that led to this one. It is logged, and never sent. */
  readonly cause?: unknown;
}

/**
 * An error that becomes the response. Throw it from a handler, or from a function that the handler calls.
 * @example throw new HTTPError(422, { detail: "val_a is not a number" })
 */
export class HTTPError extends Error {
  /** The status code, 400 to 599. */
  readonly status: number;
  /** Fields for the response. */
  readonly headers: HeaderFields;
  /** What happened here, for the person who reads the response; undefined where the options do not say. */
  readonly detail: string | undefined;
  /** More members of the problem document (RFC 9457 §3). */
  readonly problem: Readonly<Record<string, unknown>>;

  /**
   * @param status the status code, 400 to 599
   * @param message the title of the error; the reason phrase of the status when left out. The options may then be the second argument
   * @throws {RangeError} for a status outside 400 to 599; {TypeError} for a message that is not a string, and for headers that are not
   *   `HeaderFields`
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

/** The reason of a PeerGoneError: a reason that the protocol reports, or "head-only" for a response that has no content. */
export type PeerGoneReason = GoneReason | { readonly kind: "head-only"; readonly error?: undefined };

/**
 * The client is gone: it closed the connection, was too slow, or broke the protocol. Reads of content that will never come reject with
 * this error, and so do writes that nobody will receive. `signal` aborts with it as its reason. It is no fault of the handler: a handler
 * may leave it uncaught, and it is not logged.
 */
export class PeerGoneError extends Error {
  /**
   * Why the client is gone.
   * - "half-closed": the client sends nothing more, but still receives its response.
   * - "closed": the connection is gone.
   * - "cancelled": the client has cancelled this request.
   * - "malformed", "timeout": the client broke the protocol, or was too slow. It gets an error response if no other has begun to leave.
   * - "shutdown": this server closed the connection.
   * - "head-only": the client is there. The response has no content, such as the response to a HEAD, and the handler went on writing some.
   */
  readonly reason: PeerGoneReason["kind"];
  /** The client's fault where `reason` is "malformed" or "timeout", by its name in docs/ERRORS.md: "BODY_TOO_LARGE" …; else undefined. */
  readonly code: string | undefined;

  /** @param why the reason, as the protocol reports it */
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
  "half-closed": "the client has ended its side of the connection",
  closed: "the client has closed the connection",
  cancelled: "the client has cancelled the request",
  malformed: "the client has broken the protocol",
  timeout: "the client was too slow",
  shutdown: "this server has closed the connection",
  "head-only": "the response has no content, and the handler went on writing some",
};
