/** A request that a thread handles, as the event loop sees it: moves its content to the thread, and the response from there. */
import { Buffer } from "node:buffer";
import { latin1 } from "../../protocol/bytes.ts";
import { opensTunnel } from "../../protocol/response_state.ts";
import type { Exchange, GoneReason, Sink } from "../../protocol/exchange.ts";
import { FieldLines } from "../../protocol/http1/field_writer.ts";
import { reasonOf } from "../../protocol/status.ts";
import type { ShutdownCaller } from "../../handler/services.ts";
import { encodeGone } from "../shared/gone_reason.ts";
import { type Route, writeContent, writeEnd, writeHead } from "../shared/heads.ts";
import {
  RESPONSE_LENGTH,
  BEGAN,
  DONE,
  GONE,
  IN_FULL,
  IN_WAITING,
  IN_WANTED,
  OUT_FULL,
  type PoolMemory,
  REASON,
  STARTED,
  STATE,
  STATUS,
  TOOK,
} from "../shared/pool_memory.ts";
import type { ContentRing, RecordReader, UnsentRecord } from "../shared/rings.ts";
import { ABORT, CLOSE, DATA, END, INFORM, LOG, MORE, RESPOND } from "../shared/rings.ts";

/** The rings of a slot. */
export interface Rings {
  readonly content: ContentRing;
  readonly response: RecordReader;
}

/** The parts of a response's head that are numbers: they are in the words of the slot. */
interface ResponseWords {
  readonly status: number;
  /** The length of the reason phrase; -1 for the usual phrase of the status. */
  readonly reasonLength: number;
  /** The length of the response's content; -1 if it is not known. */
  readonly length: number;
}

/** What a request needs of the executor that has made it. */
export interface ThreadRequestOwner {
  readonly memory: PoolMemory;
  /** Sets limits for the content of a request. @returns how many bytes are buffered before it is ready; -1 if its content is too long */
  limitFor(exchange: Exchange): number;
  /** A buffer that all requests share; what is in it is valid until the end of the turn. */
  readonly scratch: Buffer;
  ringsOf(slot: number): Rings;
  /** All content that is buffered beforehand has come: the request can have a thread. */
  requestReady(request: ThreadRequest): void;
  /** All content has come: the request gives up its place in StreamingRequests. */
  leaveStreams(request: ThreadRequest): void;
  /** The client has gone before a thread has taken the request. */
  requestDropped(request: ThreadRequest): void;
  /** Makes a thread look for news of the request that it runs. */
  nudge(thread: number): void;
  log(line: string): void;
  /** The handler has settled, and the slot is free. @param unsentFollow whether a message brings the last records of the response */
  requestDone(request: ThreadRequest, unsentFollow: boolean): void;
}

export class ThreadRequest implements Sink, ShutdownCaller {
  readonly exchange: Exchange;
  /** The slot that the request is in while it waits in the queue or runs; -1 before and after. */
  slot = -1;
  /** Tells the request from others that use the slot before and after it; see memory.ts. */
  ticket = 0;
  /** When the head was complete, by `now`; 0 if neither the log nor `requestEnded` needs it. */
  beganAt = 0;
  /** When the request was ready, by `now`. */
  readyAt = 0;
  /** When the request began to wait for any thread, by `now`: when it was ready, or when StreamingRequests admitted it. */
  queuedAt = 0;
  /** StreamingRequests has admitted the request, and counts it. */
  isAdmitted = false;
  /** The request is over for its executor. */
  settled = false;
  readonly #owner: ThreadRequestOwner;
  #rings: Rings | null = null;
  /** Before there is a slot: the buffered content, if it is not in `scratch`. Afterwards: the part of it that its ring had no room for. */
  #content: Buffer | null = null;
  /** How many bytes of content were buffered. */
  #buffered = 0;
  #isBuffering = true;
  #limit = 0;
  /** Whether `readInto` and `write` may be called: neither has asked to wait. */
  #isReadable = true;
  #isWritable = true;
  /** Whether the protocol has said that the content has ended, and whether the thread was told. */
  #isAtEnd = false;
  #isEndTold = false;
  #isDemanded = false;
  #gone: GoneReason | null = null;
  #hasLostClient = false;
  /** The part that has come of a text in several records, and its kind. */
  #partialText: Buffer | null = null;
  #partialKind = 0;
  /** A copy of the slot's words on the response, made when the slot is given up; null before. */
  #responseWords: ResponseWords | null = null;
  #isLooking = false;
  #isAborted = false;
  /** The handler has settled. */
  #hasSettled = false;

