/** The exchange that a handler has in a thread: what it asks for comes from shared memory, and what it responds goes there. */
import { Buffer } from "node:buffer";
import { ResponseState, isHeadOnly, opensTunnel } from "../../protocol/response_state.ts";
import {
  type ConnectionInfo,
  type Exchange,
  NO_SINK,
  type ResponseWatcher,
  type Sink,
} from "../../protocol/exchange.ts";
import type { FieldList, Fields } from "../../protocol/fields.ts";
import { fieldLines } from "../../protocol/http1/field_writer.ts";
import { reasonOf } from "../../protocol/status.ts";
import type { FlushTask } from "../../loop/flush_scheduler.ts";
import { readTrailers, ThreadHead } from "../shared/heads.ts";
import {
  RESPONSE_LENGTH,
  BEGAN,
  BODY_LENGTH,
  DONE,
  FLAGS,
  GONE,
  IN_FULL,
  IN_STATE,
  IN_WAITING,
  IN_WANTED,
  origin,
  OUT_FULL,
  type PoolMemory,
  REASON,
  STATUS,
  TICKET,
} from "../shared/memory.ts";
import { decodeGone } from "../shared/gone_reason.ts";
import {
  ABORT,
  CLOSE,
  type ContentRing,
  DATA,
  END,
  INFORM,
  LOG,
  type RecordWriter,
  RESPOND,
  type Rest,
} from "../shared/rings.ts";

/** With so much of a response put, it is handed over without waiting for the end of the turn. */
const BATCH = 16 * 1024;

/** What an exchange has of the thread that it runs in. */
export interface Desk {
  readonly memory: PoolMemory;
  readonly writer: RecordWriter;
  contentOf(slot: number): ContentRing;
  /** The event loop shall look at a slot. */
  call(slot: number): void;
  /** Calls `turnEnded` at the end of this turn, where there will be one before the handler settles. */
  atTurnEnd(task: FlushTask): void;
  /** Blocks until the event loop has something to say of the request that runs, unless `isReady`. */
  wait(isReady: () => boolean): void;
  /** Sends a line of the log past what waits to be taken. */
  sendLine(line: string): void;
  /** Sends what did not fit. */
  sendRest(ticket: number, records: readonly Rest[]): void;
  /** The handler has settled; what is to be said of that can still be said. */
  settling(slot: number): void;
  /** The slot is not this thread's any more: it may run another. */
  released(): void;
}

/** What most exchanges never have any of: lines of the log and records that wait. */
const NONE = Object.freeze([]) as never[];

export class ThreadExchange implements Exchange, FlushTask {
  readonly head: ThreadHead;
  readonly ticket: number;
  trailers: Fields | undefined = undefined;
  sink: Sink = NO_SINK;
  status = 0;
  bytesReceived = 0;
  bytesSent = 0;
  readonly #desk: Desk;
  readonly #response = new ResponseState();
  readonly #slot: number;
  /** Where the slot's words are. */
  readonly #at: number;
  readonly #content: ContentRing;
  readonly #bodyLength: number;
  #tunnel = false;
  #continued: boolean;
  #gone = 0;
  /** The peer has gone altogether: nothing can be read, and what is written is dropped. */
  #lost = false;
  #waiting = false;
  #atEnd = false;
  /** Where in the ring the response begins. */
  #mark = 0;
  #headOnly = false;
  #close = false;
  #queued = false;
  /** What there was no room for. */
  #rest: Rest[] = NONE;
  #full = false;
  #released = false;
  /** Lines of the log that wait for the next time that something is handed over; a response taken back does not take them along. */
  #lines: string[] = NONE;
  /** Some were sent by message, so the others must be, too. */
  #sendsLines = false;

