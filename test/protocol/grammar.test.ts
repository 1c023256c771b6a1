/** Where a field value ends, looked for four bytes at a time: the same as one by one. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { endOfValue } from "../../src/protocol/grammar.ts";

/** HTAB, SP, VCHAR, obs-text (RFC 9110 §5.5). */
const allowed = (c: number): boolean => c === 0x09 || (c >= 0x20 && c !== 0x7f);

function oneByOne(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && allowed(bytes[at])) at++;
  return at;
}

describe("the end of a field value", () => {
  test("is found at each place, whatever stands there", () => {
    for (let length = 0; length < 40; length++) {
      for (let place = 0; place < length; place++) {
        for (let c = 0; c < 256; c++) {
          const bytes = new Uint8Array(length + 300).fill(0x61);
          bytes[1 + place] = c;
          const expected = oneByOne(bytes, 1, length + 1);
          assert.equal(endOfValue(bytes, 1, length + 1), expected, `${c} at ${place} of ${length}`);
        }
      }
    }
  });

  test("is not behind the end, nor before the beginning, of what is looked at", () => {
    const byte = fc.oneof(
      { weight: 20, arbitrary: fc.integer({ min: 0x20, max: 0xff }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xff }) },
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 100 }), fc.nat(100), fc.nat(100), (values, a, b) => {
        // In memory that begins and ends with something else.
        const memory = Uint8Array.from([0, 1, 2, ...values, 13, 10, 0x61]);
        const bytes = memory.subarray(3, 3 + values.length);
        const [at, end] = [Math.min(a, b, bytes.length), Math.min(Math.max(a, b), bytes.length)];
        assert.equal(endOfValue(bytes, at, end), oneByOne(bytes, at, end));
      }),
    );
  });
});