  constructor(exchange: Exchange, owner: ThreadRequestOwner) {
    this.exchange = exchange;
    this.#owner = owner;
    exchange.sink = this;
  }

  /** How the client has gone; null while it is there. */
  get gone(): GoneReason | null {
    return this.#gone;
  }

  /** The handler has broken its response off. */
  get aborted(): boolean {
    return this.#isAborted;
  }

  /** The client has gone altogether: no response can be sent. */
  get hasLostClient(): boolean {
    return this.#hasLostClient;
  }

  /** Whether more content may come. */
  get isStreaming(): boolean {
    return !this.#isAtEnd && this.#limit >= 0 && this.#gone?.canRespond !== true;
  }

  /** When the handler was started, by `now`; 0 while the request waits. */
  get startedAt(): number {
    const { memory } = this.#owner;
    return this.slot < 0 ? 0 : memory.numbers[memory.numbersAt(this.slot) + STARTED];
  }

  /** How long the handler has run, in milliseconds; valid once it has settled. */
  get took(): number {
    const { memory } = this.#owner;
    return memory.numbers[memory.numbersAt(this.slot) + TOOK];
  }

  /** The index of the thread that runs the request; -1 if none does. */
  get thread(): number {
    const { memory } = this.#owner;
    if (this.slot < 0) return -1;
    const state = Atomics.load(memory.words, memory.slotAt(this.slot) + STATE);
    return state < 0 ? -1 - state : -1;
  }

  /** Whether the handler runs. */
  get isRunning(): boolean {
    return this.thread >= 0 && this.#load(DONE) === 0;
  }

  // Before the request has a thread

