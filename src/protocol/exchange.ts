/**
 * The seam between protocols and handlers: everything on one side of this file may be exchanged without the other
 * noticing. A protocol (http1/, later http2/) makes one Exchange a request; an Executor runs a handler on it, on the event
 * loop, in a thread or on another machine. docs/ARCHITECTURE.md says why it has this shape. The seam between protocols and what
 * carries them is connection.ts.
 *
 * Everything here is synchronous and free of I/O: what can happen later is told through a Sink, never awaited.
 */
import type { ProtocolError } from "./errors.ts";
import type { FieldList, Fields } from "./fields.ts";
import type { BodyLimits } from "./limits.ts";

/** What a request says before its content (RFC 9110 §6.2). Owns what it shows: valid for as long as anyone keeps it. */
export interface RequestHead {
  /** The method token, letter for letter: methods are case-sensitive (RFC 9110 §9.1). */
  readonly method: string;
  /** The request target as it was sent (RFC 9112 §3.2), one character a byte. */
  readonly target: string;
  /** Who was asked: the authority of the target where it has one, else the Host field; null where both are empty (RFC 9110 §7.1). */
  readonly authority: string | null;
  /** "HTTP/1.0", "HTTP/1.1", "HTTP/2". */
  readonly version: string;
  /** The header section. */
  readonly fields: Fields;
}

/** What is known of the connection that a request comes by, before its first byte. */
export interface ConnectionInfo {
  /** The client's address and port. */
  readonly clientAddress: Peer;
  /** The protocol that TLS has agreed on (ALPN, RFC 7301), such as "http/1.1"; null where it was not asked, or without TLS. */
  readonly alpn: string | null;
}

/**
 * A peer's address and port; ["", 0] where none is known: behind a Unix socket, and of a client that was gone when it was accepted.
 * IPv4 addresses are not mapped to IPv6.
 */
export type Peer = readonly [host: string, port: number];

/** One request and its response. Made by a protocol, used by exactly one executor. */
export interface Exchange {
  /** The request, but for its content. */
  readonly head: RequestHead;
  /** The connection that the request came by. */
  readonly connection: ConnectionInfo;
  /** When the head was complete, in milliseconds by `performance.now`; undefined where that was just now. */
  readonly began?: number | undefined;
  /** Bytes of content: 0 none, > 0 counted beforehand, -1 not known. */
  readonly bodyLength: number;
  /** The peer sends its content only when it is told to, which `demand` does (100 Continue, RFC 9110 §10.1.1). */
  readonly waitsForContinue: boolean;
  /** The trailer section, once `readInto` has returned -1 and where there was one (RFC 9110 §6.5). */
  readonly trailers: Fields | undefined;
  /** The status of the final response, as far as it was given and not taken back; 0 while there is none. */
  readonly status: number;
  /** Bytes of content that `readInto` has given. */
  readonly bytesReceived: number;
  /** Bytes of content that were given to be sent; without those that can no longer leave, once that is known. */
  readonly bytesSent: number;
  /** Who is told when something happens. Set by the executor in `start`, before it returns. */
  sink: Sink;

  /** Sets limits of its own for the content of this request. Comes before any of it is read, if at all. */
  limitBody(limits: BodyLimits): void;
  /** Somebody wants the content: sends 100 Continue where it was asked for and is still owed, opens the window. */
  demand(): void;
  /**
   * Copies at most `max` (> 0) bytes of content to `to`, from index `at` on. Only reading gives the peer credit to send more.
   * @returns the number of bytes; 0 when there are none yet (`sink.onReadable` follows, or `onGone`); -1 at the end
   */
  readInto(to: Uint8Array, at: number, max: number): number;

  /**
   * Somebody wants to hear of the peer's going (`sink.onGone`) though nobody reads. It is heard of as long as less than 64 KiB of what
   * the peer has sent lie unread; without this call it may be less.
   */
  watch?(): void;

  // Lists of fields may be used again on return.

