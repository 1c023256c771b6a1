/** Where a field value ends, looked for eight bytes at a time: the same as one by one. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { endOfValue } from "../../src/protocol/byte_scanner.ts";

/** HTAB, SP, VCHAR, obs-text (RFC 9110 §5.5). */
const allowed = (c: number): boolean => c === 0x09 || (c >= 0x20 && c !== 0x7f);

function oneByOne(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && allowed(bytes[at])) at++;
  return at;
}

/** Memory that is looked at eight bytes at a time: it was large enough once, and nothing else has been looked at since. */
function known(): Uint8Array {
  const bytes = new Uint8Array(1024).fill(0x61);
  assert.equal(endOfValue(bytes, 0, bytes.length), bytes.length);
  return bytes;
}

describe("the end of a field value", () => {
  test("is found at each place, whatever stands there and behind it", () => {
    const bytes = known();
    for (let length = 16; length < 32; length++) {
      for (let place = 0; place < length; place++) {
        for (let c = 0; c < 256; c++) {
          for (const behind of [0x61, 0x09, 0x00, 0x0d, 0x20, 0x21, 0x7f, 0x80, 0xff]) {
            bytes[1 + place] = c;
            bytes[2 + place] = behind;
            const expected = oneByOne(bytes, 1, length + 1);
            assert.equal(endOfValue(bytes, 1, length + 1), expected, `${c}, ${behind} at ${place} of ${length}`);
          }
        }
        bytes[1 + place] = bytes[2 + place] = 0x61;
      }
    }
  });

  const byte = fc.oneof(
    { weight: 20, arbitrary: fc.integer({ min: 0x20, max: 0xff }) },
    { weight: 3, arbitrary: fc.constant(0x09) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xff }) },
  );
  const part = fc.tuple(fc.array(byte, { maxLength: 100 }), fc.nat(100), fc.nat(100));

  test("is not behind the end, nor before the beginning, of what is looked at", () => {
    const bytes = known();
    fc.assert(
      fc.property(part, fc.nat(900), ([values, a, b], offset) => {
        bytes.set(values, offset);
        const [at, end] = [offset + Math.min(a, b), offset + Math.max(a, b)];
        assert.equal(endOfValue(bytes, at, end), oneByOne(bytes, at, end));
      }),
    );
  });

  test("is found in each of several memories, by turns", () => {
    const memories = [3, 300, 700].map((place) => {
      const bytes = known();
      bytes[place] = 0x0d;
      return bytes;
    });
    fc.assert(
      fc.property(fc.array(fc.nat(2), { maxLength: 20 }), (turns) => {
        for (const turn of turns) {
          const bytes = memories[turn];
          assert.equal(endOfValue(bytes, 0, bytes.length), oneByOne(bytes, 0, bytes.length));
        }
      }),
    );
  });

  test("is found in a part of other bytes", () => {
    const bytes = new Uint8Array(700).fill(0x61).subarray(3, 600);
    bytes[300] = 0;
    assert.equal(endOfValue(bytes, 0, 500), 300);
  });

  test("is found in bytes that were never looked at, few or many, that are part of others", () => {
    fc.assert(
      fc.property(part, fc.constantFrom(0, 300), ([values, a, b], more) => {
        const memory = Uint8Array.from([0, 1, 2, ...values, ...new Uint8Array(more).fill(0x61), 13, 10, 0x61]);
        const bytes = memory.subarray(3, memory.length - 3);
        const [at, end] = [Math.min(a, b, bytes.length), Math.min(Math.max(a, b) + more, bytes.length)];
        assert.equal(endOfValue(bytes, at, end), oneByOne(bytes, at, end));
      }),
    );
  });
});
