/** Field values, eight bytes at a time. */
import * as grammar from "./grammar.ts";

const { CLASS, VALUE } = grammar;

/** The bytes that were last looked at in fours, and how: connections take turns with the same ones. */
let viewed: Uint8Array = new Uint8Array(0);
let view = new DataView(viewed.buffer);

/** With fewer bytes to go, a look at each costs no more; and with less than that of new ones, another view does. */
const FEW = 16;
const WORTH_A_VIEW = 256;

/** The first index from `at` on, and before `end`, of what may not stand in a field value; `end` where all may. */
export function endOfValue(bytes: Uint8Array, at: number, end: number): number {
  if (end - at >= (bytes === viewed ? FEW : WORTH_A_VIEW)) {
    if (bytes !== viewed) {
      viewed = bytes;
      view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    const fours = view;
    const stop = end - 7;
    for (; at < stop; at += 8) {
      const one = odd(fours.getInt32(at, true));
      const other = odd(fours.getInt32(at + 4, true));
      if ((one | other) === 0) continue;
      at += one !== 0 ? lowest(one) : 4 + lowest(other);
      if (!isValue(bytes[at])) return at;
      at -= 7; // on behind it
    }
  }
  while (at < end && isValue(bytes[at])) at++;
  return at;
}

/**
 * The highest bit of each of four bytes that is below SP (HTAB too), DEL, or beyond ASCII. Above the lowest of them there may be wrong
 * ones: the sums carry and borrow.
 */
function odd(four: number): number {
  return (four | (four + 0x01010101) | (four - 0x20202020)) & 0x80808080;
}

/** Which byte the lowest bit is in. */
function lowest(bits: number): number {
  return (31 - Math.clz32(bits & -bits)) >> 3;
}

function isValue(c: number): boolean {
  return (CLASS[c] & VALUE) !== 0;
}
