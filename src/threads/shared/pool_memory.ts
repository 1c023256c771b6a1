/**
 * The memory that the event loop and its threads share: a queue of slots, and in each slot one request and its response.
 *
 *   words    the queue; for each thread a bell, a mode and the like; for each slot its state, positions and the like
 *   numbers  five for each slot
 *   slots    for each: the head of the request, a ring for its content, a ring for the response
 *
 * One side writes data, then hands it over by an atomic store of a position or a state. The other side finds it by an atomic load. All
 * of Atomics is sequentially consistent. The sides that write each word:
 *
 *   the event loop   TAIL, the queue, ENDING; the head of a request, ROUTE, GONE, its content up to IN_PUT, IN_STATE, OUT_TAKEN
 *   the thread       the response up to OUT_PUT, its STATUS and the like; DONE, IN_TAKEN, IN_WAITING; its COUNT, SINCE, STARTED, TOOK
 *   both             HEAD: either side moves it past places whose request was taken or given up
 *                    STATE: the loop stores a ticket, and FREE at the end; the thread that takes the request stores -1 - its index
 *                    MODE: the thread says that it is idle; the side that changes this to BUSY makes sure that the thread works
 *                    BELL: the loop adds 1 to wake the thread
 *                    MAIL, LOOKING, the bits of ATTENTION: set by the side that calls, cleared by the side that looks
 *                    IN_WANTED: set by the thread; IN_STATE: the thread sets it back to 0 for a tunnel
 *                    IN_FULL, OUT_FULL: set by the side that waits for room, cleared by the side that makes room
 *
 * A thread can be ended between any two of its stores. So a slot says which thread has it before the queue moves on. Data that the
 * thread has handed over counts; data that it was about to hand over is lost. LOOKING and ATTENTION need no repair then, since the loop
 * looks at all slots of a thread that has ended.
 */
import { Buffer } from "node:buffer";
import { performance } from "node:perf_hooks";
import process from "node:process";

/** Two cache lines, in words. Words that different threads write lie this far apart, so that a write takes no line from other threads. */
const SPACING = 32;

// Words of the pool
/** The position in the queue from which the next request is taken. */
export const HEAD = 0;
/** The position in the queue to which the next request is put; only the event loop writes it. */
export const TAIL = SPACING;
/** 1: the event loop will look at the slots anyway, so threads need not send it a message. */
export const LOOKING = 2 * SPACING;
/** A bit for each slot, in one word for 32 slots: the event loop should look at the slot. */
const ATTENTION = 3 * SPACING;
/** The port that the server listens on, and the length of its host. */
const PORT = 4 * SPACING;
const HOST_LENGTH = PORT + 1;
/** 1: the server stops. */
const STOPPING = PORT + 2;
/** The server's statistics: see stats.ts. */
export const STATS = 5 * SPACING;
export const STATS_WORDS = 16 * SPACING;
const QUEUE = STATS + STATS_WORDS;

// Words of a thread
/** Counts the calls that wake the thread: a thread that blocks waits for a change. */
export const BELL = 0;
/** What the thread does: one of the modes below. */
export const MODE = 1;
/** 1: a message to the thread is on its way. */
export const MAIL = 2;
/** Counts the requests that the thread has taken. */
export const COUNT = 3;
/** When the thread took its last request, by `now`: the low 32 bits of the time in microseconds. */
export const SINCE = 4;
/** 1: the thread is to end, and takes no more requests. */
export const ENDING = 5;
const THREAD_WORDS = SPACING;

// Modes of a thread
/** The thread runs, and looks at the queue before it is idle. */
export const BUSY = 0;
/** The thread is idle, and blocks for a moment: a change of its bell wakes it. */
export const RESTING = 1;
/** The thread is idle, and its event loop runs: a message wakes it. */
export const PARKED = 2;
/** A handler blocks in the thread: a change of its bell wakes it. */
export const BLOCKED = 3;
/** The thread takes no more requests. */
export const LEAVING = 4;

