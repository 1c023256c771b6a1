/** Shared memory between the main thread and one thread of handlers: two rings of fixed slots, and a few words beside them. */

export const SLOTS = 8;
export const SLOT_SIZE = 2048;

// Kinds of records.
/** To the thread: a request's head, as JSON. */
export const HEAD = 1;
/** To the thread: a request's content has ended; its trailers, as JSON. */
export const BODY_END = 2;
/** To the main thread: an answer's head, as JSON. */
export const ANSWER = 3;
/** To the main thread: the answer has ended; its trailers, as JSON. */
export const ANSWER_END = 4;
/** To the main thread: the handler has settled. The thread touches nothing more of that request. */
export const SETTLED = 5;
/** Either way: content. */
export const DATA = 6;
/** Added to a kind: what it holds, longer than a slot, goes on in the next record. */
export const MORE = 8;

const PUT = 0;
const TAKEN = 1;
const KINDS = 2;
const LENGTHS = KINDS + SLOTS;
const RING_WORDS = LENGTHS + SLOTS;

/** One producer, one consumer. Neither side waits in here. */
class Ring {
  readonly #words: Int32Array;
  readonly #slots: readonly Uint8Array[];

  constructor(memory: SharedArrayBuffer, words: number, bytes: number) {
    this.#words = new Int32Array(memory, words, RING_WORDS);
    this.#slots = Array.from({ length: SLOTS }, (_, i) => new Uint8Array(memory, bytes + i * SLOT_SIZE, SLOT_SIZE));
  }

  /** The slot to fill next, null while all are full. */
  get room(): Uint8Array | null {
    const put = this.#words[PUT];
    return put - Atomics.load(this.#words, TAKEN) < SLOTS ? this.#slots[put % SLOTS] : null;
  }

  /** Hands over the slot that `room` gave. */
  put(kind: number, length: number): void {
    const put = this.#words[PUT];
    this.#words[KINDS + (put % SLOTS)] = kind;
    this.#words[LENGTHS + (put % SLOTS)] = length;
    Atomics.store(this.#words, PUT, put + 1);
  }

  /** The kind of the oldest record, 0 when there is none. */
  get kind(): number {
    const taken = this.#words[TAKEN];
    return taken < Atomics.load(this.#words, PUT) ? this.#words[KINDS + (taken % SLOTS)] : 0;
  }

  /** What the oldest record holds, until it is taken. */
  get bytes(): Uint8Array {
    const slot = this.#words[TAKEN] % SLOTS;
    return this.#slots[slot].subarray(0, this.#words[LENGTHS + slot]);
  }

  /** Gives the slot of the oldest record back. */
  take(): void {
    Atomics.store(this.#words, TAKEN, this.#words[TAKEN] + 1);
  }
}

const WORDS = 5;
const SIZE = 4 * (WORDS + 2 * RING_WORDS) + 2 * SLOTS * SLOT_SIZE;

/** What both sides see. Requests are numbered from 1, so that what is said of one is never taken for the next. */
export class SharedLine {
  /** Rung by the main thread, waited for by the thread. */
  static readonly BELL = 0;
  /** Whether a message that wakes the main thread is on its way. */
  static readonly WAKING = 1;
  /** The number of the request whose content the handler has asked for. */
  static readonly WANTED = 2;
  /** The number of the last request whose peer is gone. */
  static readonly CANCELLED = 3;
  /** Not 0 once a handler that blocks for the sake of a test may go on. */
  static readonly GATE = 4;

  readonly memory: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly toThread: Ring;
  readonly toMain: Ring;

  constructor(memory = new SharedArrayBuffer(SIZE)) {
    const rings = 4 * WORDS;
    const slots = rings + 8 * RING_WORDS;
    this.memory = memory;
    this.words = new Int32Array(memory, 0, WORDS);
    this.toThread = new Ring(memory, rings, slots);
    this.toMain = new Ring(memory, rings + 4 * RING_WORDS, slots + SLOTS * SLOT_SIZE);
  }
}

export interface SentHead {
  number: number;
  method: string;
  target: string;
  fields: [name: string, value: string][];
}

export interface SentAnswer {
  status: number;
  reason: string;
  fields: [name: string, value: string][];
  length: number;
}
