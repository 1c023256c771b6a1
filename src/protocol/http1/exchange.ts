/** One HTTP/1 request and its response: frames the response, and decides whether the connection goes on. The connection reads requests. */
import { ResponseState, isHeadOnly, opensTunnel } from "../response_state.ts";
import {
  type ConnectionInfo,
  type Exchange,
  type GoneReason,
  type Lender,
  NO_SINK,
  type ResponseWatcher,
  type Sink,
} from "../exchange.ts";
import { latin1Bytes } from "../bytes.ts";
import type { FieldList, Fields } from "../fields.ts";
import type { Http1Settings } from "./settings.ts";
import { isFieldText } from "../grammar.ts";
import type { BodyLimits } from "../limits.ts";
import type { SendWatcher, SendBuffer } from "../send_buffer.ts";
import { quote } from "../../quote_value.ts";
import { reasonOf } from "../status.ts";
import { type BodyReader, CountedReader } from "./body_reader.ts";
import { fieldLines, linesToAdd, sizeOfLines, writeFields } from "./field_writer.ts";
import type { Http1Head } from "./request_head.ts";

// How the content of the response is framed (RFC 9112 §6.3).
const COUNTED = 0;
const CHUNKED = 1;
const UNTIL_CLOSE = 2;
const NONE = 3;

/** Status lines such as "HTTP/1.1 200 OK" CR LF, by status. The version is the server's, not the request's (RFC 9110 §2.5). */
const statusLines: Uint8Array[] = [];

const CRLF = latin1Bytes("\r\n");
const IN_CHUNKS = latin1Bytes("Transfer-Encoding: chunked\r\n");
const CLOSES = latin1Bytes("Connection: close\r\n");
const KEEPS_ALIVE = latin1Bytes("Connection: keep-alive\r\n");
/** An upper bound for the length of the fields above, of Content-Length and of the empty line. In bytes. */
const MAX_FRAMING = 100;

/**
 * How many bytes are read before the handler wants them. While more lie unread, the server does not learn either that the client has ended
 * its side.
 */
export const LOOK_AHEAD = 16 * 1024;
/** The same for a handler that wants to learn when its client goes. */
const WATCHED_AHEAD = 64 * 1024;

/** What an exchange needs of its connection. */
export interface ExchangeOwner {
  readonly info: ConnectionInfo;
  /** The bytes that wait to leave. */
  readonly output: SendBuffer;
  /** The server stops: each response says that it is the last. */
  readonly stopping: boolean;
  readonly settings: Http1Settings;
  /** How the connection closes; null while it goes on. */
  readonly closing: "end" | "cut" | "reset" | null;
  /** Output, or a state that depends on it, has changed. @param now the parameter of `Host.wake` */
  wake(now: boolean): void;
  /** Content was added to the output. @returns whether it is full */
  wrote(): boolean;
  /** Reads content for the handler. @returns the same as `Exchange.readInto` */
  readBody(exchange: Http1Exchange, to: Uint8Array, at: number, max: number): number;
  /** The handler wants to learn when its client goes, so more is read ahead. */
  peerWatched(): void;
  /** Whether the connection can drop content that the handler leaves unread, and go on. @param continueOwed the client waits for 100 */
  canDrain(body: BodyReader, continueOwed: boolean): boolean;
  /** Ends the connection once the output has left. */
  close(how: "end" | "cut" | "reset"): void;
  /** The handler has settled. */
  released(exchange: Http1Exchange): void;
}

export class Http1Exchange implements Exchange, SendWatcher {
  readonly head: Http1Head;
  sink: Sink = NO_SINK;
  /** `readInto` has returned 0, and nothing has come since. */
  waiting = false;
  /** `write` has returned false, and there has been no room since. */
  full = false;
  gone: GoneReason | null = null;
  /** The handler wants to learn when its client goes. */
  isPeerWatched = false;
  body: BodyReader;
  /** CONNECT got a 2xx: all further bytes are content, in both directions, until the connection ends. */
  tunnel = false;
  /** The connection takes another request after this one. */
  persistent: boolean;
  /** The content is malformed or too slow: no more of it is read. */
  refused = false;
  limits: BodyLimits;
  status = 0;
  bytesReceived = 0;
  bytesSent = 0;
  endsAt = 0;

  /** How many milliseconds the client has left to deliver content, and since when the handler waits for it, by the host's clock. */
  bodyBudget: number;
  waitingSince = 0;

  readonly #owner: ExchangeOwner;
  readonly #response = new ResponseState();
  #framing = NONE;
  /** The position in the connection's output where the response begins. */
  #responseStart = 0;
  #closesConnection = false;
  #hasContinued: boolean;
  #isReleased = false;
  #watcher: ResponseWatcher | null = null;

  constructor(owner: ExchangeOwner, head: Http1Head, body: BodyReader, limits: BodyLimits) {
    this.#owner = owner;
    this.head = head;
    this.body = body;
    this.limits = limits;
    this.bodyBudget = limits.bodyTimeout;
    this.persistent = head.persistent;
    this.#hasContinued = !head.expectsContinue;
  }