  /**
   * Sends an interim response, 100 to 199 but 101 (RFC 9110 §15.2), at once and in a write of its own. It is dropped where the peer
   * cannot take one (HTTP/1.0), or shall get none; but the 100 that a peer waits for is always sent.
   */
  inform(status: number, fields: FieldList): void;
  /**
   * Sends the head of the response. Framing is the protocol's: `fields` holds no Content-Length and no Transfer-Encoding. A version
   * that has no connection-specific fields (Upgrade …) drops them.
   * @param status 200 to 599
   * @param reason the reason phrase; versions that have none drop it
   * @param length bytes of content that will follow, -1 when not known yet. With HEAD, and with 304, the length the
   *   content would have had
   */
  respond(status: number, reason: string, fields: FieldList, length: number): void;
  /**
   * Sends content, all of it; the bytes may be reused on return. Where the response has no content (HEAD, 204, 205, 304), and after
   * the peer has gone, they are dropped without a word: whoever writes for a handler tells it (`ResponseBody.write`).
   * @returns false when enough is waiting to leave: hold on until `sink.onWritable`
   * @throws {Error} before `respond`, after `end`, or past the length announced: mistakes of the caller's
   */
  write(bytes: Uint8Array): boolean;
  /**
   * As `write`, of much content that need not be copied. Not every exchange has it.
   * @returns true: the bytes may be reused; false: they must stay as they are until `lender.returned`, and hold on as behind `write`;
   *   null: nothing was done, `write` them
   */
  lend?(bytes: Uint8Array, lender: Lender): boolean | null;
  /** Ends the response. @throws {Error} before `respond`, twice, or short of the length announced */
  end(trailers?: FieldList): void;
  /** Asks that what was given so far leaves now, not at the end of the turn. */
  flush(): void;
  /**
   * Takes the response back, head and all, if no byte of it has left.
   * @returns false when it is too late, or the protocol cannot
   */
  retract(): boolean;
  /** This connection takes no request after this one (Connection: close, GOAWAY). */
  closeConnection(): void;
  /** Gives up so that the peer can tell: HTTP/1 cuts the connection, HTTP/2 resets the stream. The response has ended then. */
  abort(): void;
  /**
   * The handler has settled and will not touch the exchange again: only now is the slot free and the next request
   * dispatched, maybe before this returns. A response that was not ended is aborted. The sink hears nothing any more.
   * @param watcher who is told, once, when the response has left
   */
  release(watcher?: ResponseWatcher | null): void;
  /**
   * Blocks until content, room or news of the peer has come, and tells the sink of it. Only exchanges have it that are handled in
   * a thread of their own; nowhere else may a handler block.
   */
  block?(): void;
  /** Tells the sink of what has come meanwhile, as `block`, without waiting for anything. */
  poll?(): void;
}

/**
 * What an executor hears of an exchange. Calls come one at a time, never from inside a call on the same exchange but
 * `readInto`, which may say `onGone`. Any call on the exchange may be made from inside them, `release` included.
 */
export interface Sink {
  /** `readInto` may have something new to say: bytes, the end. Comes at most once after each 0 that `readInto` returned. */
  onReadable(): void;
  /** There is room again after `write` returned false. */
  onWritable(): void;
  /**
   * The peer has gone, or was sent away. After any reason nothing more can be read but, after "half-closed", what is there. Where
   * the peer can still get a response ("half-closed", and a reason with `canRespond`), writing goes on as before and `onWritable`
   * still comes; after the others what is written is dropped, and an `onReadable` or `onWritable` that was still to come does not.
   * May come again, with a reason after which there is no response.
   */
  onGone(why: GoneReason): void;
}

/** The sink of an exchange that nobody has taken charge of, or that was released. */
export const NO_SINK: Sink = Object.freeze({ onReadable() {}, onWritable() {}, onGone() {} });

/** Who is told when the response of a released exchange has left. */
export interface ResponseWatcher {
  /**
   * Comes once, maybe before `release` returns.
   * @param whole true: everything was given to the transport; false: the connection ended before
   */
  onSent(whole: boolean): void;
}

/** Who lends bytes to an exchange. */
export interface Lender {
  /** They are needed no more. Comes once, whatever becomes of the exchange: behind `onGone` and `release`, too. */
  returned(): void;
}

/**
 * Why a peer is not there any more; `malformed` and `timeout` carry the protocol error. "cancelled" is for
 * protocols in which one request can go and its connection stay.
 */
export interface GoneReason {
  /** What happened. */
  readonly kind: "half-closed" | "closed" | "cancelled" | "malformed" | "timeout" | "shutdown";
  /** What the peer did wrong; only of "malformed" and "timeout". */
  readonly error?: ProtocolError;
  /** Of "malformed" and "timeout": nothing of a response has left, so `error.status` can be sent. The connection closes behind it. */
  readonly canRespond?: boolean;
}

/** Runs handlers. One a server. */
export interface Executor {
  /** Gets ready, before the server listens. Rejects with what stands in the way; then `close` has no use. */
  open?(): Promise<void>;
  /** Takes charge of an exchange: sets its sink, and some day calls `release`. Must not throw. */
  start(exchange: Exchange): void;
  /** How many exchanges have been started and not released. */
  readonly running: number;
  /** How many threads it may start: file descriptors are left for them. Default 0. */
  readonly mostThreads?: number;
  /** Resolves when no exchange is running any more. */
  drain(): Promise<void>;
  /** Nothing will be started any more, and what still runs is of no interest: lets go of whatever it holds. */
  close(): void | Promise<void>;
}
