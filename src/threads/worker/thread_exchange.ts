/** The exchange of a handler in a thread: reads the request from shared memory, and writes the response there. */
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
} from "../shared/pool_memory.ts";
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
  type UnsentRecord,
} from "../shared/rings.ts";

/** A response of which this much has been put is handed over at once, not at the end of the turn. In bytes. */
const BATCH = 16 * 1024;

/** What an exchange needs of the thread that it runs in. */
export interface ThreadExchangeOwner {
  readonly memory: PoolMemory;
  readonly writer: RecordWriter;
  contentOf(slot: number): ContentRing;
  /** Makes the event loop look at a slot. */
  call(slot: number): void;
  /** Calls `turnEnded` at the end of this turn, unless the handler settles before it has awaited anything. */
  atTurnEnd(task: FlushTask): void;
  /** Blocks until `isReady` returns true; looks again whenever the event loop has news of the request. */
  wait(isReady: () => boolean): void;
  /** Sends a line of the log by message, so that it does not wait behind the content in the ring. */
  sendLine(line: string): void;
  /** Sends the records that the ring had no room for by message. */
  sendUnsent(ticket: number, records: readonly UnsentRecord[]): void;
  /** The handler has settled. The slot is still this thread's, so numbers can be written there. */
  settling(slot: number): void;
  /** The slot is not this thread's any more: the thread may run another request. */
  released(): void;
}

/** The empty list of log lines and of records that wait: most exchanges never have either, so they share it. */
const NONE = Object.freeze([]) as never[];

export class ThreadExchange implements Exchange, FlushTask {
  readonly head: ThreadHead;
  readonly ticket: number;
  trailers: Fields | undefined = undefined;
  sink: Sink = NO_SINK;
  status = 0;
  bytesReceived = 0;
  bytesSent = 0;
  readonly #owner: ThreadExchangeOwner;
  readonly #response = new ResponseState();
  readonly #slot: number;
  /** Where the slot's words are. */
  readonly #at: number;
  readonly #content: ContentRing;
  readonly #bodyLength: number;
  #isTunnel = false;
  #hasContinued: boolean;
  #gone = 0;
  /** The client has gone altogether: nothing can be read, and all that is written is dropped. */
  #isLost = false;
  #isWaiting = false;
  #isAtEnd = false;
  /** The position in the ring where the response begins. */
  #responseStart = 0;
  #isHeadOnly = false;
  #closesConnection = false;
  #isFlushPlanned = false;
  /** Records that the ring had no room for. */
  #unsent: UnsentRecord[] = NONE;
  #isFull = false;
  #isReleased = false;
  /** Lines of the log that are handed over with the next records. In the ring, they would be taken back with a response. */
  #logLines: string[] = NONE;
  /** A line was sent by message, so all later lines must be as well, to stay in order. */
  #sendsLogLines = false;

