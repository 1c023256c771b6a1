/**
 * The interfaces between protocols and executors: either side can be replaced without the other noticing. A protocol (http1/, later
 * http2/) makes one Exchange for each request. An Executor runs a handler on it, on the event loop, in a thread or on another machine.
 * docs/ARCHITECTURE.md says why the interfaces have this shape. Those between a protocol and its carrier are in connection.ts.
 *
 * Everything here is synchronous and free of I/O: later events are reported by calls on a Sink, and never awaited.
 */
import type { ProtocolError } from "./errors.ts";
import type { FieldList, Fields } from "./fields.ts";
import type { BodyLimits } from "./limits.ts";

/** The part of a request before its content (RFC 9110 §6.2). It owns its data, and stays valid for as long as it is kept. */
export interface RequestHead {
  /** The method token as it was sent: methods are case-sensitive (RFC 9110 §9.1). */
  readonly method: string;
  /** The request target as it was sent (RFC 9112 §3.2), one character a byte. */
  readonly target: string;
  /** The host and port that the request is for (RFC 9110 §7.1): the target's authority, otherwise the Host field; null if both are empty. */
  readonly authority: string | null;
  /** The protocol version: "HTTP/1.0", "HTTP/1.1" or "HTTP/2". */
  readonly version: string;
  /** The header section. */
  readonly fields: Fields;
}

/** The properties of a connection that are known before its first byte. */
export interface ConnectionInfo {
  /** The client's address and port. */
  readonly clientAddress: Peer;
  /** The protocol that was negotiated in TLS (ALPN, RFC 7301), such as "http/1.1"; null if none was, or without TLS. */
  readonly alpn: string | null;
  /** What TLS has found out about the connection; null without TLS. */
  readonly secure: SecureConnection | null;
}

/** What TLS has found out about a connection. */
export interface SecureConnection {
  /** The name of the TLS version, such as "TLSv1.3". */
  readonly version: string;
  /** The server name that the client has asked for (SNI, RFC 6066 §3), in lower case; null if it has asked for none. */
  readonly serverName: string | null;
  /** The client's certificate, as DER, if the server has asked for one, the client has sent it, and it is trusted; otherwise null. */
  readonly clientCertificate: Uint8Array | null;
}

/**
 * A client's address and port. It is ["", 0] if they are not known: on a Unix socket, and for a client that had gone when its connection
 * was accepted. IPv4 addresses are not mapped to IPv6.
 */
export type Peer = readonly [host: string, port: number];

/** One request and its response. Made by a protocol, used by exactly one executor. */
export interface Exchange {
  /** The request without its content. */
  readonly head: RequestHead;
  /** The connection that the request came on. */
  readonly connection: ConnectionInfo;
  /** When the head was complete, in milliseconds by `performance.now`; undefined if that was just now. */
  readonly began?: number | undefined;
  /** The length of the content in bytes: 0 for none; -1 if it is not known. */
  readonly bodyLength: number;
  /** Whether the client waits for 100 (Continue), which `demand` sends, before it sends its content (RFC 9110 §10.1.1). */
  readonly waitsForContinue: boolean;
  /** The trailer section (RFC 9110 §6.5), once `readInto` has returned -1; undefined if there is none. */
  readonly trailers: Fields | undefined;
  /** The status of the final response; 0 before `respond`, after `retract`, and if the client had gone before `respond`. */
  readonly status: number;
  /** How many bytes of content `readInto` has returned. */
  readonly bytesReceived: number;
  /** How many bytes of content were written. Bytes that can no longer leave are subtracted once that is known. */
  readonly bytesSent: number;
  /** Is told of events. The executor sets it in `start`, before that returns. */
  sink: Sink;

  /** Sets other limits for the content of this request. May be called before any content is read. */
  limitBody(limits: BodyLimits): void;
  /** The handler wants the content: sends 100 (Continue) if the client waits for it, or opens the window. */
  demand(): void;
  /**
   * Copies at most `max` (> 0) bytes of content to `to`, from index `at` on. Only reading gives the client credit to send more.
   * @returns the number of bytes; 0 if none have come yet (`sink.onReadable` follows, or `onGone`); -1 at the end
   */
  readInto(to: Uint8Array, at: number, max: number): number;

  /**
   * The handler wants to learn when the client goes (`sink.onGone`), even while it does not read. It learns that while less than 64 KiB of
   * what the client has sent lie unread. Without this call, the bound may be lower.
   */
  watch?(): void;

  // A caller may reuse a FieldList as soon as one of these calls has returned.

