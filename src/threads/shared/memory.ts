/**
 * The memory that the event loop and its threads share, and nothing else of a request crosses between them: a queue of slots, and in
 * each slot one request and its response.
 *
 *   words    the queue; a bell, a mode and the like for each thread; what is known of each slot
 *   numbers  five for each slot
 *   slots    for each: the head of the request, a ring for its content, a ring for the response
 *
 * Everything in it is written by one side and read by the other. What was written is handed over by an atomic store of a position
 * or a state behind it, and found by an atomic load: sequentially consistent, as all of Atomics is. Who writes what:
 *
 *   the event loop   TAIL, the queue, ENDING; the head of a request, ROUTE, GONE, its content up to IN_PUT, IN_STATE, OUT_TAKEN
 *   the thread       the response up to OUT_PUT, its STATUS and the like; DONE, IN_TAKEN, IN_WAITING; its COUNT, SINCE, STARTED, TOOK
 *   both             HEAD: either side moves it past places whose request was taken or given up
 *                    STATE: the loop makes it a ticket and FREE again, the thread that takes the request its index
 *                    MODE: the thread says that it rests, and whoever makes that BUSY sees to it that it works
 *                    BELL, MAIL, LOOKING, the bits of ATTENTION: raised by who calls, lowered by who comes
 *                    IN_WANTED: raised by the thread; IN_STATE: lowered by it for a tunnel
 *                    IN_FULL, OUT_FULL: raised by who waits for room, lowered by who makes some
 *
 * A thread can be ended between any two of its stores. So a slot says who has it before the queue moves on, and what the thread
 * has handed over counts; what it was about to hand over has never been. LOOKING and ATTENTION need nobody to mend them: the loop
 * looks at all slots of a thread that has ended.
 */
import { Buffer } from "node:buffer";
import { performance } from "node:perf_hooks";
import process from "node:process";

/** Words of two cache lines: what different threads write lies so far apart, or each write would take the line from the others. */
const APART = 32;

// Words of the pool
/** Where in the queue the next request is taken. */
export const HEAD = 0;
/** Where in the queue the next request is put; written by the event loop alone. */
export const TAIL = APART;
/** The event loop will look at the slots without being told again. */
export const LOOKING = 2 * APART;
/** A bit for each slot that the event loop should look at: as many words of them as it takes. */
const ATTENTION = 3 * APART;
/** The port that the server listens on, and the length of its host. */
const PORT = 4 * APART;
const HOST_LENGTH = PORT + 1;
/** The server stops. */
const STOPPING = PORT + 2;
/** What the server has done: see stats.ts. */
export const STATS = 5 * APART;
export const STATS_WORDS = 16 * APART;
const QUEUE = STATS + STATS_WORDS;

// Words of a thread
/** Counts what has happened; a thread that blocks waits for it to change. */
export const BELL = 0;
/** What the thread does, one of the modes below. */
export const MODE = 1;
/** A message to the thread is on its way. */
export const MAIL = 2;
/** Counts the requests that it has taken. */
export const COUNT = 3;
/** When it took the last one, by `now`: in microseconds, as far as a word holds them. */
export const SINCE = 4;
/** The thread is to end: it takes no more requests. */
export const ENDING = 5;
const THREAD_WORDS = APART;

// Modes of a thread
/** It runs, and looks at the queue before it rests. */
export const BUSY = 0;
/** It blocks for a moment: a change of its bell wakes it. */
export const RESTING = 1;
/** Its event loop runs: a message wakes it. */
export const PARKED = 2;
/** A handler blocks in it: a change of its bell wakes it. */
export const BLOCKED = 3;
/** It takes no more requests. */
export const LEAVING = 4;

