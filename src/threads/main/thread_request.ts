/** A request on its way through a thread, as the event loop sees it. */
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
} from "../shared/memory.ts";
import type { ContentRing, RecordReader, Rest } from "../shared/rings.ts";
import { ABORT, CLOSE, DATA, END, INFORM, LOG, MORE, RESPOND } from "../shared/rings.ts";

/** The rings of a slot. */
export interface Rings {
  readonly content: ContentRing;
  readonly response: RecordReader;
}

/** Of the head of a response, what is no text. */
interface ResponseWords {
  readonly status: number;
  /** -1: the phrase is the status' own. */
  readonly reasonLength: number;
  readonly length: number;
}

/** Whom a request tells. */
export interface ThreadRequestOwner {
  readonly memory: PoolMemory;
  /** Sets limits for the content of a request. @returns how much is buffered before it is ready; 0: none; -1: it is too much */
  limitFor(exchange: Exchange): number;
  /** Room to buffer content in; of use until the next turn. */
  readonly scratch: Buffer;
  ringsOf(slot: number): Rings;
  /** Its content is here, or as much of it as is waited for. */
  requestReady(request: ThreadRequest): void;
  /** The last of its content has come: it counts no more among those whose content streams. */
  leavePlace(request: ThreadRequest): void;
  /** Its client has gone before a thread has taken it. */
  requestDropped(request: ThreadRequest): void;
  /** A thread that runs it should look. */
  nudge(thread: number): void;
  log(line: string): void;
  /** The thread is through with it, and so is its slot; what is left of the response may come in a message. */
  requestDone(request: ThreadRequest, restFollows: boolean): void;
}

export class ThreadRequest implements Sink, ShutdownCaller {
  readonly exchange: Exchange;
  /** Where it waits for a thread, or is run; -1 where there is none yet, or any more. */
  slot = -1;
  ticket = 0;
  /** When its head was complete, by `now`; 0 where nobody wants to know. */
  beganAt = 0;
  /** When it was ready, by `now`. */
  readyAt = 0;
  /** When it began to wait for a thread, whichever becomes free: when it was ready, or had a place among those that stream. */
  queuedAt = 0;
  /** It counts among those whose content streams. */
  hasPlace = false;
  settled = false;
  readonly #owner: ThreadRequestOwner;
  #rings: Rings | null = null;
  /** What has been buffered before there was a slot, where it has memory of its own; then, what its ring did not hold of that. */
  #content: Buffer | null = null;
  #buffered = 0;
  #buffering = true;
  #limit = 0;
  /** `readInto` may be asked, and `write` called. */
  #readable = true;
  #writable = true;
  /** The protocol has said that the content is at its end; the thread was told so. */
  #atEnd = false;
  #endTold = false;
  #demanded = false;
  #gone: GoneReason | null = null;
  #lost = false;
  /** What has come of a text so far, and its kind. */
  #text: Buffer | null = null;
  #textKind = 0;
  /** What the slot said of the response; null while it is there to be asked. */
  #response: ResponseWords | null = null;
  #looking = false;
  #aborted = false;
  /** Its handler has settled. */
  #over = false;

  constructor(exchange: Exchange, owner: ThreadRequestOwner) {
    this.exchange = exchange;
    this.#owner = owner;
    exchange.sink = this;
  }

  /** How its client has gone; null while it is there. */
  get gone(): GoneReason | null {
    return this.#gone;
  }

  /** The handler has broken its response off. */
  get aborted(): boolean {
    return this.#aborted;
  }

  /** The client has gone: there is nobody to send the response to. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Whether more of its content may come. */
  get streams(): boolean {
    return !this.#atEnd && this.#limit >= 0 && this.#gone?.canRespond !== true;
  }

  /** When its handler was started, by `now`; 0 while it waits. */
  get startedAt(): number {
    const { memory } = this.#owner;
    return this.slot < 0 ? 0 : memory.numbers[memory.numbersAt(this.slot) + STARTED];
  }

  /** How long its handler has run, in milliseconds; of use when it has settled. */
  get took(): number {
    const { memory } = this.#owner;
    return memory.numbers[memory.numbersAt(this.slot) + TOOK];
  }

  /** The index of the thread that runs it, -1 where none does. */
  get thread(): number {
    const { memory } = this.#owner;
    if (this.slot < 0) return -1;
    const state = Atomics.load(memory.words, memory.slotAt(this.slot) + STATE);
    return state < 0 ? -1 - state : -1;
  }