  /**
   * Sends an interim response with a status from 100 to 199, but not 101 (RFC 9110 §15.2), at once and in a write of its own. It is
   * dropped if the client cannot take one (HTTP/1.0), or if the server sends none. The 100 that a client waits for is always sent.
   */
  inform(status: number, fields: FieldList): void;
  /**
   * Sends the head of the response. The protocol frames it: `fields` has no Content-Length and no Transfer-Encoding. A protocol version
   * without connection-specific fields (Upgrade …) drops these.
   * @param status from 200 to 599
   * @param reason the reason phrase; protocol versions that have none drop it
   * @param length how many bytes of content follow; -1 if that is not known yet. For HEAD and 304, the length that the content would have
   */
  respond(status: number, reason: string, fields: FieldList, length: number): void;
  /**
   * Sends content, always all of it; the bytes may be reused when this returns. If the response has no content (HEAD, 204, 205, 304), or
   * after the client has gone, they are dropped silently: ResponseBody reports that to the handler.
   * @returns false if enough bytes wait to leave: write no more before `sink.onWritable`
   * @throws {Error} before `respond`, after `end`, or past the length announced: these are mistakes of the caller
   */
  write(bytes: Uint8Array): boolean;
  /**
   * Does the same as `write` for much content, without a copy. Not every exchange has it.
   * @returns true: the bytes have left, and may be reused; false: they must not be changed before `lender.returned`, and write no more
   *   before `sink.onWritable`; null: nothing was done, so call `write`
   */
  lend?(bytes: Uint8Array, lender: Lender): boolean | null;
  /** Ends the response. @throws {Error} before `respond`, twice, or short of the length announced */
  end(trailers?: FieldList): void;
  /** Sends now what was written so far, and not at the end of the turn. */
  flush(): void;
  /**
   * Takes the whole response back, head included, if no byte of it has left.
   * @returns false if it is too late, or the protocol cannot
   */
  retract(): boolean;
  /** Makes the connection take no request after this one (Connection: close, GOAWAY). */
  closeConnection(): void;
  /** Breaks the response off so that the client can tell: HTTP/1 cuts the connection, HTTP/2 resets the stream. The response has ended then. */
  abort(): void;
  /**
   * The handler has settled and will not use the exchange again. Only now can the connection start its next request, maybe before this
   * returns. A response that has not ended is aborted. The sink is called no more.
   * @param watcher is called once, when the response has left
   */
  release(watcher?: ResponseWatcher | null): void;
  /**
   * Blocks until content has come, there is room to write, or the client has gone, and calls the sink. Only exchanges in handler threads
   * have it, since handlers may not block elsewhere.
   */
  block?(): void;
  /** Calls the sink for what has happened meanwhile, like `block`, but does not wait. */
  poll?(): void;
}

/**
 * The calls by which an exchange reports events to its executor. They come one at a time, and never from inside a call on the same
 * exchange, except that `readInto` may call `onGone`. Inside them, any method of the exchange may be called, `release` included.
 */
export interface Sink {
  /** `readInto` can return bytes, or the end. Called at most once after each 0 that `readInto` has returned. */
  onReadable(): void;
  /** There is room again after `write` returned false. */
  onWritable(): void;
  /**
   * The client has gone, or was refused. Nothing more can be read, except, after "half-closed", content that has come already. If the
   * client can still get a response ("half-closed", and a reason with `canRespond`), writing goes on as before, and `onWritable` is still
   * called. After other reasons, all that is written is dropped, and `onReadable` and `onWritable` are called no more. May be called a
   * second time, with a reason after which there is no response.
   */
  onGone(why: GoneReason): void;
}

/** The sink of an exchange before it is started, and after it was released: does nothing. */
export const NO_SINK: Sink = Object.freeze({ onReadable() {}, onWritable() {}, onGone() {} });

/** Is told when the response of a released exchange has left. */
export interface ResponseWatcher {
  /**
   * The response has left, or will not. Called once, maybe before `release` returns.
   * @param whole true: the transport has taken the whole response; false: the connection ended before
   */
  onSent(whole: boolean): void;
}

/** The owner of bytes that are lent to an exchange. */
export interface Lender {
  /** The bytes are not needed any more. Called once in any case, maybe after `onGone` or `release`. */
  returned(): void;
}

/**
 * Why a client has gone. "malformed" and "timeout" come with the protocol error. "cancelled" is for protocols in which a request can end
 * while its connection goes on.
 */
export interface GoneReason {
  /** What happened. */
  readonly kind: "half-closed" | "closed" | "cancelled" | "malformed" | "timeout" | "shutdown";
  /** What the client has done wrong; only for "malformed" and "timeout". */
  readonly error?: ProtocolError;
  /** For "malformed" and "timeout": no response has begun, so `error.status` can be sent. The connection closes after it. */
  readonly canRespond?: boolean;
}

/** Runs handlers. A server has one. */
export interface Executor {
  /** Gets ready, before the server listens. Rejects with an error that says why it cannot; `close` need not be called then. */
  open?(): Promise<void>;
  /** Takes charge of an exchange: sets its sink, and calls `release` in the end. Must not throw. */
  start(exchange: Exchange): void;
  /** How many exchanges have been started and not released. */
  readonly running: number;
  /** How many threads the executor may start: the server leaves file descriptors for them. Default 0. */
  readonly mostThreads?: number;
  /** Resolves when no exchange is running any more. */
  drain(): Promise<void>;
  /** Releases all resources. No exchange will be started any more, and those that still run are not waited for. */
  close(): void | Promise<void>;
}