// Words of a slot
/** FREE, the ticket of the request that waits in the slot, or -1 - the index of the thread that has taken the request. */
export const STATE = 0;
/** The ticket of the request: a number that tells it from requests before and after it. */
export const TICKET = 1;
/** How the client has gone, as gone_reason.ts encodes it; 0 while it is there. */
export const GONE = 2;
/** Lengths of the parts of the head's text: fields, method, target, version, authority (-1: null), host, route. */
export const TEXTS = 3;
export const TEXT_COUNT = 8;
/** How many positions of names and values follow the text. */
export const SPANS = TEXTS + TEXT_COUNT;
/** The client's port. */
export const PEER_PORT = SPANS + 1;
/** 1: the client waits for 100 (Continue). */
export const FLAGS = SPANS + 2;
/** The index of the class that the router has found; -1 if the thread finds the class itself, or no class is needed. */
export const ROUTE = SPANS + 3;
/** Positions in the ring of content: up to where bytes were put, and up to where they were taken. */
export const IN_PUT = SPANS + 4;
export const IN_TAKEN = SPANS + 5;
/** The state of the content: 0 more may come, 1 it has ended, 2 it has ended with trailers, which lie where the head was. */
export const IN_STATE = SPANS + 6;
/** 1: the handler has asked for content. */
export const IN_WANTED = SPANS + 7;
/** 1: the thread waits for content; only the thread changes this. */
export const IN_WAITING = SPANS + 8;
/** 1: the event loop waits for room in the ring; the thread clears this when there is room. */
export const IN_FULL = SPANS + 9;
/** Positions in the ring of the response, as of content. */
export const OUT_PUT = SPANS + 10;
export const OUT_TAKEN = SPANS + 11;
/** 1: the thread waits for room in the ring; the event loop clears this when there is room. */
export const OUT_FULL = SPANS + 12;
/** 0 while the handler runs; 1: it has settled; 2: it has settled, and a message brings the last records of the response. */
export const DONE = SPANS + 13;
/** The status of the response, and the length of its reason phrase; -1 for the usual phrase of the status. */
export const STATUS = SPANS + 14;
export const REASON = SPANS + 15;
const SLOT_WORDS = SPACING;

export const FREE = 0;

// Numbers of a slot
/** When the handler was started, by `now`. */
export const STARTED = 0;
/** How long the handler ran, in milliseconds. */
export const TOOK = 1;
/** The length of the request's content; -1 if it is not known. */
export const BODY_LENGTH = 2;
/** The length of the response's content; -1 if it is not known. */
export const RESPONSE_LENGTH = 3;
/** When the head of the request was complete, by `now`; 0 if neither the log nor `requestEnded` needs it. */
export const BEGAN = 4;
const SLOT_NUMBERS = 5;

const HOST_SIZE = 512;

/** Offsets into the memory are 32-bit integers with a sign. */
const MAX_BYTES = 2 ** 31 - 1;

/** The sizes from which the layout of the memory follows. */
export interface Layout {
  readonly threads: number;
  /** At most 256. */
  readonly slots: number;
  /** Bytes for the head of a request; a multiple of 8. */
  readonly headSize: number;
  /** Bytes of each ring: a power of two. */
  readonly ringSize: number;
}

export class PoolMemory {
  readonly layout: Layout;
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly numbers: Float64Array;
  /** The whole memory. */
  readonly bytes: Buffer;
  readonly #queueMask: number;
  /** HEAD as `hasRoom` has last read it. */
  #lastHead = 0;
  readonly #attentionWords: number;
  readonly #threads: number;
  readonly #slots: number;
  readonly #host: number;
  readonly #bytesAt: number;
  readonly #slotSize: number;

