/** How much and how long a peer may take. Every limit of the protocol layer, and its default. */
import { BYTE_RATE, BYTES, checkNumbers, COUNT, type NumberRule, SOME_TIME, TIME } from "../option_checks.ts";

/**
 * What the content of one request may take. A handler class can have its own of each.
 * Sizes in bytes, times in milliseconds.
 */
export interface BodyLimits {
  /** Content, after the removal of chunks (413). Default 16 MiB. */
  readonly maxBodySize: number;
  /**
   * Content that is waited for must arrive at this rate (408), in bytes per second; `bodyTimeout` is how far it may fall behind.
   * Default 500.
   */
  readonly minBodyRate: number;
  /** How long content may be waited for in all, less the time that `minBodyRate` grants what arrived (408). Default 20 s. */
  readonly bodyTimeout: number;
}

/** Sizes in bytes, times in milliseconds. */
export interface Limits extends BodyLimits {
  /** The request target (414). RFC 9112 §3 asks for 8,000 at least. Default 8 KiB. */
  readonly maxTargetSize: number;
  /** Request line and header section together, with empty lines before them (431). Default 32 KiB. */
  readonly maxHeadSize: number;
  /** Header fields (431). Default 100. */
  readonly maxFields: number;
  /** All chunk extensions of one request together (413). Default 16 KiB. */
  readonly maxChunkExtensionSize: number;
  /** The trailer section (431). Default 8 KiB. */
  readonly maxTrailerSize: number;
  /** Trailer fields (431). Default 32. */
  readonly maxTrailers: number;
  /** From the opening of a connection, or the first byte of a later request, to the end of the head (408). Default 20 s. */
  readonly headTimeout: number;
  /** Without any request on a connection that had one. Default 75 s. */
  readonly keepAliveTimeout: number;
  /**
   * Content that no handler read is read and dropped, so that the connection can be kept, where no more than this is left of its
   * Content-Length. With more, the response says `Connection: close`. Content in chunks, whose length nobody knows, is dropped to
   * its end. Default 64 KiB.
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

/** What each limit may be. */
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
 * The defaults, with what `options` names in their place. What is undefined, or no limit, is left alone.
 * @throws {TypeError} for what is no number; {RangeError} for one that the limit may not be
 */
export function limitsFrom(options: Partial<Record<keyof Limits, number | undefined>>): Limits {
  return checkNumbers<keyof Limits>(options, LIMIT_RULES, { ...DEFAULT_LIMITS });
}
