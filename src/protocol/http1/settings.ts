/** The settings of HTTP/1. */
import type { Limits } from "../limits.ts";
import type { ChunkPool } from "../send_buffer.ts";

/** What all HTTP/1 connections of a server have in common. */
export interface Http1Settings {
  /** What a client may send, and how long it may take. */
  readonly limits: Limits;
  /** Spare chunks for the output of all connections. */
  readonly pool: ChunkPool;
  /** Whether interim responses (1xx) are sent, besides the 100 (Continue) that a client waits for. */
  readonly sendsInformational: boolean;
  /** The field lines that final responses have besides their own. */
  readonly ownLines: readonly OwnLine[];
}

/** A field line that each final response has, unless it has a field of that name itself. */
export interface OwnLine {
  /** The name of the field, in lower case. */
  readonly name: string;
  /** The line, with its CR LF. */
  readonly bytes: Uint8Array;
}
