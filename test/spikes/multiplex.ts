/**
 * A spike, kept as a test. The question: does the seam (src/protocol/exchange.ts) carry a protocol that runs many exchanges at
 * once on one connection, as HTTP/2 does, with the same byte pumps, executors and handlers that HTTP/1 has? The protocol is made up:
 * frames of [type u8, stream u8, length u16, payload], 32 streams, a window for each in both directions.
 *
 * It does, and this is what it takes:
 * - A stream is over for the peer when its frames say so, but its slot is free only when the handler has let go of it. These are
 *   two counts: the first bounds what a peer may open, the second what is dispatched. What is between them waits.
 * - Frames are made in `pull`, not in `write`: only so is a head still there to be retracted, and no stream crowds others out.
 * - `receive` is not left alone: handlers start, write and end inside of it, and the host may pull and even call `lost` there.
 * - Nobody looks at the output by himself: whoever adds to it, in whatever call, says `wake`.
 * - One request may go and its connection stay: a kind of GoneReason of its own, "cancelled".
 */
import type { ProtocolError } from "../../src/protocol/errors.ts";
import type { Connection, Host } from "../../src/protocol/connection.ts";
import {
  type ConnectionInfo,
  type Exchange,
  type GoneReason,
  NO_SINK,
  type RequestHead,
  type Sink,
} from "../../src/protocol/exchange.ts";
import type { Protocol } from "../../src/protocol/protocol_selector.ts";
import { type FieldList, Fields } from "../../src/protocol/fields.ts";
import { hasNoContent } from "../../src/protocol/status.ts";

// Types of frames. DATA, END and CREDIT go both ways.
/** From the client: METHOD SP target. */
export const REQUEST = 1;
/** From the server: status SP length LF, and lines of name: value. */
export const RESPONSE = 2;
export const DATA = 3;
/** Nothing more follows this way; from the server maybe with trailers. */
export const END = 4;
/** How many more bytes may be sent on this stream, a u32. A client begins with none, a server with WINDOW. */
export const CREDIT = 5;
/** From the client: it has lost interest. */
export const CANCEL = 6;
/** From the server: the request will have no response, or not to its end. */
export const RESET = 7;
/** From the server: later requests will be reset. */
export const GOAWAY = 8;

export const STREAMS = 32;
export const WINDOW = 4096;

/** With so many bytes ready on one stream, they do not wait for the end of the turn, and its writer is asked to hold on. */
const BATCH = 16 * 1024;
const PIECE = 1024;
const MAX_HEAD = 8 * 1024;

const NOTHING = new Uint8Array(0);

const FRAME_INVALID = fault("FRAME_INVALID", "A frame is of a type, on a stream and of a form that are known.");
const WINDOW_EXCEEDED = fault("WINDOW_EXCEEDED", "No more content is sent than was asked for.");

function fault(code: string, message: string): ProtocolError {
  return { code, status: 400, message, source: "this file" };
}

/** As a server speaks it, on one port with HTTP/1.1: no method begins with the byte that each client sends first. */
export const protocol: Protocol = {
  alpn: "mux",
  preface: Uint8Array.of(REQUEST),
  connect: (host) => new MuxConnection(host),
};

export class MuxConnection implements Connection {
  readonly deadline = Infinity;
  closing: "end" | "cut" | "reset" | null = null;
  readonly #host: Host;
  /** What the peer has opened and neither side has closed. */
  readonly #streams = new Map<number, MuxExchange>();
  /** Those of them that were not dispatched yet. */
  #waiting: MuxExchange[] = [];
  /** How many were dispatched and not released, whatever their peer thinks. */
  #running = 0;
  #dispatching = false;
  #stopping = false;
  #ended = false;
  /** A frame of which not all has come. */
  #rest: Uint8Array = NOTHING;
  /** Frames that no window holds back. */
  #control: Uint8Array[] = [];
  #spare: Uint8Array | null = null;

  constructor(host: Host) {
    this.#host = host;
  }

  get info(): ConnectionInfo {
    return this.#host.info;
  }

  /** Each stream has its window; what is left to bound is what frames without content bring about. */
  get wantsRead(): boolean {
    return !this.#ended && (this.closing !== null || this.#control.length < 1000);
  }

