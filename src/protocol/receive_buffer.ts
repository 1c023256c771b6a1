/** The bytes that were received and have not been read. While `receive` runs, they are borrowed. Bytes that are left over then are copied. */
import { allocate, copy } from "./bytes.ts";

const NOTHING = new Uint8Array(0);

/** The size of memory for a few bytes that are left over, such as the beginning of a head. */
const SMALL = 512;
/** The size of memory for more bytes, such as the rest of a packet. Connections pass it on to each other. */
const SHARED = 4 * 1024;
/** How many of these are kept: 256 KiB in all. */
const MAX_SPARE = 64;
const spare: Uint8Array[] = [];

export class ReceiveBuffer {
  /** The unread bytes are bytes[pos, end). Readers move `pos`. */
  bytes: Uint8Array = NOTHING;
  pos = 0;
  end = 0;
  /** The buffer's own memory; null while `bytes` is borrowed. */
  #store: Uint8Array | null = null;

  get length(): number {
    return this.end - this.pos;
  }

  /** Adds the first `length` bytes of an array. If the buffer is empty, they are borrowed and not copied. */
  feed(bytes: Uint8Array, length: number = bytes.length): void {
    if (this.pos === this.end) {
      this.drop();
      this.bytes = bytes;
      this.end = length;
      return;
    }
    const store = this.#moveToStore(length);
    copy(bytes, 0, length, store, this.end);
    this.end += length;
  }

  /** The bytes fed last will be overwritten: copies those that have not been read. */
  keep(): void {
    if (this.pos === this.end) this.drop();
    else if (this.#store === null) this.#moveToStore(0);
  }

  /** Drops all bytes. */
  drop(): void {
    this.#release();
    this.bytes = NOTHING;
    this.pos = this.end = 0;
  }

  /** Makes sure that the bytes are in the buffer's own memory, with room for `more`. The size doubles, so that the cost stays linear. */
  #moveToStore(more: number): Uint8Array {
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
    if (store?.length === SHARED && spare.length < MAX_SPARE) spare.push(store);
  }
}

/** Takes memory of at least `size` bytes. */
function take(size: number): Uint8Array {
  return size > SMALL && size <= SHARED ? (spare.pop() ?? allocate(SHARED)) : allocate(size);
}
