/** The two ring buffers of a slot: plain bytes for the content of a request, records for its response. Nothing here blocks. */
import { copy, writeLatin1 } from "../../protocol/bytes.ts";
import type { Exchange } from "../../protocol/exchange.ts";
import type { PoolMemory } from "./pool_memory.ts";
import { IN_PUT, IN_TAKEN, OUT_PUT, OUT_TAKEN } from "./pool_memory.ts";

// Kinds of records
/** The head of the response: its reason phrase, unless it is the usual one, and its field lines. The slot's words have its status. */
export const RESPOND = 1;
/** Content of the response. */
export const DATA = 2;
/** The end of the response: the field lines of its trailers, if it has any. */
export const END = 3;
/** An interim response: the three digits of its status, and its field lines. */
export const INFORM = 4;
/** A line of the log, as UTF-8. */
export const LOG = 5;
/** The connection is to be closed after this response. */
export const CLOSE = 6;
/** The response is broken off. */
export const ABORT = 7;
/** Fills the end of the ring, if only the head of a record fits there. */
const PAD = 8;
/** Added to a kind: the data goes on in the next record. */
export const MORE = 16;

/** Bytes of a record before its data: its kind and its length. */
const RECORD_HEAD = 8;

/** A record, or the end of one, that its ring had no room for. */
export interface UnsentRecord {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/** Puts records into the ring of a response; for the thread. `publish` hands them over; before that, they can be taken back. */
export class RecordWriter {
  readonly #memory: PoolMemory;
  readonly #size: number;
  #words = 0;
  #bytes = 0;
  #put = 0;
  #taken = 0;
  #published = 0;

  constructor(memory: PoolMemory) {
    this.#memory = memory;
    this.#size = memory.layout.ringSize;
  }

  /** Begins to write into the ring of a slot, which must be empty. */
  open(slot: number): void {
    this.#words = this.#memory.slotAt(slot);
    this.#bytes = this.#memory.outAt(slot);
    this.#put = this.#taken = this.#published = 0;
  }

  /** The position of the next record. */
  get position(): number {
    return this.#put;
  }