  /**
   * @param buffer the memory of another thread's PoolMemory; allocated if left out
   * @throws {RangeError} if the layout needs 2 GiB or more
   */
  constructor(layout: Layout, buffer?: SharedArrayBuffer) {
    const { threads, slots, headSize, ringSize } = layout;
    let capacity = 1;
    while (capacity < 4 * slots) capacity *= 2;
    this.layout = layout;
    this.#queueMask = capacity - 1;
    this.#attentionWords = Math.ceil(slots / 32);
    this.#threads = QUEUE + capacity;
    this.#slots = this.#threads + threads * THREAD_WORDS;
    const wordCount = this.#slots + slots * SLOT_WORDS;
    this.#host = 4 * wordCount + 8 * slots * SLOT_NUMBERS;
    this.#bytesAt = this.#host + HOST_SIZE;
    this.#slotSize = headSize + 2 * ringSize;
    const size = this.#bytesAt + slots * this.#slotSize;
    if (size > MAX_BYTES)
      throw new RangeError(
        `cannot share ${size} bytes with threads, at most ${MAX_BYTES}: that is what ${slots} requests take whose heads are as large as` +
          " maxHeadSize and maxFields allow. Lower one of these, or threads.max",
      );
    this.buffer = buffer ?? new SharedArrayBuffer(size);
    // `words` covers the bytes as well, so that aligned numbers in heads and records can be read as words.
    this.words = new Int32Array(this.buffer);
    this.numbers = new Float64Array(this.buffer, 4 * wordCount, slots * SLOT_NUMBERS);
    this.bytes = Buffer.from(this.buffer);
  }

  /** The index in `words` at which a thread's begin. */
  threadAt(index: number): number {
    return this.#threads + index * THREAD_WORDS;
  }

  /** The index in `words` at which a slot's begin. */
  slotAt(slot: number): number {
    return this.#slots + slot * SLOT_WORDS;
  }

  /** The index in `numbers` at which a slot's begin. */
  numbersAt(slot: number): number {
    return slot * SLOT_NUMBERS;
  }

  /** The index in `bytes` at which the head of a slot's request begins. */
  headAt(slot: number): number {
    return this.#bytesAt + slot * this.#slotSize;
  }

  /** The index in `bytes` at which the ring of a slot's content begins. */
  inAt(slot: number): number {
    return this.headAt(slot) + this.layout.headSize;
  }

  /** The index in `bytes` at which the ring of a slot's response begins. */
  outAt(slot: number): number {
    return this.inAt(slot) + this.layout.ringSize;
  }

  /** How many places of the queue are taken: by requests that wait, and by requests that were given up meanwhile. */
  get queued(): number {
    const { words } = this;
    return (Atomics.load(words, TAIL) - Atomics.load(words, HEAD)) | 0;
  }

