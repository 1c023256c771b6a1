/** The two rings of a slot: plain bytes for the content of a request, records for its response. Neither side waits in here. */
import { copy, writeLatin1 } from "../../protocol/bytes.ts";
import type { Exchange } from "../../protocol/exchange.ts";
import type { PoolMemory } from "./memory.ts";
import { IN_PUT, IN_TAKEN, OUT_PUT, OUT_TAKEN } from "./memory.ts";

// Kinds of records
/** The head of the response: its reason phrase, where that is not the status' own, and its field lines; the rest is in the slot's words. */
export const RESPOND = 1;
/** Content of the response. */
export const DATA = 2;
/** The response has ended; its trailers, or nothing. */
export const END = 3;
/** An interim response: three digits of its status, its field lines. */
export const INFORM = 4;
/** A line of the log, as UTF-8. */
export const LOG = 5;
/** The connection shall end behind this response. */
export const CLOSE = 6;
/** The response is given up. */
export const ABORT = 7;
/** Fills the end of the ring, where nothing else fits. */
const PAD = 8;
/** Added to a kind: what it holds goes on in the next record. */
export const MORE = 16;

/** Bytes of a record before what it holds: its kind and its length. */
const RECORD_HEAD = 8;

/** A record that found no room in its ring. */
export interface Rest {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/** Puts records into the ring of a response; for the thread. They are handed over by `publish`, and can be taken back before. */
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

  /** Begins with the empty ring of another slot. */
  open(slot: number): void {
    this.#words = this.#memory.slotAt(slot);
    this.#bytes = this.#memory.outAt(slot);
    this.#put = this.#taken = this.#published = 0;
  }

  /** Where the next record goes. */
  get position(): number {
    return this.#put;
  }

  /** How many bytes have been put and not handed over. */
  get unpublished(): number {
    return (this.#put - this.#published) | 0;
  }

  publish(): void {
    if (this.#put === this.#published) return;
    this.#published = this.#put;
    Atomics.store(this.#memory.words, this.#words + OUT_PUT, this.#put);
  }

  /** Takes back what was put from a position on. @returns false when it was handed over */
  retract(position: number): boolean {
    if (((position - this.#published) | 0) < 0) return false;
    this.#put = position;
    return true;
  }

  /**
   * Puts a record that holds bytes[from …], or as much of them as there is room for; then it is of the kind + MORE.
   * @returns how many of the bytes were put; -1 where there is no room
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

  /** Puts a record that holds text, one byte a character. @returns false where there is no room for all of it */
  putText(kind: number, text: string): boolean {
    if (this.#room(text.length) < text.length) return false;
    if (text !== "") writeLatin1(this.#memory.bytes, this.#at(), text);
    this.#commit(kind, text.length);
    return true;
  }

  #at(): number {
    return this.#bytes + (this.#put & (this.#size - 1)) + RECORD_HEAD;
  }

  /** How much a record may hold; -1 where there is no room worth it. */
  #room(wanted: number): number {
    const size = this.#size;
    // Crumbs would cost more than they carry.
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
  /** Where in the bytes of the memory the present record's lie, and how many there are. */
  start = 0;
  length = 0;

  constructor(memory: PoolMemory, slot: number) {
    this.#memory = memory;
    this.#words = memory.slotAt(slot);
    this.#bytes = memory.outAt(slot);
    this.#mask = memory.layout.ringSize - 1;
  }

  /** Begins with the empty ring of another request's. */
  open(): void {
    this.#taken = this.#put = 0;
  }

  /** Sees what was handed over until now. */
  look(): void {
    this.#put = Atomics.load(this.#memory.words, this.#words + OUT_PUT);
  }

  /** The kind of the oldest record of those seen; 0 where there is none. */
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

  /** Lets go of the oldest record. */
  take(): void {
    this.#taken = (this.#taken + RECORD_HEAD + aligned(this.length)) | 0;
  }

  /** Gives the room of what was taken back. */
  publish(): void {
    Atomics.store(this.#memory.words, this.#words + OUT_TAKEN, this.#taken);
  }
}

/** The ring of a request's content, as either side sees it. */
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

  /** How many bytes are in it. */
  get length(): number {
    const { words } = this.#memory;
    return (Atomics.load(words, this.#words + IN_PUT) - Atomics.load(words, this.#words + IN_TAKEN)) | 0;
  }

  /** How many bytes fit. */
  get room(): number {
    return this.#size - this.length;
  }

  /**
   * Fills what room there is in one piece.
   * @returns as Exchange.readInto; 0 too where there is no room
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