  constructor(owner: ThreadExchangeOwner, slot: number) {
    const { memory } = owner;
    this.head = new ThreadHead(memory, slot);
    this.#owner = owner;
    this.#slot = slot;
    this.#at = memory.slotAt(slot);
    this.ticket = memory.words[this.#at + TICKET];
    this.#content = owner.contentOf(slot);
    this.#bodyLength = memory.numbers[memory.numbersAt(slot) + BODY_LENGTH];
    this.#hasContinued = (memory.words[this.#at + FLAGS] & 1) === 0;
    owner.writer.open(slot);
  }

  get connection(): ConnectionInfo {
    return this.head.connection;
  }

  get began(): number | undefined {
    const { memory } = this.#owner;
    const began = memory.numbers[memory.numbersAt(this.#slot) + BEGAN];
    return began === 0 ? undefined : began - origin;
  }

  get bodyLength(): number {
    return this.#isTunnel ? -1 : this.#bodyLength;
  }

  get waitsForContinue(): boolean {
    return !this.#hasContinued;
  }

  // The request's content

  limitBody(): void {} // the event loop has set the limits

  demand(): void {
    this.#hasContinued = true;
    if (this.#isLost || this.#isReleased || this.#load(IN_STATE) !== 0) return;
    if (Atomics.exchange(this.#words, this.#at + IN_WANTED, 1) === 0) this.#owner.call(this.#slot);
  }

  readInto(to: Uint8Array, at: number, max: number): number {
    if (this.#isLost || this.#isReleased) return 0;
    if (this.#isAtEnd) return -1;
    let n = this.#take(to, at, max);
    if (n === 0) {
      // Say first that this thread waits, then look once more: the event loop wakes it for content that comes later.
      if (!this.#isWaiting) this.#setWaiting(true);
      n = this.#take(to, at, max);
    }
    if (n !== 0 && this.#isWaiting) this.#setWaiting(false);
    return n;
  }

  /** Only the thread changes this word: the event loop cannot know whether the thread has seen the content that it has put. */
  #setWaiting(waits: boolean): void {
    this.#isWaiting = waits;
    Atomics.store(this.#words, this.#at + IN_WAITING, waits ? 1 : 0);
  }

  #take(to: Uint8Array, at: number, max: number): number {
    const state = this.#load(IN_STATE); // is loaded first: after the end is stored, no more content is put
    const n = this.#content.take(to, at, max);
    if (n > 0) {
      this.bytesReceived += n;
      const isFull = this.#load(IN_FULL) === 1;
      if (isFull && this.#content.room >= this.#owner.memory.layout.ringSize >> 1) {
        Atomics.store(this.#words, this.#at + IN_FULL, 0);
        this.#owner.call(this.#slot);
      }
      return n;
    }
    if (state === 0) return 0;
    this.#isAtEnd = true;
    if (state === 2) this.trailers = readTrailers(this.#owner.memory, this.#slot);
    return -1;
  }

  #contentEnded(): boolean {
    return this.#load(IN_STATE) !== 0;
  }

  // The response

  inform(status: number, fields: FieldList): void {
    this.#response.checkInterim(status);
    if (status === 100) this.#hasContinued = true;
    this.#putText(INFORM, status + fieldLines(fields));
    this.flush();
  }

  respond(status: number, reason: string, fields: FieldList, length: number): void {
    this.#response.checkBegin(status, length);
    const { method } = this.head;
    if (opensTunnel(method, status)) {
      if (this.#bodyLength !== 0 && !this.#isAtEnd && !(this.#contentEnded() && this.#content.length === 0))
        throw new Error("cannot open the tunnel: the request has content, which must be read to its end first");
      this.#isTunnel = true;
      this.#isAtEnd = false;
      Atomics.store(this.#words, this.#at + IN_STATE, 0);
      length = -1;
    }
    this.#isHeadOnly = isHeadOnly(method, status);
    this.#response.begin(this.#isHeadOnly ? -1 : length);
    if (this.#isLost) return;
    this.status = status;
    if (this.#closesConnection) this.#put(CLOSE, NOTHING);
    const { memory, writer } = this.#owner;
    this.#responseStart = writer.position;
    const isOwn = reason === reasonOf(status);
    this.#words[this.#at + STATUS] = status;
    this.#words[this.#at + REASON] = isOwn ? -1 : reason.length;
    memory.numbers[memory.numbersAt(this.#slot) + RESPONSE_LENGTH] = length;
    this.#putText(RESPOND, isOwn ? fieldLines(fields) : reason + fieldLines(fields));
    this.#flushLater();
  }

  write(bytes: Uint8Array): boolean {
    this.#response.count(bytes.length);
    if (bytes.length === 0 || this.#isHeadOnly || this.#isLost) return true;
    this.bytesSent += bytes.length;
    this.#put(DATA, bytes);
    if (this.#owner.writer.unpublished >= BATCH) this.flush();
    else this.#flushLater();
    this.#isFull = this.#unsent.length > 0;
    return !this.#isFull;
  }

  end(trailers?: FieldList): void {
    this.#response.finish();
    this.#putText(END, trailers === undefined ? "" : fieldLines(trailers));
    this.#flushLater();
  }

  retract(): boolean {
    if (!this.#response.hasBegun) return true;
    if (this.#isLost || this.#isTunnel || this.#unsent.length > 0 || !this.#owner.writer.retract(this.#responseStart))
      return false;
    this.#response.takeBack();
    this.status = this.bytesSent = 0;
    // Lines that were logged after the response had begun must come before later ones.
    this.#putLogLines(true);
    this.#owner.writer.publish();
    return true;
  }

  closeConnection(): void {
    this.#closesConnection = true;
    if (this.#response.hasBegun) this.#put(CLOSE, NOTHING);
  }

  abort(): void {
    if (this.#response.ended) return;
    this.#response.breakOff();
    this.#put(ABORT, NOTHING);
    this.flush();
  }

  /** Logs a line. */
  log(line: string): void {
    if (!this.#response.hasBegun && this.#unsent.length === 0) {
      // The event loop is not woken for it, but the line is safe in shared memory even if this thread is lost.
      this.#put(LOG, Buffer.from(line));
      this.#owner.writer.publish();
    } else {
      if (this.#logLines === NONE) this.#logLines = [];
      this.#logLines.push(line);
      this.#flushLater();
    }
  }

  /** Hands over all records that were put so far. */
  flush(): void {
    if (this.#isReleased) return;
    this.#putLogLines(false);
    const { writer } = this.#owner;
    if (writer.unpublished === 0) return;
    writer.publish();
    this.#owner.call(this.#slot);
  }

  turnEnded(): void {
    this.#isFlushPlanned = false;
    this.flush();
  }

  release(watcher: ResponseWatcher | null = null): void {
    this.abort(); // does nothing when the response has ended
    watcher?.onSent(!this.#isLost); // as far as this thread can know
    this.#putLogLines(true);
    const unsent = this.#unsent;
    this.sink = NO_SINK;
    this.#owner.writer.publish();
    // From here on, the slot and the writer may be another request's: a handler that has kept this exchange can no longer use them.
    this.#isReleased = true;
    this.#unsent = NONE;
    this.#owner.settling(this.#slot);
    Atomics.store(this.#words, this.#at + DONE, unsent.length > 0 ? 2 : 1);
    this.#owner.call(this.#slot);
    if (unsent.length > 0) this.#owner.sendUnsent(this.ticket, unsent);
    this.#owner.released();
  }

  // News from the event loop

  /** Looks whether the client has gone, content has come or there is room again, and tells the sink. */
  poll(): void {
    if (this.#isReleased) return;
    const gone = this.#load(GONE);
    if (gone !== this.#gone) {
      this.#gone = gone;
      const why = decodeGone(gone);
      if (why.kind !== "half-closed" && why.canRespond !== true) {
        this.#isLost = true;
        this.#unsent = this.#unsent.filter((record) => record.kind === LOG);
      }
      this.sink.onGone(why);
    }
    if (!this.#isLost && this.#isWaiting && (this.#content.length > 0 || this.#contentEnded())) {
      this.#setWaiting(false);
      this.sink.onReadable();
    }
    if (this.#unsent.length > 0 && this.#load(OUT_FULL) === 0) {
      this.#putUnsent();
      if (this.#isFull && this.#unsent.length === 0) {
        this.#isFull = false;
        this.sink.onWritable();
      }
    }
  }

  block(): void {
    if (this.#isReleased) throw new Error("cannot wait for the client: the handler has ended");
    this.flush();
    this.#owner.wait(() => this.#hasNews());
    this.poll();
  }

  #hasNews(): boolean {
    return (
      this.#load(GONE) !== this.#gone ||
      (this.#isWaiting && (this.#content.length > 0 || this.#contentEnded())) ||
      (this.#unsent.length > 0 && this.#load(OUT_FULL) === 0)
    );
  }

  get #words(): Int32Array {
    return this.#owner.memory.words;
  }

  #load(word: number): number {
    return Atomics.load(this.#words, this.#at + word);
  }

  #flushLater(): void {
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    this.#owner.atTurnEnd(this);
  }

  #putText(kind: number, text: string): void {
    if (this.#isReleased || this.#isLost) return;
    if (this.#unsent.length > 0 || !this.#owner.writer.putText(kind, text))
      this.#put(kind, Buffer.from(text, "latin1"));
  }

  /** Puts a record; bytes that the ring has no room for are copied and wait. The bytes may be reused on return. */
  #put(kind: number, bytes: Uint8Array): void {
    if (this.#isReleased || (this.#isLost && kind !== LOG)) return;
    const { writer } = this.#owner;
    let from = 0;
    while (this.#unsent.length === 0) {
      const n = writer.put(kind, bytes, from);
      if (n < 0) break;
      from += n;
      if (from === bytes.length) return;
    }
    if (this.#unsent === NONE) this.#unsent = [];
    this.#unsent.push({ kind, bytes: new Uint8Array(bytes.subarray(from)) });
    if (this.#unsent.length === 1) this.#waitForRoom();
  }

  #putUnsent(): void {
    const { writer } = this.#owner;
    while (this.#unsent.length > 0) {
      const { kind, bytes } = this.#unsent[0];
      const n = writer.put(kind, bytes, 0);
      if (n < 0) break;
      if (n === bytes.length) this.#unsent.shift();
      else this.#unsent[0] = { kind, bytes: bytes.subarray(n) };
    }
    if (this.#unsent.length > 0) this.#waitForRoom();
    else this.flush();
  }

  /** Hands over the records that are in the ring, and asks the event loop to say when it has made room. */
  #waitForRoom(): void {
    Atomics.store(this.#words, this.#at + OUT_FULL, 1);
    this.#owner.writer.publish();
    this.#owner.call(this.#slot);
  }

  /**
   * Hands over the waiting lines of the log. In the ring, a line would wait behind content for a slow client, until the handler settles.
   * So until then lines are sent by message; once one was, all later lines are, to stay in order.
   */
  #putLogLines(atEnd: boolean): void {
    const lines = this.#logLines;
    if (lines.length === 0) return;
    this.#logLines = NONE;
    this.#sendsLogLines ||= !atEnd;
    for (const line of lines) {
      if (this.#sendsLogLines) this.#owner.sendLine(line);
      else this.#put(LOG, Buffer.from(line));
    }
  }
}

const NOTHING = Buffer.alloc(0);
