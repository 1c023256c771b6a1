/** What all HTTP/1 connections of a server have in common. */
import type { Limits } from "../limits.ts";
import type { ChunkPool } from "../send_buffer.ts";

export interface Http1Settings {
  readonly limits: Limits;
  /** Spare chunks for the output of all connections. */
  readonly pool: ChunkPool;
  /** Whether interim responses (1xx) are sent, besides the 100 (Continue) that a client waits for. */
  readonly sendsInformational: boolean;
  /** The field lines that each final response has besides its own. */
  readonly ownLines: Uint8Array;
}