  /** How many bytes have been put and not handed over yet. */
  get unpublished(): number {
    return (this.#put - this.#published) | 0;
  }

  publish(): void {
    if (this.#put === this.#published) return;
    this.#published = this.#put;
    Atomics.store(this.#memory.words, this.#words + OUT_PUT, this.#put);
  }

  /** Takes back all records from a position on. @returns false if they were handed over already */
  retract(position: number): boolean {
    if (((position - this.#published) | 0) < 0) return false;
    this.#put = position;
    return true;
  }

  /**
   * Puts a record of bytes[from …]. If there is not room for all of them, it puts the first part, as a record of the kind + MORE.
   * @returns how many of the bytes were put; -1 if there is no room
   */
  put(kind: number, bytes: Uint8Array, from: number): number {
    const length = bytes.length - from;
    const room = this.#room(length);
    if (room < 0) return -1;
    const n = Math.min(length, room);
    copy(bytes, from, from + n, this.#memory.bytes, this.#at());
    this.#commit(n < length ? kind | MORE : kind, n);
    return n;
  }

  /** Puts a record of text, one byte a character. @returns false if there is no room for all of it */
  putText(kind: number, text: string): boolean {
    if (this.#room(text.length) < text.length) return false;
    if (text !== "") writeLatin1(this.#memory.bytes, this.#at(), text);
    this.#commit(kind, text.length);
    return true;
  }

  #at(): number {
    return this.#bytes + (this.#put & (this.#size - 1)) + RECORD_HEAD;
  }

  /** How many bytes of data a record may have now; -1 if there is too little room. */
  #room(wanted: number): number {
    const size = this.#size;
    // Very small records cost more than it costs to wait for room.
    const least = Math.min(aligned(wanted), size >> 2) + RECORD_HEAD;
    if (size - ((this.#put - this.#taken) | 0) < least + RECORD_HEAD) {
      this.#taken = Atomics.load(this.#memory.words, this.#words + OUT_TAKEN);
      if (size - ((this.#put - this.#taken) | 0) < least + RECORD_HEAD) return -1;
    }
    let toEnd = size - (this.#put & (size - 1));
    if (toEnd === RECORD_HEAD && wanted > 0) {
      this.#commit(PAD, 0);
      toEnd = size;
    }
    return Math.min(toEnd, size - ((this.#put - this.#taken) | 0)) - RECORD_HEAD;
  }

  #commit(kind: number, length: number): void {
    const { words } = this.#memory;
    const at = (this.#bytes + (this.#put & (this.#size - 1))) >> 2;
    words[at] = kind;
    words[at + 1] = length;
    this.#put = (this.#put + RECORD_HEAD + aligned(length)) | 0;
  }
}

/** Takes records from the ring of a response; for the event loop. */
export class RecordReader {
  readonly #memory: PoolMemory;
  readonly #words: number;
  readonly #bytes: number;
  readonly #mask: number;
  #taken = 0;
  #put = 0;
  /** The index of the present record's data in the bytes of the memory, and its length. */
  start = 0;
  length = 0;

  constructor(memory: PoolMemory, slot: number) {
    this.#memory = memory;
    this.#words = memory.slotAt(slot);
    this.#bytes = memory.outAt(slot);
    this.#mask = memory.layout.ringSize - 1;
  }

  /** Begins to read the ring for another request. */
  open(): void {
    this.#taken = this.#put = 0;
  }

  /** Finds the records that were handed over until now. */
  look(): void {
    this.#put = Atomics.load(this.#memory.words, this.#words + OUT_PUT);
  }

  /** The kind of the oldest record that `look` has found, which becomes the present one; 0 if there is none. */
  next(): number {
    const { words } = this.#memory;
    for (;;) {
      if (this.#taken === this.#put) return 0;
      const at = this.#bytes + (this.#taken & this.#mask);
      this.start = at + RECORD_HEAD;
      this.length = words[(at >> 2) + 1];
      if (words[at >> 2] !== PAD) return words[at >> 2];
      this.take();
    }
  }

  /** Takes the present record out. */
  take(): void {
    this.#taken = (this.#taken + RECORD_HEAD + aligned(this.length)) | 0;
  }

  /** Gives the room of the records that were taken back to the thread. */
  publish(): void {
    Atomics.store(this.#memory.words, this.#words + OUT_TAKEN, this.#taken);
  }
}

/** The ring of a request's content. The event loop fills it, and the thread takes from it. */
export class ContentRing {
  readonly #memory: PoolMemory;
  readonly #words: number;
  readonly #bytes: number;
  readonly #size: number;

  constructor(memory: PoolMemory, slot: number) {
    this.#memory = memory;
    this.#words = memory.slotAt(slot);
    this.#bytes = memory.inAt(slot);
    this.#size = memory.layout.ringSize;
  }

  /** How many bytes are in the ring. */
  get length(): number {
    const { words } = this.#memory;
    return (Atomics.load(words, this.#words + IN_PUT) - Atomics.load(words, this.#words + IN_TAKEN)) | 0;
  }

  /** How many more bytes fit. */
  get room(): number {
    return this.#size - this.length;
  }

  /**
   * Reads content into the ring, as much as there is contiguous room for.
   * @returns the same as Exchange.readInto; also 0 if there is no room
   */
  fill(exchange: Pick<Exchange, "readInto">): number {
    const { words, bytes } = this.#memory;
    const put = words[this.#words + IN_PUT];
    const at = put & (this.#size - 1);
    const max = Math.min(this.room, this.#size - at);
    if (max === 0) return 0;
    const n = exchange.readInto(bytes, this.#bytes + at, max);
    if (n > 0) Atomics.store(words, this.#words + IN_PUT, (put + n) | 0);
    return n;
  }

  /** Takes at most `max` bytes. @returns how many */
  take(to: Uint8Array, at: number, max: number): number {
    const { words, bytes } = this.#memory;
    const taken = words[this.#words + IN_TAKEN];
    const n = Math.min(max, this.length);
    const from = taken & (this.#size - 1);
    const first = Math.min(n, this.#size - from);
    const begin = this.#bytes + from;
    copy(bytes, begin, begin + first, to, at);
    if (first < n) copy(bytes, this.#bytes, this.#bytes + n - first, to, at + first);
    Atomics.store(words, this.#words + IN_TAKEN, (taken + n) | 0);
    return n;
  }
}

function aligned(n: number): number {
  return (n + 7) & ~7;
}