// Words of a slot
/** FREE, the ticket of the request that waits in it, or -1 - the index of the thread that has taken it. */
export const STATE = 0;
/** The ticket of the request: a number that tells it from others before and after it. */
export const TICKET = 1;
/** How the peer has gone: 1 + the kind, and 256 x (1 + the error); 0 while it is there. */
export const GONE = 2;
/** Lengths of the parts of the head's text: fields, method, target, version, authority (-1: null), host, route. */
export const TEXTS = 3;
export const TEXT_COUNT = 7;
/** How many places of names and values follow the text. */
export const SPANS = TEXTS + TEXT_COUNT;
export const PEER_PORT = SPANS + 1;
/** 1: the peer waits for 100 (Continue). */
export const FLAGS = SPANS + 2;
/** Which of the server's classes the route has found; -1 where the thread finds the class itself. */
export const ROUTE = SPANS + 3;
/** Positions in the ring of content: up to where it was put, and taken. */
export const IN_PUT = SPANS + 4;
export const IN_TAKEN = SPANS + 5;
/** Of the content: 0 more may come, 1 it has ended, 2 it has ended with trailers, which lie where the head was. */
export const IN_STATE = SPANS + 6;
/** The handler has asked for content that is not here. */
export const IN_WANTED = SPANS + 7;
/** The thread waits for content; it alone changes this. */
export const IN_WAITING = SPANS + 8;
/** The event loop waits for room: it sets this, and the thread clears it when there is some. */
export const IN_FULL = SPANS + 9;
/** Positions in the ring of the response. */
export const OUT_PUT = SPANS + 10;
export const OUT_TAKEN = SPANS + 11;
/** The thread waits for room: it sets this, and the event loop clears it when there is some. */
export const OUT_FULL = SPANS + 12;
/** The handler has settled: 1; 2 where a message brings the rest of the response. */
export const DONE = SPANS + 13;
/** Of the response: its status, and the length of its reason phrase, -1 where that is the status' own. */
export const STATUS = SPANS + 14;
export const REASON = SPANS + 15;
const SLOT_WORDS = APART;

export const FREE = 0;

// Numbers of a slot
/** When the handler was started, by `now`. */
export const STARTED = 0;
/** How long it ran, in milliseconds. */
export const TOOK = 1;
/** The length of the content, -1 when not known. */
export const BODY_LENGTH = 2;
/** The length of the response's content, -1 when not known. */
export const RESPONSE_LENGTH = 3;
/** When the head of the request was complete, by `now`; 0 where nobody wants to know. */
export const BEGAN = 4;
const SLOT_NUMBERS = 5;

const HOST_SIZE = 512;

/** Places in the bytes are counted in 31 bits. */
const MOST_BYTES = 2 ** 31 - 1;