  /** Whether there is room in the queue for one more request; for the event loop. */
  get hasRoom(): boolean {
    const tail = this.words[TAIL];
    if (((tail - this.#lastHead) | 0) <= this.#queueMask) return true;
    void this.first; // frees the places of requests that were given up
    this.#lastHead = Atomics.load(this.words, HEAD);
    return ((tail - this.#lastHead) | 0) <= this.#queueMask;
  }

  /**
   * The slot that has waited longest; undefined if none waits. Moves HEAD past requests that were given up. For the event loop only: a
   * thread could find that the event loop has meanwhile put another slot into the place.
   */
  get first(): number | undefined {
    const { words } = this;
    for (;;) {
      const head = Atomics.load(words, HEAD);
      if (head === words[TAIL]) return undefined;
      const slot = words[QUEUE + (head & this.#queueMask)];
      if (Atomics.load(words, this.slotAt(slot) + STATE) === ticketOf(head)) return slot;
      Atomics.compareExchange(words, HEAD, head, (head + 1) | 0);
    }
  }

  /**
   * Puts a slot at the end of the queue; for the event loop. `hasRoom` must be true.
   * @returns the request's ticket, which the next 2^30 - 1 requests do not have
   */
  push(slot: number): number {
    const { words } = this;
    const tail = words[TAIL];
    const ticket = ticketOf(tail);
    words[this.slotAt(slot) + TICKET] = ticket;
    words[QUEUE + (tail & this.#queueMask)] = slot;
    Atomics.store(words, this.slotAt(slot) + STATE, ticket);
    Atomics.store(words, TAIL, (tail + 1) | 0);
    return ticket;
  }

  /** Marks a slot as free. */
  free(slot: number): void {
    Atomics.store(this.words, this.slotAt(slot) + STATE, FREE);
  }

  /** Gives up a request that waits. @returns false if a thread has taken it */
  cancel(slot: number): boolean {
    const at = this.slotAt(slot);
    const ticket = this.words[at + TICKET];
    return Atomics.compareExchange(this.words, at + STATE, ticket, FREE) === ticket;
  }

  /**
   * Takes the slot that has waited longest; for threads, any number of them at once. The slot is marked as this thread's before HEAD
   * moves on, so that no request is lost if the thread is ended in between.
   * @param thread the index of the thread
   * @returns the slot; -1 if none waits
   */
  take(thread: number): number {
    const { words } = this;
    for (;;) {
      const head = Atomics.load(words, HEAD);
      if (head === Atomics.load(words, TAIL)) return -1;
      const slot = words[QUEUE + (head & this.#queueMask)]; // may be an old or a newer slot, but then its ticket is another
      const ticket = ticketOf(head);
      const state = this.slotAt(slot) + STATE;
      const taken = Atomics.compareExchange(words, state, ticket, -1 - thread) === ticket;
      // Whether this thread has taken it, another one has, or it was given up: HEAD moves on, and only one of those that try moves it.
      Atomics.compareExchange(words, HEAD, head, (head + 1) | 0);
      if (taken) return slot;
    }
  }

  /** Asks the event loop to look at a slot; for threads. @returns whether a message must wake the event loop */
  callFor(slot: number): boolean {
    Atomics.or(this.words, ATTENTION + (slot >> 5), 1 << (slot & 31));
    return Atomics.load(this.words, LOOKING) === 0 && Atomics.exchange(this.words, LOOKING, 1) === 0;
  }

  /** Calls `look` for each slot that a thread has called for; for the event loop. */
  eachCall(look: (slot: number) => void): void {
    for (let i = 0; i < this.#attentionWords; i++) {
      if (Atomics.load(this.words, ATTENTION + i) === 0) continue;
      for (let bits = Atomics.exchange(this.words, ATTENTION + i, 0); bits !== 0; bits &= bits - 1)
        look((i << 5) + 31 - Math.clz32(bits & -bits));
    }
  }

  /** Whether the server stops. */
  get isStopping(): boolean {
    return Atomics.load(this.words, STOPPING) === 1;
  }

  /** Says that the server stops; for the event loop. */
  stop(): void {
    Atomics.store(this.words, STOPPING, 1);
  }

  /** The address that the server listens on. */
  get address(): readonly [host: string, port: number] {
    const { words, bytes } = this;
    return [bytes.toString("utf8", this.#host, this.#host + words[HOST_LENGTH]), words[PORT]];
  }

  set address([host, port]: readonly [host: string, port: number]) {
    this.words[HOST_LENGTH] = this.bytes.write(host, this.#host, HOST_SIZE);
    this.words[PORT] = port;
  }
}

/** The ticket of a request at a position in the queue: from 1 to 2^30, so never FREE, and never the mark of a thread. */
function ticketOf(position: number): number {
  return (position & 0x3fffffff) + 1;
}

const hrtimeOrigin = difference(
  () => Number(process.hrtime.bigint()) / 1e6,
  () => performance.now(),
);

/**
 * The difference between `now` and `performance.now` in this thread, in milliseconds. The clock that all threads share is `hrtime`. On
 * Bun and Deno, `hrtime` begins anew in each thread, so the shared clock is the time of day.
 */
export const origin = Math.abs(hrtimeOrigin) < 1 ? performance.timeOrigin : hrtimeOrigin;

/** How far a clock is ahead of another. A pause between the two readings makes the difference smaller, so the largest of 10 counts. */
export function difference(one: () => number, other: () => number): number {
  let most = -Infinity;
  for (let i = 0; i < 10; i++) most = Math.max(most, one() - other());
  return most;
}

/** The time in milliseconds, by a clock that all threads share. */
export function now(): number {
  return performance.now() + origin;
}