  /** Buffers content, as much as `limitFor` says, and then is ready. If content is buffered, a client that waits for 100 (Continue) gets it. */
  begin(): void {
    this.exchange.watch?.(); // only the thread knows whether the handler wants to hear that the client has gone
    if (this.exchange.bodyLength === 0) this.#isAtEnd = true;
    else this.#limit = this.#owner.limitFor(this.exchange);
    if (this.#limit <= 0) return this.#ready();
    this.#demand();
    this.#bufferContent();
  }

  #bufferContent(): void {
    const { exchange } = this;
    const limit = this.#limit;
    // Small content has often come whole already; then it needs no buffer of its own.
    let buffer = this.#content ?? this.#owner.scratch;
    while (this.#buffered < limit) {
      if (this.#buffered === buffer.length) buffer = this.#makeRoom();
      const n = exchange.readInto(buffer, this.#buffered, Math.min(limit, buffer.length) - this.#buffered);
      if (this.#hasLostClient || !this.#isBuffering) return;
      if (n === 0) {
        if (this.#content === null) this.#makeRoom();
        return;
      }
      if (n < 0) {
        this.#isAtEnd = true;
        break;
      }
      this.#buffered += n;
    }
    if (this.#buffered === exchange.bodyLength) this.#isAtEnd = true;
    this.#ready();
  }

  /** Moves the buffered content to a larger buffer of its own. */
  #makeRoom(): Buffer {
    const buffer = Buffer.allocUnsafeSlow(Math.min(this.#limit, Math.max(1024, 2 * this.#buffered)));
    (this.#content ?? this.#owner.scratch).copy(buffer, 0, 0, this.#buffered);
    return (this.#content = buffer);
  }

  #ready(): void {
    this.#isBuffering = false;
    this.#owner.requestReady(this);
  }

  /** The request waits for longer than this turn: moves its buffered content out of `scratch`, which other requests will use. */
  keepContent(): void {
    if (this.#buffered === 0 || this.#content !== null) return;
    this.#content = Buffer.from(this.#owner.scratch.subarray(0, this.#buffered));
  }

  /** Moves the request into a slot. @returns false if its head does not fit */
  enter(slot: number, route: Route | null): boolean {
    const { memory, scratch } = this.#owner;
    if (!writeHead(memory, slot, this.exchange, route)) return false;
    memory.numbers[memory.numbersAt(slot) + BEGAN] = this.beganAt;
    this.slot = slot;
    this.#rings = this.#owner.ringsOf(slot);
    this.#rings.response.open();
    // The part of the buffer that has content, and nothing behind it, which may be memory that held something else.
    const content = (this.#content ?? scratch).subarray(0, this.#buffered);
    const put = content.length > 0 ? writeContent(memory, slot, content) : 0;
    this.#content = put < content.length ? Buffer.from(content.subarray(put)) : null;
    // Trailers overwrite the head, so they are written only when the thread has read the head and asks for content.
    if (this.#isAtEnd && this.#content === null && this.exchange.trailers === undefined) this.#tellEnd();
    if (this.#gone !== null) this.#tellGone(this.#gone);
    return true;
  }

  // While a thread has the request

  onReadable(): void {
    this.#isReadable = true;
    if (this.#isBuffering) this.#bufferContent();
    else if (this.slot >= 0) this.#fill();
  }

  onWritable(): void {
    this.#isWritable = true;
    this.look();
  }

  onGone(why: GoneReason): void {
    this.#gone = why;
    if (this.#hasSettled) return; // a message with the last records of the response is still on its way
    if (why.canRespond === true) {
      this.#isReadable = false;
      // The handler's class sends the error response, as for errors that a handler meets while it reads.
      if (this.#isBuffering) return this.#ready();
    } else if (why.kind !== "half-closed") {
      this.#hasLostClient = this.#isWritable = true;
      if (this.slot < 0 || this.#owner.memory.cancel(this.slot)) return this.#owner.requestDropped(this);
    }
    if (this.slot < 0) return;
    this.#tellGone(why);
    this.look();
  }

  #tellGone(why: GoneReason): void {
    this.#store(GONE, encodeGone(why));
    this.#nudge();
  }

  /** Moves content to the thread and the response to the client, as far as there is room. */
  look(): void {
    // Writing to the connection may call onWritable, and so this method again: `#isLooking` stops the second call.
    if (this.slot < 0 || this.#isLooking) return;
    this.#isLooking = true;
    const done = this.#load(DONE); // is loaded first: after it is set, nothing more is put into the ring
    const drained = this.#takeResponse(done !== 0);
    this.#isLooking = false;
    if (done !== 0 && drained) {
      this.#hasSettled = true;
      if (done === 2) this.#responseWords = this.#readResponse();
      this.#owner.requestDone(this, done === 2);
    } else if (this.slot >= 0) this.#fill();
  }

  /**
   * Takes records of the response and gives them to the protocol.
   * @param all whether to take all of them, however slowly the client reads: the handler has settled
   * @returns whether all were taken
   */
  #takeResponse(all: boolean): boolean {
    const reader = this.#rings!.response;
    const { bytes } = this.#owner.memory;
    let kind = 0;
    let took = false;
    reader.look(); // the thread calls again for records that it puts later
    while ((this.#isWritable || all) && (kind = reader.next()) !== 0) {
      this.#give(kind, bytes, reader.start, reader.start + reader.length);
      reader.take();
      took = true;
    }
    if (all) return true;
    if (took) reader.publish();
    const drained = kind === 0 && this.#isWritable;
    if (drained && this.#load(OUT_FULL) === 1) {
      this.#store(OUT_FULL, 0);
      this.#nudge();
    }
    return drained;
  }

  /** Gives a record to the protocol: what lies in bytes[start, end). */
  #give(kind: number, bytes: Buffer, start: number, end: number): void {
    const whole = kind & ~MORE;
    // After the client has gone, a text that has come in part is never completed. Lines of the log still come, each of them whole.
    if (whole !== this.#partialKind) this.#partialText = null;
    if (whole === DATA) {
      if (!this.#isAborted) this.#isWritable = this.exchange.write(bytes.subarray(start, end));
    } else if (kind !== whole || this.#partialText !== null) {
      const text = Buffer.concat([this.#partialText ?? NOTHING, bytes.subarray(start, end)]);
      this.#partialText = kind === whole ? null : text;
      this.#partialKind = whole;
      if (this.#partialText === null) this.#giveWhole(whole, text, 0, text.length);
    } else {
      this.#giveWhole(kind, bytes, start, end);
    }
  }

  /** Gives a whole record to the protocol. The thread has checked it, so nothing here throws. */
  #giveWhole(kind: number, bytes: Buffer, start: number, end: number): void {
    if (kind === LOG) return this.#owner.log(bytes.toString("utf8", start, end));
    if (this.#isAborted) return;
    const { exchange } = this;
    switch (kind) {
      case RESPOND: {
        const { status, reasonLength, length } = this.#responseWords ?? this.#readResponse();
        const text = latin1(bytes, start, end);
        const reason = reasonLength < 0 ? reasonOf(status) : text.slice(0, reasonLength);
        exchange.respond(status, reason, new FieldLines(text.slice(Math.max(0, reasonLength))), length);
        if (opensTunnel(exchange.head.method, status)) this.#isAtEnd = this.#isEndTold = false;
        break;
      }
      case END:
        exchange.end(start === end ? undefined : new FieldLines(latin1(bytes, start, end)));
        break;
      case INFORM:
        exchange.inform(Number(latin1(bytes, start, start + 3)), new FieldLines(latin1(bytes, start + 3, end)));
        break;
      case CLOSE:
        exchange.closeConnection();
        break;
      case ABORT:
        this.#isAborted = true;
        exchange.abort();
        break;
    }
  }

  /** Reads the slot's words on the response. */
  #readResponse(): ResponseWords {
    const { memory } = this.#owner;
    return {
      status: this.#words[this.#at + STATUS],
      reasonLength: this.#words[this.#at + REASON],
      length: memory.numbers[memory.numbersAt(this.slot) + RESPONSE_LENGTH],
    };
  }

  /** Gives the last records of a response to the protocol, which came in a message because the ring had no room. */
  giveUnsent(records: readonly UnsentRecord[]): void {
    for (const { kind, bytes } of records)
      this.#give(kind, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length);
  }

  #tellEnd(): void {
    this.#isEndTold = true;
    if (!writeEnd(this.#owner.memory, this.slot, this.exchange.trailers)) this.exchange.abort();
  }

  #demand(): void {
    if (this.#isDemanded) return;
    this.#isDemanded = true;
    this.exchange.demand();
  }

  /** Moves content into shared memory, if the handler wants it and there is room. */
  #fill(): void {
    if (this.#isEndTold || this.#hasLostClient || !this.#isReadable || this.#load(IN_WANTED) === 0) return;
    this.#demand();
    const ring = this.#rings!.content;
    let filled = false;
    while (!this.#isAtEnd || this.#content !== null) {
      if (ring.room === 0) {
        this.#store(IN_FULL, 1);
        if (ring.room === 0) break;
        this.#store(IN_FULL, 0); // the thread has just made room
      }
      const n = ring.fill(this.#content === null ? this.exchange : this.#bufferedRest);
      if (this.#hasLostClient) return;
      if (n === 0) {
        this.#isReadable = false;
        break;
      }
      if (n > 0) filled = true;
      else this.#isAtEnd = true;
    }
    const ended = this.#isAtEnd && this.#content === null;
    if (ended) this.#tellEnd();
    if ((filled || ended) && this.#load(IN_WAITING) === 1) this.#nudge();
    if (ended && this.isAdmitted) this.#owner.leaveStreams(this);
  }

  /** Gives the buffered content that is not in the ring yet, with the `readInto` of an exchange. */
  get #bufferedRest(): Pick<Exchange, "readInto"> {
    return {
      readInto: (to, at, max) => {
        const content = this.#content!;
        const n = content.copy(to as Buffer, at, 0, max);
        this.#content = n < content.length ? content.subarray(n) : null;
        return n;
      },
    };
  }

  #nudge(): void {
    const { thread } = this;
    if (thread >= 0) this.#owner.nudge(thread);
  }

  get #words(): Int32Array {
    return this.#owner.memory.words;
  }

  get #at(): number {
    return this.#owner.memory.slotAt(this.slot);
  }

  #load(word: number): number {
    return Atomics.load(this.#words, this.#at + word);
  }

  #store(word: number, value: number): void {
    Atomics.store(this.#words, this.#at + word, value);
  }
}

const NOTHING = Buffer.alloc(0);
