/**
 * The seam between protocols and what carries them: a Connection is one connection's protocol, its Host moves the bytes. HTTP/1 and
 * HTTP/2 are interchangeable behind it, and so are sockets, memory and tests.
 *
 * Everything here is synchronous and free of I/O, as in exchange.ts.
 */
import type { ProtocolError } from "./errors.ts";
import type { ConnectionInfo, Exchange, GoneReason } from "./exchange.ts";

/** What a connection may ask of whoever carries it. */
export interface Host {
  /** What is known of the connection. */
  readonly info: ConnectionInfo;
  /** The time in milliseconds, by a clock that never goes back. It may be coarse. */
  readonly now: number;
  /** The Date field's value (RFC 9110 §6.6.1), for responses that the protocol makes by itself. */
  readonly date: string;
  /** A request's head is complete: run it. */
  start(exchange: Exchange): void;
  /**
   * There is output, or `wantsRead` or `closing` changed, in whatever call. The host may pull before this returns; but
   * one that had to leave output behind goes on pulling when that is over, not first in here: `onWritable` comes of it.
   * @param now true: what is ready should leave at once; false: at the end of the turn is soon enough
   */
  wake(now: boolean): void;
  /**
   * A response is complete, and nothing else runs on this connection. As `wake(true)`; but it may wait, for no longer than to the end of
   * the turn, so that the responses of many connections leave together.
   */
  responseComplete(): void;
  /**
   * A peer broke the protocol, and gets an error response for it, or is dropped.
   * @param exchange which it did in; it hears of it, too. Null in a head, or in content that is dropped behind a response
   */
  refused(error: ProtocolError, exchange: Exchange | null): void;
}

/** One connection's protocol: bytes in, exchanges out, bytes out. */
export interface Connection {
  /**
   * Takes bytes from the peer, the first `length` of these, in memory that stays as large as it is. They are borrowed: what is kept is
   * copied before it returns.
   */
  receive(bytes: Uint8Array, length?: number): void;
  /** The peer has ended its side (FIN). It may still be waiting for responses. */
  receiveEnd(): void;
  /** The transport is gone: every exchange is told. Nothing else may be called after it. May come from inside `Host.start`. */
  lost(why: GoneReason): void;
  /** What is ready to leave, in one batch; null when there is nothing. The bytes stay untouched until given to `recycle`. */
  pull(): Uint8Array | null;
  /** The batch pulled last has left and may be overwritten: so bytes that were lent go back. Of others, it saves an allocation. */
  recycle(batch: Uint8Array): void;
  /** Whether more bytes should be read from the peer now: backpressure. True while closing, so that the peer's end is seen. */
  readonly wantsRead: boolean;
  /** When `tick` wants to be called, in milliseconds of the host's clock; Infinity for never. */
  readonly deadline: number;
  /**
   * How to close once everything pulled has left: "end" closes our side and goes on reading for a while, so that a reset does
   * not overtake the last response (RFC 9112 §9.6); "cut" closes both; "reset" so that the peer cannot take it for an orderly end.
   */
  readonly closing: "end" | "cut" | "reset" | null;
  /** The deadline has come (harmless when it has not). */
  tick(): void;
  /** The server stops: from now on, each response says that it is the last. Left out where `shutdown` is soon enough for that. */
  stop?(): void;
  /**
   * Finishes what runs, and closes behind it. Implies `stop`.
   * @param grace how long, in milliseconds, a client that was not told of the end may take to send another request; with 0, none is read
   */
  shutdown(grace?: number): void;
}
