/** The bytes that wait to leave a connection, gathered so that what is ready together leaves in one batch. */
import type { Buffer } from "node:buffer";
import type { Lender } from "./exchange.ts";
import { allocate, copy, copyAll, writeLatin1 } from "./bytes.ts";

const CHUNK = 16 * 1024;
const PIECE = 64 * 1024;

/** How many spare chunks are kept of either size: a MiB of each. */
const SPARE_CHUNKS = 64;
const SPARE_PIECES = 16;

/** Memory for what waits to leave. */
class Chunk {
  readonly bytes: Buffer;
  /** The view made last: most responses are as long as the one before. */
  #view: Buffer;

  constructor(size: number) {
    this.bytes = this.#view = allocate(size);
  }

  /** The first `length` bytes. */
  first(length: number): Buffer {
    if (this.#view.length !== length) this.#view = this.bytes.subarray(0, length);
    return this.#view;
  }
}

/** Spare chunks, shared by the connections of one server: only those with something to say hold one. */
export class ChunkPool {
  readonly #chunks: Chunk[] = [];
  readonly #pieces: Chunk[] = [];

  /** A chunk of 16 or 64 KiB, or of as many bytes as are needed where those are more. They are whatever they were. @internal */
  take(needed = 0): Chunk {
    if (needed <= CHUNK) return this.#chunks.pop() ?? new Chunk(CHUNK);
    if (needed <= PIECE) return this.#pieces.pop() ?? new Chunk(PIECE);
    return new Chunk(needed);
  }