  constructor(desk: Desk, slot: number) {
    const { memory } = desk;
    this.head = new ThreadHead(memory, slot);
    this.#desk = desk;
    this.#slot = slot;
    this.#at = memory.slotAt(slot);
    this.ticket = memory.words[this.#at + TICKET];
    this.#content = desk.contentOf(slot);
    this.#bodyLength = memory.numbers[memory.numbersAt(slot) + BODY_LENGTH];
    this.#continued = (memory.words[this.#at + FLAGS] & 1) === 0;
    desk.writer.open(slot);
  }

  get connection(): ConnectionInfo {
    return this.head.connection;
  }

  get began(): number | undefined {
    const { memory } = this.#desk;
    const began = memory.numbers[memory.numbersAt(this.#slot) + BEGAN];
    return began === 0 ? undefined : began - origin;
  }

  get bodyLength(): number {
    return this.#tunnel ? -1 : this.#bodyLength;
  }

  get waitsForContinue(): boolean {
    return !this.#continued;
  }

  // The request's content

  limitBody(): void {} // the event loop has done so

  demand(): void {
    this.#continued = true;
    if (this.#lost || this.#released || this.#load(IN_STATE) !== 0) return;
    if (Atomics.exchange(this.#words, this.#at + IN_WANTED, 1) === 0) this.#desk.call(this.#slot);
  }

  readInto(to: Uint8Array, at: number, max: number): number {
    if (this.#lost || this.#released) return 0;
    if (this.#atEnd) return -1;
    let n = this.#take(to, at, max);
    if (n === 0) {
      // Say that this waits, and only then look once more: whatever comes now is told.
      if (!this.#waiting) this.#wait(true);
      n = this.#take(to, at, max);
    }
    if (n !== 0 && this.#waiting) this.#wait(false);
    return n;
  }

  /** Only this side changes the word: the other cannot know whether what it has put is what was waited for. */
  #wait(waits: boolean): void {
    this.#waiting = waits;
    Atomics.store(this.#words, this.#at + IN_WAITING, waits ? 1 : 0);
  }

  #take(to: Uint8Array, at: number, max: number): number {
    const state = this.#load(IN_STATE); // first: behind the end nothing is put
    const n = this.#content.take(to, at, max);
    if (n > 0) {
      this.bytesReceived += n;
      const isFull = this.#load(IN_FULL) === 1;
      if (isFull && this.#content.room >= this.#desk.memory.layout.ringSize >> 1) {
        Atomics.store(this.#words, this.#at + IN_FULL, 0);
        this.#desk.call(this.#slot);
      }
      return n;
    }
    if (state === 0) return 0;
    this.#atEnd = true;
    if (state === 2) this.trailers = readTrailers(this.#desk.memory, this.#slot);
    return -1;
  }

  #ended(): boolean {
    return this.#load(IN_STATE) !== 0;
  }

  // The response

  inform(status: number, fields: FieldList): void {
    this.#response.checkInterim(status);
    if (status === 100) this.#continued = true;
    this.#putText(INFORM, status + fieldLines(fields));
    this.flush();
  }

  respond(status: number, reason: string, fields: FieldList, length: number): void {
    this.#response.checkBegin(status, length);
    const { method } = this.head;
    if (opensTunnel(method, status)) {
      if (this.#bodyLength !== 0 && !this.#atEnd && !(this.#ended() && this.#content.length === 0))
        throw new Error("cannot open the tunnel: the request has content, which must be read to its end first");
      this.#tunnel = true;
      this.#atEnd = false;
      Atomics.store(this.#words, this.#at + IN_STATE, 0);
      length = -1;
    }
    this.#headOnly = isHeadOnly(method, status);
    this.#response.begin(this.#headOnly ? -1 : length);
    if (this.#lost) return;
    this.status = status;
    if (this.#close) this.#put(CLOSE, NOTHING);
    const { memory, writer } = this.#desk;
    this.#mark = writer.position;
    const isOwn = reason === reasonOf(status);
    this.#words[this.#at + STATUS] = status;
    this.#words[this.#at + REASON] = isOwn ? -1 : reason.length;
    memory.numbers[memory.numbersAt(this.#slot) + RESPONSE_LENGTH] = length;
    this.#putText(RESPOND, isOwn ? fieldLines(fields) : reason + fieldLines(fields));
    this.#later();
  }

  write(bytes: Uint8Array): boolean {
    this.#response.count(bytes.length);
    if (bytes.length === 0 || this.#headOnly || this.#lost) return true;
    this.bytesSent += bytes.length;
    this.#put(DATA, bytes);
    if (this.#desk.writer.unpublished >= BATCH) this.flush();
    else this.#later();
    this.#full = this.#rest.length > 0;
    return !this.#full;
  }

  end(trailers?: FieldList): void {
    this.#response.finish();
    this.#putText(END, trailers === undefined ? "" : fieldLines(trailers));
    this.#later();
  }

  retract(): boolean {
    if (!this.#response.hasBegun) return true;
    if (this.#lost || this.#tunnel || this.#rest.length > 0 || !this.#desk.writer.retract(this.#mark)) return false;
    this.#response.takeBack();
    this.status = this.bytesSent = 0;
    // What was said behind the response comes before what is said of the next.
    this.#putLines(true);
    this.#desk.writer.publish();
    return true;
  }

  closeConnection(): void {
    this.#close = true;
    if (this.#response.hasBegun) this.#put(CLOSE, NOTHING);
  }

  abort(): void {
    if (this.#response.ended) return;
    this.#response.breakOff();
    this.#put(ABORT, NOTHING);
    this.flush();
  }

  /** Hands a line over to the log. */
  log(line: string): void {
    if (!this.#response.hasBegun && this.#rest.length === 0) {
      // Nothing wakes the event loop for it, but it is there, whatever becomes of this thread.
      this.#put(LOG, Buffer.from(line));
      this.#desk.writer.publish();
    } else {
      if (this.#lines === NONE) this.#lines = [];
      this.#lines.push(line);
      this.#later();
    }
  }

  /** Hands over what was put so far. */
  flush(): void {
    if (this.#released) return;
    this.#putLines(false);
    const { writer } = this.#desk;
    if (writer.unpublished === 0) return;
    writer.publish();
    this.#desk.call(this.#slot);
  }

  turnEnded(): void {
    this.#queued = false;
    this.flush();
  }

  release(watcher: ResponseWatcher | null = null): void {
    this.abort(); // does nothing when the response has ended
    watcher?.onSent(!this.#lost); // as far as this thread can know
    this.#putLines(true);
    const rest = this.#rest;
    this.sink = NO_SINK;
    this.#desk.writer.publish();
    // From here on, the slot and the writer may be another request's: whoever has kept this one reads and writes nothing any more.
    this.#released = true;
    this.#rest = NONE;
    this.#desk.settling(this.#slot);
    Atomics.store(this.#words, this.#at + DONE, rest.length > 0 ? 2 : 1);
    this.#desk.call(this.#slot);
    if (rest.length > 0) this.#desk.sendRest(this.ticket, rest);
    this.#desk.released();
  }

  // News

  /** Looks for news of the peer, content and room, and tells the sink. */
  poll(): void {
    if (this.#released) return;
    const gone = this.#load(GONE);
    if (gone !== this.#gone) {
      this.#gone = gone;
      const why = decodeGone(gone);
      if (why.kind !== "half-closed" && why.canRespond !== true) {
        this.#lost = true;
        this.#rest = this.#rest.filter((record) => record.kind === LOG);
      }
      this.sink.onGone(why);
    }
    if (!this.#lost && this.#waiting && (this.#content.length > 0 || this.#ended())) {
      this.#wait(false);
      this.sink.onReadable();
    }
    if (this.#rest.length > 0 && this.#load(OUT_FULL) === 0) {
      this.#putRest();
      if (this.#full && this.#rest.length === 0) {
        this.#full = false;
        this.sink.onWritable();
      }
    }
  }

  block(): void {
    if (this.#released) throw new Error("cannot wait for the client: the handler has ended");
    this.flush();
    this.#desk.wait(() => this.#hasNews());
    this.poll();
  }

  #hasNews(): boolean {
    return (
      this.#load(GONE) !== this.#gone ||
      (this.#waiting && (this.#content.length > 0 || this.#ended())) ||
      (this.#rest.length > 0 && this.#load(OUT_FULL) === 0)
    );
  }

  get #words(): Int32Array {
    return this.#desk.memory.words;
  }

  #load(word: number): number {
    return Atomics.load(this.#words, this.#at + word);
  }

  #later(): void {
    if (this.#queued) return;
    this.#queued = true;
    this.#desk.atTurnEnd(this);
  }

  #putText(kind: number, text: string): void {
    if (this.#released || this.#lost) return;
    if (this.#rest.length > 0 || !this.#desk.writer.putText(kind, text)) this.#put(kind, Buffer.from(text, "latin1"));
  }

  /** Puts a record; what there is no room for waits. The bytes may be reused on return. */
  #put(kind: number, bytes: Uint8Array): void {
    if (this.#released || (this.#lost && kind !== LOG)) return;
    const { writer } = this.#desk;
    let from = 0;
    while (this.#rest.length === 0) {
      const n = writer.put(kind, bytes, from);
      if (n < 0) break;
      from += n;
      if (from === bytes.length) return;
    }
    if (this.#rest === NONE) this.#rest = [];
    this.#rest.push({ kind, bytes: new Uint8Array(bytes.subarray(from)) });
    if (this.#rest.length === 1) this.#waitForRoom();
  }

  #putRest(): void {
    const { writer } = this.#desk;
    while (this.#rest.length > 0) {
      const { kind, bytes } = this.#rest[0];
      const n = writer.put(kind, bytes, 0);
      if (n < 0) break;
      if (n === bytes.length) this.#rest.shift();
      else this.#rest[0] = { kind, bytes: bytes.subarray(n) };
    }
    if (this.#rest.length > 0) this.#waitForRoom();
    else this.flush();
  }

  /** Hands over what there was room for, and asks to be told of more. */
  #waitForRoom(): void {
    Atomics.store(this.#words, this.#at + OUT_FULL, 1);
    this.#desk.writer.publish();
    this.#desk.call(this.#slot);
  }

  /**
   * A line that is put behind content waits as that does, for a slow client; only at the end all is taken. So before that it is sent,
   * and so are those behind it, to stay in order.
   */
  #putLines(atEnd: boolean): void {
    const lines = this.#lines;
    if (lines.length === 0) return;
    this.#lines = NONE;
    this.#sendsLines ||= !atEnd;
    for (const line of lines) {
      if (this.#sendsLines) this.#desk.sendLine(line);
      else this.#put(LOG, Buffer.from(line));
    }
  }
}

const NOTHING = Buffer.alloc(0);
