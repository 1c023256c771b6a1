/** The bytes received and not yet used. They are borrowed while `receive` runs; what is left over after it is copied. */
import { allocate, copy } from "./bytes.ts";

const NOTHING = new Uint8Array(0);

/** Bytes for a little, such as the beginning of a head. */
const SMALL = 512;
/** Bytes for more, such as the rest of what came in one packet: used again, by the next connection that has so much left over. */
const SHARED = 4 * 1024;
/** So many are kept: 256 KiB. */
const MOST_SPARE = 64;
const spare: Uint8Array[] = [];

export class ReceiveBuffer {
  /** What is there stands in bytes[pos, end). Readers move `pos`. */
  bytes: Uint8Array = NOTHING;
  pos = 0;
  end = 0;
  /** Our own memory, when `bytes` is not borrowed. */
  #store: Uint8Array | null = null;

  get length(): number {
    return this.end - this.pos;
  }

  /** Adds the first `length` bytes of these at the end, without a copy where nothing else is there. */
  feed(bytes: Uint8Array, length: number = bytes.length): void {
    if (this.pos === this.end) {
      this.drop();
      this.bytes = bytes;
      this.end = length;
      return;
    }
    const store = this.#own(length);
    copy(bytes, 0, length, store, this.end);
    this.end += length;
  }

  /** The bytes fed last are about to be taken back: copies what has not been used. */
  keep(): void {
    if (this.pos === this.end) this.drop();
    else if (this.#store === null) this.#own(0);
  }

  /** Forgets everything. */
  drop(): void {
    this.#release();
    this.bytes = NOTHING;
    this.pos = this.end = 0;
  }

  /** Makes sure that the bytes are in our own memory, with room for `more`. Doubles, so that the cost stays linear. */
  #own(more: number): Uint8Array {
    const store = this.#store;
    const length = this.end - this.pos;
    if (store !== null && this.end + more <= store.length) return store;
    if (store !== null && length + more <= store.length && this.pos >= store.length >> 1) {
      store.copyWithin(0, this.pos, this.end);
      this.pos = 0;
      this.end = length;
      return store;
    }
    const larger = take(Math.max(store === null ? SMALL : 2 * length, length + more));
    copy(this.bytes, this.pos, this.end, larger, 0);
    this.#release();
    this.bytes = this.#store = larger;
    this.pos = 0;
    this.end = length;
    return larger;
  }

  #release(): void {
    const store = this.#store;
    this.#store = null;
    if (store?.length === SHARED && spare.length < MOST_SPARE) spare.push(store);
  }
}

/** Memory for so many bytes, or more. */
function take(size: number): Uint8Array {
  return size > SMALL && size <= SHARED ? (spare.pop() ?? allocate(SHARED)) : allocate(size);
}
