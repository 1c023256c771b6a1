/** The bytes that wait to leave a connection. They are collected in batches, so that bytes that are ready together leave in one write. */
import type { Buffer } from "node:buffer";
import type { Lender } from "./exchange.ts";
import { allocate, copy, copyAll, writeLatin1 } from "./bytes.ts";

const CHUNK_SIZE = 16 * 1024;
const PIECE_SIZE = 64 * 1024;

/** How many spare chunks of either size are kept: 1 MiB of each. */
const SPARE_CHUNKS = 64;
const SPARE_PIECES = 16;

/** Memory for bytes that wait to leave. */
class Chunk {
  readonly bytes: Buffer;
  /** The last view: most responses are as long as the one before, so it can often be used again. */
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

/** Spare chunks, shared by the connections of one server. A connection takes a chunk only while it has bytes to send. */
export class ChunkPool {
  readonly #chunks: Chunk[] = [];
  readonly #pieces: Chunk[] = [];

  /** Takes a chunk of 16 or 64 KiB, or of `needed` bytes if that is more. Its bytes are not zeroed. @internal */
  take(needed = 0): Chunk {
    if (needed <= CHUNK_SIZE) return this.#chunks.pop() ?? new Chunk(CHUNK_SIZE);
    if (needed <= PIECE_SIZE) return this.#pieces.pop() ?? new Chunk(PIECE_SIZE);
    return new Chunk(needed);
  }

  /** Gives a chunk back, which must not be used afterwards. @internal */
  give(chunk: Chunk): void {
    const size = chunk.bytes.length;
    if (size === CHUNK_SIZE && this.#chunks.length < SPARE_CHUNKS) this.#chunks.push(chunk);
    if (size === PIECE_SIZE && this.#pieces.length < SPARE_PIECES) this.#pieces.push(chunk);
  }
}

/** Is told when the end of a response has left the buffer. */
export interface SendWatcher {
  /** The position where the response ends, counted from the first byte of the output; set by `watch`. */
  endsAt: number;
  /** The connection has ended, and the last `unsent` bytes of the response have not left. */
  cutOff(unsent: number): void;
  /** The response has left whole, or never will. Called once. */
  hasLeft(whole: boolean): void;
}

export class SendBuffer {
  /** How many bytes wait. */
  length = 0;
  /** How many bytes were pulled so far. */
  pulled = 0;
  readonly #pool: ChunkPool;
  /** Complete batches, and the chunks that they lie in; null for batches in other memory. */
  readonly #full: Uint8Array[] = [];
  readonly #fullChunks: (Chunk | null)[] = [];
  /** The chunk that is being filled, and how many of its bytes are used. */
  #tail: Chunk | null = null;
  #used = 0;
  /** Bytes that were lent and are still needed, how many they were, and their lender. */
  #lent: Uint8Array | null = null;
  #lentLength = 0;
  #lender: Lender | null = null;
  readonly #watchers: SendWatcher[] = [];
  /** The last batch that was pulled, until it is recycled, and its chunk. */
  #leaving: Uint8Array | null = null;
  #leavingChunk: Chunk | null = null;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  /** Whether bytes wait to leave, or were pulled and have not been recycled. */
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

  /** Makes sure that the next `count` bytes lie in one chunk. */
  reserve(count: number): void {
    this.#room(count);
  }

  /** Adds bytes; they are copied. */
  bytes(bytes: Uint8Array): void {
    const tail = this.#tail;
    const count = bytes.length;
    if (tail !== null && this.#used + count <= tail.bytes.length && count <= PIECE_SIZE) {
      copyAll(bytes, tail.bytes, this.#used);
      this.#used += count;
      this.length += count;
      return;
    }
    // A large write is split into several batches, so that the progress of a slow client can be seen.
    for (let at = 0; at < bytes.length; at += PIECE_SIZE) {
      const end = at + PIECE_SIZE < bytes.length ? at + PIECE_SIZE : bytes.length;
      const tail = this.#room(end - at);
      copy(bytes, at, end, tail, this.#used);
      this.#used += end - at;
      this.length += end - at;
    }
  }

  /** Adds bytes without a copy. They must not be changed, and no others lent, while `lends` is true. */
  lend(bytes: Uint8Array, lender: Lender): void {
    this.alone(bytes);
    this.#lent = bytes;
    this.#lentLength = bytes.length;
    this.#lender = lender;
  }

  /** Adds bytes without a copy, as a batch of their own. They must not be changed before that has left. */
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

  /** How many bytes may not have left: a batch that was pulled counts until it is recycled. */
  get unsent(): number {
    return this.length + (this.#leaving?.length ?? 0);
  }

  /** Calls `hasLeft` when all bytes that were added so far have left, or never will. */
  watch(watcher: SendWatcher): void {
    if (this.unsent === 0) return watcher.hasLeft(true);
    watcher.endsAt = this.pulled + this.length;
    this.#watchers.push(watcher);
  }

  /** Takes the next batch to leave; null if there is none. Its bytes are not changed before it is recycled. */
  pull(): Uint8Array | null {
    if (this.#full.length > 0) {
      let batch = this.#full.shift()!;
      // The lender has transferred the memory to another thread, so it is empty here. Zeros are sent instead, since the length was announced.
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
    if (batch === this.#lent) this.#returnLent();
    if (batch !== this.#leaving) return;
    if (this.#leavingChunk !== null) this.#pool.give(this.#leavingChunk);
    this.#leaving = this.#leavingChunk = null;
    while (this.#watchers.length > 0 && this.#watchers[0].endsAt <= this.pulled) this.#watchers.shift()!.hasLeft(true);
  }

  /** Takes back the last `count` bytes that were added. @returns false if they are not all in the chunk that is being filled */
  takeBack(count: number): boolean {
    if (count > this.#used) return false;
    this.#used -= count;
    this.length -= count;
    return true;
  }

  /** Drops all bytes, and tells watchers that they will not leave. */
  clear(): void {
    const left = this.pulled + this.length - this.unsent;
    const watchers = this.#watchers.splice(0);
    if (this.#tail !== null) this.#pool.give(this.#tail);
    this.#full.length = this.#fullChunks.length = 0;
    this.#tail = null;
    this.#used = 0;
    this.length = 0;
    this.#returnLent();
    for (const watcher of watchers) {
      watcher.cutOff(watcher.endsAt - left);
      watcher.hasLeft(false);
    }
  }

  #returnLent(): void {
    const lender = this.#lender;
    this.#lent = this.#lender = null;
    lender?.returned();
  }

  /** Makes a batch of the chunk that is being filled. */
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