  /** Whether its handler runs. */
  get isRunning(): boolean {
    return this.thread >= 0 && this.#load(DONE) === 0;
  }

  // Before a thread is given

  /** Buffers content until all of it, or as much as is waited for, is here. A client that waits for a 100 (Continue) gets one. */
  begin(): void {
    this.exchange.watch?.(); // whether the handler asks is known in its thread alone
    if (this.exchange.bodyLength === 0) this.#atEnd = true;
    else this.#limit = this.#owner.limitFor(this.exchange);
    if (this.#limit <= 0) return this.#ready();
    this.#demand();
    this.#bufferContent();
  }

  #bufferContent(): void {
    const { exchange } = this;
    const limit = this.#limit;
    // What is whole already, as small content is, needs no memory of its own.
    let buffer = this.#content ?? this.#owner.scratch;
    while (this.#buffered < limit) {
      if (this.#buffered === buffer.length) buffer = this.#makeRoom();
      const n = exchange.readInto(buffer, this.#buffered, Math.min(limit, buffer.length) - this.#buffered);
      if (this.#lost || !this.#buffering) return;
      if (n === 0) {
        if (this.#content === null) this.#makeRoom();
        return;
      }
      if (n < 0) {
        this.#atEnd = true;
        break;
      }
      this.#buffered += n;
    }
    if (this.#buffered === exchange.bodyLength) this.#atEnd = true;
    this.#ready();
  }

  /** Gives memory of its own to what has been buffered, with room for more. */
  #makeRoom(): Buffer {
    const buffer = Buffer.allocUnsafeSlow(Math.min(this.#limit, Math.max(1024, 2 * this.#buffered)));
    (this.#content ?? this.#owner.scratch).copy(buffer, 0, 0, this.#buffered);
    return (this.#content = buffer);
  }

  #ready(): void {
    this.#buffering = false;
    this.#owner.requestReady(this);
  }

  /** It must wait longer than this turn: what it has buffered gets memory of its own. */
  keepContent(): void {
    if (this.#buffered === 0 || this.#content !== null) return;
    this.#content = Buffer.from(this.#owner.scratch.subarray(0, this.#buffered));
  }

  /** Moves to a slot, to be put into the queue. @returns false when its head does not fit */
  enter(slot: number, route: Route | null): boolean {
    const { memory, scratch } = this.#owner;
    if (!writeHead(memory, slot, this.exchange, route)) return false;
    memory.numbers[memory.numbersAt(slot) + BEGAN] = this.beganAt;
    this.slot = slot;
    this.#rings = this.#owner.ringsOf(slot);
    this.#rings.response.open();
    if (this.#buffered > 0) {
      const content = (this.#content ?? scratch).subarray(0, this.#buffered);
      const put = writeContent(memory, slot, content);
      this.#content = put < content.length ? Buffer.from(content.subarray(put)) : null;
    }
    // Trailers take the place of the head, so they come when that has been read, and they are asked for.
    if (this.#atEnd && this.#content === null && this.exchange.trailers === undefined) this.#tellEnd();
    if (this.#gone !== null) this.#tellGone(this.#gone);
    return true;
  }

  // While a thread has it

  onReadable(): void {
    this.#readable = true;
    if (this.#buffering) this.#bufferContent();
    else if (this.slot >= 0) this.#fill();
  }

  onWritable(): void {
    this.#writable = true;
    this.look();
  }

  onGone(why: GoneReason): void {
    this.#gone = why;
    if (this.#over) return; // the rest of its response is on its way still
    if (why.canRespond === true) {
      this.#readable = false;
      // The handler's class responds, as to a fault that its handler meets.
      if (this.#buffering) return this.#ready();
    } else if (why.kind !== "half-closed") {
      this.#lost = this.#writable = true;
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

  /** Moves what can be moved, both ways. */
  look(): void {
    // To write into a full connection may call back into here, when there is room: `#looking` stops the second call.
    if (this.slot < 0 || this.#looking) return;
    this.#looking = true;
    const done = this.#load(DONE); // first: behind it nothing is put
    const drained = this.#takeResponse(done !== 0);
    this.#looking = false;
    if (done !== 0 && drained) {
      this.#over = true;
      if (done === 2) this.#response = this.#readResponse();
      this.#owner.requestDone(this, done === 2);
    } else if (this.slot >= 0) this.#fill();
  }

  /** @param all whether to take it whatever the client takes: the handler has settled @returns whether all was taken */
  #takeResponse(all: boolean): boolean {
    const reader = this.#rings!.response;
    const { bytes } = this.#owner.memory;
    let kind = 0;
    let took = false;
    reader.look(); // what is put later is told of
    while ((this.#writable || all) && (kind = reader.next()) !== 0) {
      this.#give(kind, bytes, reader.start, reader.start + reader.length);
      reader.take();
      took = true;
    }
    if (all) return true;
    if (took) reader.publish();
    const drained = kind === 0 && this.#writable;
    if (drained && this.#load(OUT_FULL) === 1) {
      this.#store(OUT_FULL, 0);
      this.#nudge();
    }
    return drained;
  }

  /** Gives a record to the protocol: what lies in bytes[start, end). */
  #give(kind: number, bytes: Buffer, start: number, end: number): void {
    const whole = kind & ~MORE;
    // When the client leaves, a text that came in part is never completed. Lines of the log still come, each of them whole.
    if (whole !== this.#textKind) this.#text = null;
    if (whole === DATA) {
      if (!this.#aborted) this.#writable = this.exchange.write(bytes.subarray(start, end));
    } else if (kind !== whole || this.#text !== null) {
      const text = Buffer.concat([this.#text ?? NOTHING, bytes.subarray(start, end)]);
      this.#text = kind === whole ? null : text;
      this.#textKind = whole;
      if (this.#text === null) this.#giveWhole(whole, text, 0, text.length);
    } else {
      this.#giveWhole(kind, bytes, start, end);
    }
  }

  /** A thread has checked what it puts: nothing here throws. */
  #giveWhole(kind: number, bytes: Buffer, start: number, end: number): void {
    if (kind === LOG) return this.#owner.log(bytes.toString("utf8", start, end));
    if (this.#aborted) return;
    const { exchange } = this;
    switch (kind) {
      case RESPOND: {
        const { status, reasonLength, length } = this.#response ?? this.#readResponse();
        const text = latin1(bytes, start, end);
        const reason = reasonLength < 0 ? reasonOf(status) : text.slice(0, reasonLength);
        exchange.respond(status, reason, new FieldLines(text.slice(Math.max(0, reasonLength))), length);
        if (opensTunnel(exchange.head.method, status)) this.#atEnd = this.#endTold = false;
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
        this.#aborted = true;
        exchange.abort();
        break;
    }
  }

  /** What the slot says of the response. */
  #readResponse(): ResponseWords {
    const { memory } = this.#owner;
    return {
      status: this.#words[this.#at + STATUS],
      reasonLength: this.#words[this.#at + REASON],
      length: memory.numbers[memory.numbersAt(this.slot) + RESPONSE_LENGTH],
    };
  }

  /** What did not fit into shared memory. */
  giveRest(records: readonly Rest[]): void {
    for (const { kind, bytes } of records)
      this.#give(kind, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length);
  }

  #tellEnd(): void {
    this.#endTold = true;
    if (!writeEnd(this.#owner.memory, this.slot, this.exchange.trailers)) this.exchange.abort();
  }

  #demand(): void {
    if (this.#demanded) return;
    this.#demanded = true;
    this.exchange.demand();
  }

  /** Reads content into shared memory, where the handler wants it and there is room. */
  #fill(): void {
    if (this.#endTold || this.#lost || !this.#readable || this.#load(IN_WANTED) === 0) return;
    this.#demand();
    const ring = this.#rings!.content;
    let filled = false;
    while (!this.#atEnd || this.#content !== null) {
      if (ring.room === 0) {
        this.#store(IN_FULL, 1);
        if (ring.room === 0) break;
        this.#store(IN_FULL, 0); // there is some now
      }
      const n = ring.fill(this.#content === null ? this.exchange : this.#bufferedRest);
      if (this.#lost) return;
      if (n === 0) {
        this.#readable = false;
        break;
      }
      if (n > 0) filled = true;
      else this.#atEnd = true;
    }
    const ended = this.#atEnd && this.#content === null;
    if (ended) this.#tellEnd();
    if ((filled || ended) && this.#load(IN_WAITING) === 1) this.#nudge();
    if (ended && this.hasPlace) this.#owner.leavePlace(this);
  }

  /** What was buffered and is not in the ring yet, to be read as an exchange is. */
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