  /** Gives a chunk back; it must not be touched any more. @internal */
  give(chunk: Chunk): void {
    const size = chunk.bytes.length;
    if (size === CHUNK && this.#chunks.length < SPARE_CHUNKS) this.#chunks.push(chunk);
    if (size === PIECE && this.#pieces.length < SPARE_PIECES) this.#pieces.push(chunk);
  }
}

/** A response whose end waits to leave. */
export interface Departing {
  /** Where it ends, counted from the first byte of the output; set by the output. */
  endsAt: number;
  /** The connection has ended, and so many bytes before its end have not left. */
  cutOff(unsent: number): void;
  /** It has left, or never will. Comes once. */
  hasLeft(whole: boolean): void;
}

export class SendBuffer {
  /** How many bytes wait. */
  length = 0;
  /** How many bytes have left. */
  pulled = 0;
  readonly #pool: ChunkPool;
  /** Batches that are complete, and the chunks that they lie in; the last one is being filled. */
  readonly #full: Uint8Array[] = [];
  readonly #fullChunks: (Chunk | null)[] = [];
  #tail: Chunk | null = null;
  #used = 0;
  /** Bytes of somebody else's, which are needed still, and whose they are. */
  #lent: Uint8Array | null = null;
  #lentLength = 0;
  #lender: Lender | null = null;
  readonly #watched: Departing[] = [];
  /** What was pulled last, and the chunk it lies in. */
  #leaving: Uint8Array | null = null;
  #leavingChunk: Chunk | null = null;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  /** Whether something waits to leave, or was pulled and has not been recycled. */
  get isLeaving(): boolean {
    return this.length > 0 || this.#leaving !== null;
  }

  /** Adds text, one byte a character. */
  text(text: string): void {
    const tail = this.#room(text.length);
    writeLatin1(tail, this.#used, text);
    this.#used += text.length;
    this.length += text.length;
  }

  /** Makes sure that so many bytes more stand in one piece. */
  reserve(count: number): void {
    this.#room(count);
  }

  /** Adds bytes; they are copied. */
  bytes(bytes: Uint8Array): void {
    const tail = this.#tail;
    const count = bytes.length;
    if (tail !== null && this.#used + count <= tail.bytes.length && count <= PIECE) {
      copyAll(bytes, tail.bytes, this.#used);
      this.#used += count;
      this.length += count;
      return;
    }
    // In pieces, so that a carrier sees a slow reader's progress even inside one large write.
    for (let at = 0; at < bytes.length; at += PIECE) {
      const end = at + PIECE < bytes.length ? at + PIECE : bytes.length;
      const tail = this.#room(end - at);
      copy(bytes, at, end, tail, this.#used);
      this.#used += end - at;
      this.length += end - at;
    }
  }

  /** Adds bytes without a copy: they must stay as they are for as long as `lends` is true. No others must be lent then. */
  lend(bytes: Uint8Array, lender: Lender): void {
    this.alone(bytes);
    this.#lent = bytes;
    this.#lentLength = bytes.length;
    this.#lender = lender;
  }

  /** Adds bytes that are a batch of their own, and stay as they are until that has left. */
  alone(bytes: Uint8Array): void {
    if (this.#used > 0) this.#complete(this.#tail!);
    this.#full.push(bytes);
    this.#fullChunks.push(null);
    this.length += bytes.length;
  }

  /** Whether bytes that were lent are still needed. */
  get lends(): boolean {
    return this.#lent !== null;
  }

  /** How many bytes have not left, as far as is known: of the batch that was pulled last, nobody knows before it is recycled. */
  get unsent(): number {
    return this.length + (this.#leaving?.length ?? 0);
  }

  /** Tells when all that was added so far has left, or never will. */
  watch(departing: Departing): void {
    if (this.unsent === 0) return departing.hasLeft(true);
    departing.endsAt = this.pulled + this.length;
    this.#watched.push(departing);
  }

  /** The next batch to leave, null when there is none. It stays untouched until it is recycled. */
  pull(): Uint8Array | null {
    if (this.#full.length > 0) {
      let batch = this.#full.shift()!;
      // Memory that its owner has transferred elsewhere meanwhile is gone. What was announced must come all the same.
      if (batch === this.#lent && batch.length < this.#lentLength)
        batch = this.#lent = new Uint8Array(this.#lentLength);
      this.#leaving = batch;
      this.#leavingChunk = this.#fullChunks.shift()!;
      this.length -= batch.length;
      this.pulled += batch.length;
      return batch;
    }
    if (this.#used === 0) return null;
    const chunk = this.#tail!;
    const batch = chunk.first(this.#used);
    this.#leaving = batch;
    this.#leavingChunk = chunk;
    this.length -= this.#used;
    this.pulled += this.#used;
    this.#tail = null;
    this.#used = 0;
    return batch;
  }

  recycle(batch: Uint8Array): void {
    if (batch === this.#lent) this.#giveBack();
    if (batch !== this.#leaving) return;
    if (this.#leavingChunk !== null) this.#pool.give(this.#leavingChunk);
    this.#leaving = this.#leavingChunk = null;
    while (this.#watched.length > 0 && this.#watched[0].endsAt <= this.pulled) this.#watched.shift()!.hasLeft(true);
  }

  /** Takes back the last `count` bytes added. They must all be here still, and within one chunk. */
  takeBack(count: number): boolean {
    if (count > this.#used) return false;
    this.#used -= count;
    this.length -= count;
    return true;
  }

  /** Drops everything. */
  clear(): void {
    const left = this.pulled + this.length - this.unsent;
    const watched = this.#watched.splice(0);
    if (this.#tail !== null) this.#pool.give(this.#tail);
    this.#full.length = this.#fullChunks.length = 0;
    this.#tail = null;
    this.#used = 0;
    this.length = 0;
    this.#giveBack();
    for (const departing of watched) {
      departing.cutOff(departing.endsAt - left);
      departing.hasLeft(false);
    }
  }

  #giveBack(): void {
    const lender = this.#lender;
    this.#lent = this.#lender = null;
    lender?.returned();
  }

  /** What has been filled so far is a batch. */
  #complete(chunk: Chunk): void {
    this.#full.push(chunk.first(this.#used));
    this.#fullChunks.push(chunk);
    this.#tail = null;
    this.#used = 0;
  }

  #room(count: number): Buffer {
    const tail = this.#tail;
    if (tail !== null) {
      if (this.#used + count <= tail.bytes.length) return tail.bytes;
      if (this.#used > 0) this.#complete(tail);
      else this.#pool.give(tail);
    }
    this.#tail = this.#pool.take(count);
    return this.#tail.bytes;
  }
}
