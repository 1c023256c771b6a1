/** Field values, eight bytes at a time. */
import * as grammar from "./grammar.ts";

const { CLASS, VALUE } = grammar;

/**
 * The bytes that were looked at last, those before them, and views of both: connections take turns with the same ones. One is what a
 * transport reads into, the other what keeps the rest of a read. Both are kept from being freed.
 */
let viewed: Uint8Array = new Uint8Array(0);
let view = new DataView(viewed.buffer);
let viewedBefore = viewed;
let viewBefore = view;

/** With fewer bytes to go, a look at each costs no more; and with less than that of new ones, another view does. */
const FEW = 16;
const WORTH_A_VIEW = 256;

/** The first index from `at` on, and before `end`, of what may not stand in a field value; `end` where all may. */
export function endOfValue(bytes: Uint8Array, at: number, end: number): number {
  if (end - at >= (bytes === viewed || bytes === viewedBefore ? FEW : WORTH_A_VIEW)) {
    if (bytes !== viewed) look(bytes);
    const words = view; // for which the loop need not look again each time
    const stop = end - 7;
    for (; at < stop; at += 8) {
      const one = controls(words.getInt32(at, true));
      const other = controls(words.getInt32(at + 4, true));
      if ((one | other) === 0) continue;
      at += one !== 0 ? lowest(one) : 4 + lowest(other);
      break; // it may be HTAB: from here on, a look at each
    }
  }
  while (at < end && (CLASS[bytes[at]] & VALUE) !== 0) at++;
  return at;
}

/** Makes `view` a view of these. */
function look(bytes: Uint8Array): void {
  const other = bytes === viewedBefore ? viewBefore : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  viewedBefore = viewed;
  viewBefore = view;
  viewed = bytes;
  view = other;
}

/** The highest bit of each of four bytes that is below SP, or is DEL. Above the lowest of them there may be wrong ones: differences borrow. */
function controls(four: number): number {
  const del = four ^ 0x7f7f7f7f;
  return (((four - 0x20202020) & ~four) | ((del - 0x01010101) & ~del)) & 0x80808080;
}

/** Which of the four bytes the lowest bit is in. */
function lowest(bits: number): number {
  return (31 - Math.clz32(bits & -bits)) >> 3;
}