  /** How many bytes are read before the handler wants them. */
  get lookAhead(): number {
    return this.isPeerWatched ? WATCHED_AHEAD : LOOK_AHEAD;
  }

  get waitsForContinue(): boolean {
    return !this.#hasContinued && this.body.remaining !== 0;
  }

  get bodyLength(): number {
    return this.head.chunked || this.tunnel ? -1 : Math.max(this.head.contentLength, 0);
  }

  get connection(): ConnectionInfo {
    return this.#owner.info;
  }

  get trailers(): Fields | undefined {
    return this.body.trailers;
  }

  /** How to close so that the client can tell whether it got the whole response. */
  get howToBreakOff(): "end" | "cut" | "reset" {
    if (this.#response.ended) return "end";
    // If the content ends where the connection closes, an orderly close would make it look complete.
    return this.#response.hasBegun && this.#framing === UNTIL_CLOSE ? "reset" : "cut";
  }

  /** Whether the head of the response has been given. */
  get hasBegun(): boolean {
    return this.#response.hasBegun;
  }

  /** Whether the handler has settled. */
  get done(): boolean {
    return this.#isReleased;
  }

  limitBody(limits: BodyLimits): void {
    this.limits = limits;
    this.body.limit(limits.maxBodySize);
    this.bodyBudget = limits.bodyTimeout;
  }

  /** Bytes that arrive earn time, up to `bodyTimeout` in all: a fast start must not pay for a long silence. */
  earn(bytes: number): void {
    const { bodyTimeout, minBodyRate } = this.limits;
    this.bodyBudget = Math.min(bodyTimeout, this.bodyBudget + (bytes * 1000) / minBodyRate);
  }

  demand(): void {
    // "A server MUST NOT send a 100 (Continue) … if it has already sent a final status" (RFC 9110 §10.1.1)
    if (this.#hasContinued || this.#response.hasBegun || this.gone !== null) return;
    this.#hasContinued = true;
    if (this.body.remaining !== 0) this.#sendInterim("HTTP/1.1 100 Continue\r\n\r\n");
  }

  readInto(to: Uint8Array, at: number, max: number): number {
    if (this.gone !== null) return 0;
    return this.#owner.readBody(this, to, at, max);
  }

  watch(): void {
    if (this.isPeerWatched || this.gone !== null) return;
    this.isPeerWatched = true;
    this.#owner.peerWatched();
  }

  inform(status: number, fields: FieldList): void {
    this.#response.checkInterim(status);
    const isAskedFor = status === 100 && this.waitsForContinue;
    if (status === 100) this.#hasContinued = true;
    // HTTP/1.0 has no 1xx: "a server MUST NOT send a 1xx response to an HTTP/1.0 client" (RFC 9110 §15.2)
    if (this.gone !== null || this.head.minor === 0) return;
    if (isAskedFor || this.#owner.settings.sendsInformational)
      this.#sendInterim(`HTTP/1.1 ${status} ${reasonOf(status)}\r\n${fieldLines(fields)}\r\n`);
  }

  /** Sends an interim response in a write of its own: some proxies, such as HAProxy 2.6, lose a response that comes in the same one. */
  #sendInterim(text: string): void {
    this.#owner.output.alone(latin1Bytes(text));
    this.#owner.wake(true);
  }

  respond(status: number, reason: string, fields: FieldList, length: number): void {
    this.#response.checkBegin(status, length);
    const line = statusLine(status, reason);
    const { method } = this.head;
    const connect = opensTunnel(method, status);
    if (connect && this.body.remaining !== 0) {
      throw new Error("cannot open the tunnel: the request has content, which must be read to its end first");
    }
    /** The value of Content-Length; -1 if the field is not sent. */
    let announced = -1;
    if (connect) {
      // "Any 2xx response indicates that the sender … will switch to tunnel mode immediately after" it (RFC 9110 §9.3.6)
      this.#framing = UNTIL_CLOSE;
      this.tunnel = true;
      this.persistent = false;
      this.body = new CountedReader(Infinity);
    } else if (isHeadOnly(method, status)) {
      this.#framing = NONE;
      // "a server MUST NOT generate content in a 205 response" (RFC 9110 §15.3.6)
      if (status === 205) announced = 0;
      else if (status !== 204) announced = length;
    } else if (length >= 0) {
      this.#framing = COUNTED;
      announced = length;
    } else if (this.head.minor === 1) {
      this.#framing = CHUNKED;
    } else {
      this.#framing = UNTIL_CLOSE;
      this.persistent = false;
    }
    this.#response.begin(this.#framing === COUNTED ? length : -1);
    if (this.gone !== null) return;
    this.status = status;

    // The connection must end if the client may or may not send its content now, since it was not told to, or if too much is left to
    // drop. The response has to say so (RFC 9110 §10.1.1, RFC 9112 §9.3, §9.6), although the handler might still read all of it.
    if (this.persistent && !this.#owner.canDrain(this.body, !this.#hasContinued)) this.persistent = false;
    if (this.#owner.stopping) this.persistent = false;

    const output = this.#owner.output;
    const ownLines = linesToAdd(this.#owner.settings.ownLines, fields);
    const ownSize = ownLines.reduce((size, { bytes }) => size + bytes.length, 0);
    output.reserve(line.length + sizeOfLines(fields) + ownSize + MAX_FRAMING); // one contiguous piece can be taken back
    this.#responseStart = output.pulled + output.length;
    output.bytes(line);
    writeFields(fields, output);
    for (const own of ownLines) output.bytes(own.bytes);
    if (announced >= 0) {
      output.bytes(lengthLine(announced));
    } else if (this.#framing === CHUNKED) {
      output.bytes(IN_CHUNKS);
    }
    if (!connect) {
      if (!this.persistent) output.bytes(CLOSES);
      else if (this.head.minor === 0) output.bytes(KEEPS_ALIVE);
    }
    output.bytes(CRLF);
    this.#owner.wake(false);
  }

  write(bytes: Uint8Array): boolean {
    const n = bytes.length;
    this.#response.count(n);
    if (this.#framing === NONE || this.gone !== null) return true;
    if (n === 0) return !this.full;
    this.bytesSent += n;
    const output = this.#owner.output;
    if (this.#framing === CHUNKED) {
      output.text(n.toString(16) + "\r\n");
      output.bytes(bytes);
      output.text("\r\n");
    } else {
      output.bytes(bytes);
    }
    return !(this.full = this.#owner.wrote());
  }

  lend(bytes: Uint8Array, lender: Lender): boolean | null {
    const { output } = this.#owner;
    // After other lent bytes, or inside a chunk, lending would need more writes, which cost more than a copy.
    if (this.#framing !== COUNTED || this.gone !== null || output.lends) return null;
    this.#response.count(bytes.length);
    this.bytesSent += bytes.length;
    output.lend(bytes, lender);
    return !(this.full = this.#owner.wrote());
  }

  end(trailers?: FieldList): void {
    this.#response.finish();
    if (this.gone !== null) return;
    if (this.#framing === CHUNKED) {
      // Without the chunked coding, trailers are dropped, as RFC 9110 §6.5.1 allows.
      this.#owner.output.text(trailers === undefined ? "0\r\n\r\n" : "0\r\n" + fieldLines(trailers) + "\r\n");
    }
    this.#owner.wake(false);
  }

  flush(): void {
    if (this.gone === null) this.#owner.wake(true);
  }

  retract(): boolean {
    if (!this.#response.hasBegun) return true;
    const output = this.#owner.output;
    if (this.gone !== null || this.tunnel || this.#owner.closing !== null || output.pulled > this.#responseStart)
      return false;
    if (!output.takeBack(output.pulled + output.length - this.#responseStart)) return false;
    this.#response.takeBack();
    this.status = this.bytesSent = 0;
    this.persistent = this.head.persistent && !this.#closesConnection;
    return true;
  }

  /** The content is malformed or too slow: no more of it is read, and no further request. */
  refuse(): void {
    this.refused = true;
    this.waiting = false;
    this.closeConnection();
  }

  closeConnection(): void {
    this.#closesConnection = true;
    this.persistent = false;
  }

  abort(): void {
    if (this.#response.ended) return;
    const how = this.howToBreakOff;
    this.#response.breakOff();
    if (this.gone === null) this.#owner.close(how);
  }

  release(watcher: ResponseWatcher | null = null): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.sink = NO_SINK;
    this.abort(); // does nothing when the response has ended
    this.#watcher = watcher;
    this.#owner.released(this);
    if (this.gone !== null) this.hasLeft(false); // the connection does not know this exchange any more
  }

  /** Whether a watcher is to be told when the response has left. */
  get hasWatcher(): boolean {
    return this.#watcher !== null;
  }

  hasLeft(whole: boolean): void {
    const watcher = this.#watcher;
    this.#watcher = null;
    watcher?.onSent(whole);
  }

  cutOff(unsent: number): void {
    this.bytesSent = Math.max(0, this.bytesSent - unsent);
  }
}

/** Lines such as "Content-Length: 9" CR LF, by length; those below CACHED_LENGTHS are encoded once. */
const lengthLines: Uint8Array[] = [];
const CACHED_LENGTHS = 1024;

function lengthLine(length: number): Uint8Array {
  if (length >= CACHED_LENGTHS) return latin1Bytes(`Content-Length: ${length}\r\n`);
  return (lengthLines[length] ??= latin1Bytes(`Content-Length: ${length}\r\n`));
}

function statusLine(status: number, reason: string): Uint8Array {
  if (reason === reasonOf(status)) return (statusLines[status] ??= latin1Bytes(`HTTP/1.1 ${status} ${reason}\r\n`));
  if (!isFieldText(reason))
    throw new TypeError(
      `cannot send the reason phrase ${quote(reason)}: it must have no control characters, and none above U+00FF`,
    );
  return latin1Bytes(`HTTP/1.1 ${status} ${reason}\r\n`);
}
