/**
 * The interfaces between a protocol and its carrier: a Connection is the protocol of one connection, and its Host moves the bytes. HTTP/1
 * and HTTP/2 are interchangeable behind them, and so are sockets, memory and tests.
 *
 * Everything here is synchronous and free of I/O, as in exchange.ts.
 */
import type { ProtocolError } from "./errors.ts";
import type { ConnectionInfo, Exchange, GoneReason } from "./exchange.ts";

/** What a connection's protocol may ask of its carrier. */
export interface Host {
  /** The client's address, and the protocol that TLS has agreed on. */
  readonly info: ConnectionInfo;
  /** The time in milliseconds, by a clock that never goes back. It may be coarse. */
  readonly now: number;
  /** The value of the Date field (RFC 9110 §6.6.1), for responses that the protocol makes by itself. */
  readonly date: string;
  /** The head of a request is complete: runs its handler. */
  start(exchange: Exchange): void;
  /**
   * There is output, or `wantsRead` or `closing` has changed; may be called from inside any call on the connection. The host may pull
   * before this returns. But if the transport has not taken the last batch whole, the host pulls only after it has, and not from inside
   * this call, since pulling calls `onWritable`.
   * @param now true: output should leave at once; false: at the end of the turn is soon enough
   */
  wake(now: boolean): void;
  /**
   * A response is complete, and no other exchange runs on this connection. The same as `wake(true)`, but the output may wait until the end
   * of the turn, so that the responses of many connections leave together.
   */
  responseComplete(): void;
  /**
   * The client has broken the protocol: it gets an error response, or the connection closes.
   * @param exchange the exchange whose content is wrong, which is told as well; null for a head, and for content that is dropped after a
   *   response
   */
  refused(error: ProtocolError, exchange: Exchange | null): void;
}

/** One connection's protocol: bytes in, exchanges out, bytes out. */
export interface Connection {
  /**
   * Takes the first `length` bytes of an array, which have come from the client. The array must not be detached or resized. It is borrowed:
   * bytes that are needed later are copied before this returns.
   */
  receive(bytes: Uint8Array, length?: number): void;
  /** The client has ended its side (FIN). It may still be waiting for responses. */
  receiveEnd(): void;
  /** The transport is gone: tells every exchange. Nothing else may be called afterwards. May be called from inside `Host.start`. */
  lost(why: GoneReason): void;
  /** Takes the next batch to leave; null if there is none. Its bytes are not changed before they are given to `recycle`. */
  pull(): Uint8Array | null;
  /** The last batch has left, and may be overwritten. Lent bytes need this call, since it returns them; for others it saves an allocation. */
  recycle(batch: Uint8Array): void;
  /** Whether more bytes should be read from the client now (backpressure). True while closing, so that the client's end is noticed. */
  readonly wantsRead: boolean;
  /** When `tick` is to be called, in milliseconds by the host's clock; Infinity for never. */
  readonly deadline: number;
  /**
   * How to close once everything that was pulled has left; null while the connection goes on. "end" closes the server's side and reads on
   * for a while, so that a reset does not overtake the last response (RFC 9112 §9.6). "cut" closes both sides. "reset" closes both so that
   * the client cannot take it for an orderly end.
   */
  readonly closing: "end" | "cut" | "reset" | null;
  /** The deadline has come. Has no effect if it has not. */
  tick(): void;
  /** The server stops: from now on, each response says that it is the last. A protocol that need not know before `shutdown` has no `stop`. */
  stop?(): void;
  /**
   * Lets running exchanges finish, and then closes. Implies `stop`.
   * @param grace how long a client that was not told of the end may take to send another request, in milliseconds; with 0, none is read
   */
  shutdown(grace?: number): void;
}