  receive(lent: Uint8Array, length: number = lent.length): void {
    const bytes = lent.subarray(0, length);
    const input = this.#rest.length === 0 ? bytes : new Uint8Array(Buffer.concat([this.#rest, bytes]));
    let at = 0;
    while (this.closing === null && input.length - at >= 4) {
      const end = at + 4 + input[at + 2] * 256 + input[at + 3];
      if (end > input.length) break;
      this.#frame(input[at], input[at + 1], input.subarray(at + 4, end));
      at = end;
    }
    this.#rest = this.closing === null ? new Uint8Array(input.subarray(at)) : NOTHING;
  }

  receiveEnd(): void {
    this.#ended = true;
    for (const exchange of this.#streams.values()) {
      // What came whole still gets its response.
      if (exchange.received) exchange.sink.onGone({ kind: "half-closed" });
      else this.#drop(exchange, { kind: "closed" });
    }
    this.#host.wake(false);
  }

  lost(why: GoneReason): void {
    this.#ended = true;
    this.closing ??= "cut";
    this.#control = [];
    for (const exchange of this.#streams.values()) this.#drop(exchange, why);
  }

  pull(): Uint8Array | null {
    const batch = this.#spare ?? new Uint8Array(BATCH);
    this.#spare = null;
    let at = 0;
    while (this.#control.length > 0 && at + this.#control[0].length <= BATCH) {
      batch.set(this.#control[0], at);
      at += this.#control.shift()!.length;
    }
    // One frame for each stream by turns, for as long as any of them has something to say.
    for (let before = -1; before < at;) {
      before = at;
      for (const exchange of this.#streams.values()) {
        at = exchange.fill(batch, at);
        if (exchange.over) this.close(exchange);
      }
    }
    if (at === 0) {
      this.#spare = batch;
      // A connection of which nothing will come any more, and for which nothing waits.
      if ((this.#stopping || this.#ended) && this.#streams.size === 0 && this.#running === 0) this.closing ??= "end";
      return null;
    }
    for (const exchange of this.#streams.values()) exchange.tellOfRoom();
    return batch.subarray(0, at);
  }

  recycle(batch: Uint8Array): void {
    this.#spare = new Uint8Array(batch.buffer);
  }

  tick(): void {}

  shutdown(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.send(GOAWAY, 0, NOTHING);
  }

  // What follows is for the exchange.

  send(type: number, stream: number, payload: Uint8Array): void {
    const frame = new Uint8Array(4 + payload.length);
    putHead(frame, 0, type, stream, payload.length);
    frame.set(payload, 4);
    this.#control.push(frame);
    this.#host.wake(false);
  }

  wake(now: boolean): void {
    this.#host.wake(now);
  }

  /** The stream is over for the peer, who may use its number again. */
  close(exchange: MuxExchange): void {
    if (this.#streams.get(exchange.stream) === exchange) this.#streams.delete(exchange.stream);
  }

  released(exchange: MuxExchange): void {
    this.#running--;
    if (exchange.over) this.close(exchange);
    this.#dispatch();
    this.#host.wake(false);
  }

  #frame(type: number, stream: number, payload: Uint8Array): void {
    const exchange = this.#streams.get(stream);
    if (type === REQUEST) {
      const [, method, target] = /^([!-~]+) ([!-~]+)$/.exec(Buffer.from(payload).toString("latin1")) ?? [];
      if (exchange !== undefined || target === undefined) return this.#refuse(FRAME_INVALID);
      if (this.#stopping || this.#streams.size === STREAMS) return this.send(RESET, stream, NOTHING);
      const opened = new MuxExchange(this, stream, method, target);
      this.#streams.set(stream, opened);
      this.#waiting.push(opened);
      return this.#dispatch();
    }
    if (type < DATA || type > CANCEL) return this.#refuse(FRAME_INVALID);
    // Whatever else comes for a stream that is over was on its way already.
    if (exchange === undefined) return;
    if (type === DATA) {
      if (!exchange.receive(payload)) this.#refuse(WINDOW_EXCEEDED);
    } else if (type === END) {
      exchange.receiveEnd();
      if (exchange.over) this.close(exchange);
    } else if (type === CREDIT) {
      if (payload.length !== 4) return this.#refuse(FRAME_INVALID);
      exchange.window += new DataView(payload.buffer, payload.byteOffset).getUint32(0);
      this.#host.wake(false);
    } else {
      this.#drop(exchange, { kind: "cancelled" });
    }
  }

  #refuse(error: ProtocolError): void {
    this.closing = "cut";
    this.#host.refused(error, null);
    for (const exchange of this.#streams.values()) this.#drop(exchange, { kind: "malformed", error });
    this.#host.wake(true);
  }

  #drop(exchange: MuxExchange, why: GoneReason): void {
    this.close(exchange);
    this.#waiting = this.#waiting.filter((waiting) => waiting !== exchange);
    exchange.leave(why);
  }

  /** Runs what waits for a slot, one after the other: a handler that settles at once gets here again. */
  #dispatch(): void {
    if (this.#dispatching) return;
    this.#dispatching = true;
    while (this.#waiting.length > 0 && this.#running < STREAMS) {
      this.#running++;
      this.#host.start(this.#waiting.shift()!);
    }
    this.#dispatching = false;
  }
}

// Where the response is, as in HTTP/1.
const IDLE = 0;
const OPEN = 1;
const ENDED = 2;

class MuxExchange implements Exchange {
  readonly waitsForContinue = false;
  readonly head: RequestHead;
  readonly bodyLength = -1;
  readonly trailers = undefined;
  readonly status = 0;
  readonly bytesReceived = 0;
  readonly bytesSent = 0;
  readonly stream: number;
  sink: Sink = NO_SINK;
  /** All of the request's content has come. */
  received = false;
  /** How much the peer takes. */
  window = WINDOW;
  readonly #connection: MuxConnection;
  #gone = false;
  #released = false;
  /** Content that came and was not read: a ring. */
  #store = NOTHING;
  #first = 0;
  #stored = 0;
  /** What the peer may send. */
  #credit = 0;
  #hungry = false;
  #state = IDLE;
  /** The head of the response until it is in a batch. */
  #response: Uint8Array | null = null;
  #noContent = false;
  /** Bytes of content still to be written, where that is known. */
  #left = Infinity;
  #pending: Uint8Array[] = [];
  #pendingSize = 0;
  /** The last frame, while it waits for what is pending. */
  #end: Uint8Array | null = null;
  #endSent = false;
  #full = false;

  constructor(connection: MuxConnection, stream: number, method: string, target: string) {
    this.#connection = connection;
    this.stream = stream;
    this.head = { method, target, authority: null, version: "MUX", fields: new Fields("", []) };
  }

  get connection(): ConnectionInfo {
    return this.#connection.info;
  }

  get over(): boolean {
    return this.#endSent && (this.received || this.#released);
  }

  limitBody(): void {}

  demand(): void {
    if (this.#store !== NOTHING || this.#gone) return;
    this.#store = new Uint8Array(WINDOW);
    this.#giveCredit(WINDOW);
  }

  readInto(to: Uint8Array, at: number, max: number): number {
    const n = Math.min(max, this.#stored, WINDOW - this.#first);
    if (n === 0) {
      if (this.received && !this.#gone) return -1;
      this.#hungry = true;
      return 0;
    }
    to.set(this.#store.subarray(this.#first, this.#first + n), at);
    this.#first = (this.#first + n) % WINDOW;
    this.#stored -= n;
    if (!this.received) this.#giveCredit(n);
    return n;
  }

  inform(status: number, fields: FieldList): void {
    if (this.#state !== IDLE) throw new Error("cannot inform: the response has begun");
    if (!this.#gone) this.#connection.send(RESPONSE, this.stream, headOf(status, fields, -1));
  }

  respond(status: number, _reason: string, fields: FieldList, length: number): void {
    if (this.#state !== IDLE) throw new Error("cannot response: a response has begun already");
    const head = headOf(status, fields, length);
    if (head.length > MAX_HEAD) throw new RangeError("cannot response: the head is too large");
    this.#state = OPEN;
    this.#noContent = this.head.method === "HEAD" || hasNoContent(status);
    this.#left = length < 0 || this.#noContent ? Infinity : length;
    if (this.#gone) return;
    this.#response = head;
    this.#connection.wake(false);
  }

  write(bytes: Uint8Array): boolean {
    if (this.#state !== OPEN) throw new Error("cannot write content before the head or after the end");
    if (bytes.length > this.#left) throw new RangeError("cannot write more than was announced");
    this.#left -= bytes.length;
    if (bytes.length === 0 || this.#noContent || this.#gone) return true;
    this.#pending.push(new Uint8Array(bytes));
    this.#pendingSize += bytes.length;
    this.#full = false; // so that nobody is told that there is room before it is known that there is none
    this.#connection.wake(this.#pendingSize >= BATCH);
    this.#full = !this.#hasRoom;
    return !this.#full;
  }

  end(trailers?: FieldList): void {
    if (this.#state !== OPEN) throw new Error("cannot end a response that has not begun, or twice");
    if (this.#left > 0 && this.#left < Infinity) throw new Error("cannot end the response: bytes are missing");
    this.#state = ENDED;
    if (this.#gone) return;
    this.#end = trailers === undefined ? NOTHING : linesOf(trailers);
    this.#connection.wake(false);
  }

  flush(): void {
    this.#connection.wake(true);
  }

  retract(): boolean {
    if (this.#state === IDLE) return true;
    if (this.#response === null) return false;
    this.#state = IDLE;
    this.#forgetResponse();
    return true;
  }

  closeConnection(): void {
    this.#connection.shutdown();
  }

  abort(): void {
    if (this.#state === ENDED) return;
    this.#state = ENDED;
    this.#forgetResponse();
    if (this.#gone) return;
    this.#gone = true;
    this.#connection.close(this);
    this.#connection.send(RESET, this.stream, NOTHING);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.sink = NO_SINK;
    this.abort(); // does nothing when the response has ended
    this.#connection.released(this);
  }

  // What follows is for the connection.

  /** @returns whether the peer may send that */
  receive(bytes: Uint8Array): boolean {
    if (this.received || bytes.length > this.#credit) return false;
    this.#credit -= bytes.length;
    for (const byte of bytes) this.#store[(this.#first + this.#stored++) % WINDOW] = byte;
    if (bytes.length > 0) this.#tellReader();
    return true;
  }

  receiveEnd(): void {
    this.received = true;
    this.#tellReader();
  }

  leave(why: GoneReason): void {
    this.#gone = true;
    this.#stored = 0;
    this.#forgetResponse();
    this.sink.onGone(why);
  }

  /** Puts at most one frame into a batch. @returns where it ends */
  fill(batch: Uint8Array, at: number): number {
    const room = batch.length - at - 4;
    if (this.#response !== null) {
      if (room < this.#response.length) return at;
      const head = this.#response;
      this.#response = null;
      batch.set(head, putHead(batch, at, RESPONSE, this.stream, head.length));
      return at + 4 + head.length;
    }
    if (this.#pendingSize > 0) {
      const first = this.#pending[0];
      const n = Math.min(first.length, this.window, room, PIECE);
      if (n <= 0) return at;
      batch.set(first.subarray(0, n), putHead(batch, at, DATA, this.stream, n));
      this.window -= n;
      this.#pendingSize -= n;
      if (n === first.length) this.#pending.shift();
      else this.#pending[0] = first.subarray(n);
      return at + 4 + n;
    }
    if (this.#end === null || room < this.#end.length) return at;
    const end = this.#end;
    this.#end = null;
    this.#endSent = true;
    batch.set(end, putHead(batch, at, END, this.stream, end.length));
    return at + 4 + end.length;
  }

  tellOfRoom(): void {
    if (!this.#full || !this.#hasRoom) return;
    this.#full = false;
    this.sink.onWritable();
  }

  get #hasRoom(): boolean {
    return this.#pendingSize <= this.window && this.#pendingSize < BATCH;
  }

  #giveCredit(n: number): void {
    this.#credit += n;
    const payload = new Uint8Array(4);
    new DataView(payload.buffer).setUint32(0, n);
    this.#connection.send(CREDIT, this.stream, payload);
  }

  #tellReader(): void {
    if (!this.#hungry) return;
    this.#hungry = false;
    this.sink.onReadable();
  }

  #forgetResponse(): void {
    this.#response = this.#end = null;
    this.#pending = [];
    this.#pendingSize = 0;
    this.#left = Infinity;
    this.#full = false;
  }
}

function putHead(to: Uint8Array, at: number, type: number, stream: number, length: number): number {
  to[at] = type;
  to[at + 1] = stream;
  to[at + 2] = length >> 8;
  to[at + 3] = length & 255;
  return at + 4;
}

function headOf(status: number, fields: FieldList, length: number): Uint8Array {
  return Buffer.concat([Buffer.from(`${status} ${length}\n`), linesOf(fields)]);
}

function linesOf(fields: FieldList): Uint8Array {
  let text = "";
  for (const [name, value] of fields) text += `${name}: ${value}\n`;
  return Buffer.from(text, "latin1");
}
