/** The limits of the protocol layer for what a client may send and how long it may take, with their defaults. */
import { BYTE_RATE, BYTES, checkNumbers, COUNT, type NumberRule, SOME_TIME, TIME } from "../option_checks.ts";

/**
 * The limits for the content of one request. A handler class can have its own value of each. Sizes are in bytes, times in milliseconds.
 */
export interface BodyLimits {
  /** The most content that a request may have, without the framing of chunks (413). Default 16 MiB. */
  readonly maxBodySize: number;
  /**
   * The least rate at which content must arrive while the server waits for it (408), in bytes per second. `bodyTimeout` is how far it may
   * fall behind. Default 500.
   */
  readonly minBodyRate: number;
  /** How long the server waits for content in all, besides the time that `minBodyRate` grants for what has arrived (408). Default 20 s. */
  readonly bodyTimeout: number;
}

/** All limits. Sizes are in bytes, times in milliseconds. A number in parentheses is the status of the response when a limit is exceeded. */
export interface Limits extends BodyLimits {
  /** The size of the request target (414). RFC 9112 §3 recommends at least 8,000. Default 8 KiB. */
  readonly maxTargetSize: number;
  /** The size of request line and header section together, with empty lines before them (431). Default 32 KiB. */
  readonly maxHeadSize: number;
  /** The number of header fields (431). Default 100. */
  readonly maxFields: number;
  /** The size of all chunk extensions of one request together (413). Default 16 KiB. */
  readonly maxChunkExtensionSize: number;
  /** The size of the trailer section (431). Default 8 KiB. */
  readonly maxTrailerSize: number;
  /** The number of trailer fields (431). Default 32. */
  readonly maxTrailers: number;
  /** The time from the opening of a connection, or the first byte of a later request, to the end of the head (408). Default 20 s. */
  readonly headTimeout: number;
  /** How long a connection that had a request may be idle. Default 75 s. */
  readonly keepAliveTimeout: number;
  /**
   * Content that a handler leaves unread is dropped, so that the connection can take another request, if at most this much is left of its
   * Content-Length. If more is left, the response says `Connection: close`. Content in chunks, whose length is not known, is always
   * dropped to its end. Default 64 KiB.
   */
  readonly maxDrainSize: number;
  /** How long a head that has begun to arrive, or content that nobody reads, may take once the server shuts down. Default 2 s. */
  readonly drainTimeout: number;
}

/** The defaults of every limit. */
export const DEFAULT_LIMITS: Limits = Object.freeze({
  maxTargetSize: 8 * 1024,
  maxHeadSize: 32 * 1024,
  maxFields: 100,
  maxBodySize: 16 * 1024 * 1024,
  maxChunkExtensionSize: 16 * 1024,
  maxTrailerSize: 8 * 1024,
  maxTrailers: 32,
  headTimeout: 20_000,
  keepAliveTimeout: 75_000,
  minBodyRate: 500,
  bodyTimeout: 20_000,
  maxDrainSize: 64 * 1024,
  drainTimeout: 2_000,
});

/** The values that each limit may have. */
export const LIMIT_RULES: Readonly<Record<keyof Limits, NumberRule>> = {
  maxTargetSize: BYTES,
  maxHeadSize: BYTES,
  maxFields: COUNT,
  maxBodySize: BYTES,
  maxChunkExtensionSize: BYTES,
  maxTrailerSize: BYTES,
  maxTrailers: COUNT,
  headTimeout: SOME_TIME,
  keepAliveTimeout: TIME,
  minBodyRate: BYTE_RATE,
  bodyTimeout: TIME,
  maxDrainSize: BYTES,
  drainTimeout: TIME,
};

/**
 * The limits that `options` has, and the defaults of the others. Members that are undefined, or are no limits, are ignored.
 * @throws {TypeError} for a limit that is not a number; {RangeError} for a number that the limit must not be
 */
export function limitsFrom(options: Partial<Record<keyof Limits, number | undefined>>): Limits {
  return checkNumbers<keyof Limits>(options, LIMIT_RULES, { ...DEFAULT_LIMITS });
}
