/** Scans field values, eight bytes at a time. */
import * as grammar from "./grammar.ts";

const { CLASS, VALUE } = grammar;

/**
 * The two arrays that were scanned last, and views of them. All connections use the same two in turn: the buffer that the transport reads
 * into, and a buffer that keeps bytes left over of a read. While they are here, they are not freed.
 */
let bytesInView: Uint8Array = new Uint8Array(0);
let view = new DataView(bytesInView.buffer);
let bytesBefore = bytesInView;
let viewBefore = view;

/** Shorter runs are scanned byte by byte, which is as quick. In an array without a view, a view is made only for longer runs. */
const MIN_LENGTH = 16;
const MIN_LENGTH_FOR_NEW_VIEW = 256;

/** The index of the first byte in bytes[at, end) that a field value must not have; `end` if there is none. */
export function endOfValue(bytes: Uint8Array, at: number, end: number): number {
  if (end - at >= (bytes === bytesInView || bytes === bytesBefore ? MIN_LENGTH : MIN_LENGTH_FOR_NEW_VIEW)) {
    if (bytes !== bytesInView) useView(bytes);
    const words = view; // a local constant, which the loop need not load again each time
    const stop = end - 7;
    for (; at < stop; at += 8) {
      const one = controls(words.getInt32(at, true));
      const other = controls(words.getInt32(at + 4, true));
      if ((one | other) === 0) continue;
      at += one !== 0 ? lowest(one) : 4 + lowest(other);
      break; // the byte may be HTAB, which is allowed: from here on, byte by byte
    }
  }
  while (at < end && (CLASS[bytes[at]] & VALUE) !== 0) at++;
  return at;
}

/** Makes `view` a view of an array. */
function useView(bytes: Uint8Array): void {
  const other = bytes === bytesBefore ? viewBefore : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  bytesBefore = bytesInView;
  viewBefore = view;
  bytesInView = bytes;
  view = other;
}

/**
 * Sets the highest bit of each byte that is below SP, or is DEL. Only the lowest such bit is reliable: the subtractions borrow from the
 * bytes above it.
 */
function controls(word: number): number {
  const del = word ^ 0x7f7f7f7f;
  return (((word - 0x20202020) & ~word) | ((del - 0x01010101) & ~del)) & 0x80808080;
}

/** The index of the byte that has the lowest bit. */
function lowest(bits: number): number {
  return (31 - Math.clz32(bits & -bits)) >> 3;
}