/** How much of everything there is. */
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
  /** All of it. */
  readonly bytes: Buffer;
  readonly #queueMask: number;
  /** Where the queue's head was when that was of interest last. */
  #headSeen = 0;
  readonly #attentionWords: number;
  readonly #threads: number;
  readonly #slots: number;
  readonly #host: number;
  readonly #bytesAt: number;
  readonly #slotSize: number;

  /**
   * @param buffer what another thread has; made when left out
   * @throws {RangeError} where the layout needs more than can be shared
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
    if (size > MOST_BYTES)
      throw new RangeError(
        `${slots} requests with heads of the size that maxHeadSize and maxFields allow are more than threads can share, ${size} bytes:` +
          " lower one of these, or threads.max",
      );
    this.buffer = buffer ?? new SharedArrayBuffer(size);
    // The words of everything, the bytes' included: what is aligned in those can be read as words.
    this.words = new Int32Array(this.buffer);
    this.numbers = new Float64Array(this.buffer, 4 * wordCount, slots * SLOT_NUMBERS);
    this.bytes = Buffer.from(this.buffer);
  }

  /** Where the words of a thread begin. */
  threadAt(index: number): number {
    return this.#threads + index * THREAD_WORDS;
  }

  /** Where the words of a slot begin. */
  slotAt(slot: number): number {
    return this.#slots + slot * SLOT_WORDS;
  }

  /** Where the numbers of a slot begin. */
  numbersAt(slot: number): number {
    return slot * SLOT_NUMBERS;
  }

  /** Where in the bytes the head of a slot's request lies. */
  headAt(slot: number): number {
    return this.#bytesAt + slot * this.#slotSize;
  }

  /** Where in the bytes the ring of a slot's content lies. */
  inAt(slot: number): number {
    return this.headAt(slot) + this.layout.headSize;
  }

  /** Where in the bytes the ring of a slot's response lies. */
  outAt(slot: number): number {
    return this.inAt(slot) + this.layout.ringSize;
  }

  /** How many places of the queue are taken: requests that wait, and those that were given up meanwhile. */
  get queued(): number {
    const { words } = this;
    return (Atomics.load(words, TAIL) - Atomics.load(words, HEAD)) | 0;
  }

  /** Whether the queue takes one more; for the event loop. */
  get hasRoom(): boolean {
    const tail = this.words[TAIL];
    if (((tail - this.#headSeen) | 0) <= this.#queueMask) return true;
    void this.first; // lets go of places whose requests were given up
    this.#headSeen = Atomics.load(this.words, HEAD);
    return ((tail - this.#headSeen) | 0) <= this.#queueMask;
  }

  /**
   * The slot that waits longest; undefined where none does. Moves the queue on over requests that were given up. For the event
   * loop: nobody else puts anything into the places that it looks at.
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
   * @returns the request's ticket, which no other one has for a long time
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

  /** Nothing is in a slot any more. */
  free(slot: number): void {
    Atomics.store(this.words, this.slotAt(slot) + STATE, FREE);
  }

  /** Gives up a request that waits. @returns false when a thread has taken it */
  cancel(slot: number): boolean {
    const at = this.slotAt(slot);
    const ticket = this.words[at + TICKET];
    return Atomics.compareExchange(this.words, at + STATE, ticket, FREE) === ticket;
  }

  /**
   * Takes the slot that has waited longest; for threads, any number of them at once. The slot is marked before the queue moves on,
   * so that a thread that is ended in between loses nothing.
   * @returns -1 where none waits
   */
  take(thread: number): number {
    const { words } = this;
    for (;;) {
      const head = Atomics.load(words, HEAD);
      if (head === Atomics.load(words, TAIL)) return -1;
      const slot = words[QUEUE + (head & this.#queueMask)]; // of any time, but then its ticket is none of this place's
      const ticket = ticketOf(head);
      const state = this.slotAt(slot) + STATE;
      const taken = Atomics.compareExchange(words, state, ticket, -1 - thread) === ticket;
      // Whoever has taken it, or given it up: the queue moves on, by one of those who look at it.
      Atomics.compareExchange(words, HEAD, head, (head + 1) | 0);
      if (taken) return slot;
    }
  }

  /** Tells the event loop to look at a slot; for threads. @returns whether it must be woken for that */
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

  /** The server stops; for the event loop. */
  stop(): void {
    Atomics.store(this.words, STOPPING, 1);
  }

  /** Where the server listens. */
  get address(): readonly [host: string, port: number] {
    const { words, bytes } = this;
    return [bytes.toString("utf8", this.#host, this.#host + words[HOST_LENGTH]), words[PORT]];
  }

  set address([host, port]: readonly [host: string, port: number]) {
    this.words[HOST_LENGTH] = this.bytes.write(host, this.#host, HOST_SIZE);
    this.words[PORT] = port;
  }
}

/** What is said of a place in the queue: never FREE, never below. */
function ticketOf(position: number): number {
  return (position & 0x3fffffff) + 1;
}

const hrtimeOrigin = difference(
  () => Number(process.hrtime.bigint()) / 1e6,
  () => performance.now(),
);

/**
 * What added to the time of `performance` gives one that is the same in all threads. Where `hrtime` begins anew in each thread, as on
 * Bun and Deno, all that threads have in common is the time of day.
 */
export const origin = Math.abs(hrtimeOrigin) < 1 ? performance.timeOrigin : hrtimeOrigin;

/** By how much a clock is ahead of another. What keeps this waiting between the two looks takes from that, so it looks often. */
export function difference(one: () => number, other: () => number): number {
  let most = -Infinity;
  for (let i = 0; i < 10; i++) most = Math.max(most, one() - other());
  return most;
}

/** Milliseconds by a clock that is the same in all threads. */
export function now(): number {
  return performance.now() + origin;
}
