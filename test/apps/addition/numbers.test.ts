/** Numbers and texts, and their addition, without HTTP. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { add } from "../../../apps/addition/sum.ts";
import { type Operand, readNumber, writeNumber } from "../../../apps/addition/numbers.ts";

test("whole numbers are integers of any size; a point or an exponent makes a double", () => {
  for (const [text, value] of [
    ["0", 0n],
    ["-0", 0n],
    ["12345678901234567890123", 12345678901234567890123n],
    ["-7", -7n],
    ["3.0", 3],
    ["-0.0", -0],
    ["1e3", 1000],
    ["1E+3", 1000],
    ["5e-324", 5e-324],
    ["1e-400", 0],
    ["1e999", Infinity],
    ["-1e999", -Infinity],
  ] as const) {
    assert.ok(Object.is(readNumber(text), value), text);
  }
});

test("what is no number of JSON's is none", () => {
  const texts = ["", "+3", ".5", "1.", "0x10", "007", "-", " 3", "3 ", "3\n", "1_000", "1,5", "1e", "1e+", "--1", "٣"];
  for (const text of [...texts, "NaN", "Infinity", "-Infinity", "3n", "-.5", "00", "-01", "1.e3"]) {
    assert.equal(readNumber(text), undefined, text);
  }
});

test("a number is a number where JSON.parse says so", () => {
  const characters = fc.constantFrom(..."0123456789-+.eE ");
  fc.assert(
    fc.property(fc.string({ unit: characters, maxLength: 8 }), (text) => {
      const isNumber = text.trim() === text && parses(text);
      assert.equal(readNumber(text) !== undefined, isNumber);
      // "-0" is an integer, which has no sign of zero.
      if (isNumber) assert.equal(Number(readNumber(text)) + 0, (JSON.parse(text) as number) + 0);
    }),
    { numRuns: 2000 },
  );
});

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

test("a double is seen to be one", () => {
  for (const [value, text] of [
    [7n, "7"],
    [-0n, "0"],
    [7, "7.0"],
    [-7.5, "-7.5"],
    [0, "0.0"],
    [-0, "-0.0"],
    [1e20, "100000000000000000000.0"],
    [1e21, "1e+21"],
    [1e-7, "1e-7"],
    [0.1 + 0.2, "0.30000000000000004"],
  ] as const) {
    assert.equal(writeNumber(value), text);
  }
});

const operand: fc.Arbitrary<Operand> = fc.oneof(
  fc.bigInt({ min: -(10n ** 300n), max: 10n ** 300n }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

test("what is written is read as what it was", () => {
  fc.assert(fc.property(operand, (value) => assert.ok(Object.is(readNumber(writeNumber(value)), value))));
});

test("integers are added exactly, and with a double as doubles", () => {
  assert.equal(add(12345678901234567890123n, 1n), 12345678901234567890124n);
  assert.equal(add(2n ** 53n + 1n, 0), 2 ** 53, "rounded to the even one");
  assert.equal(add(2n ** 53n + 3n, 0), 2 ** 53 + 4);
  assert.ok(Object.is(add(-0, -0), -0));
  assert.ok(Object.is(add(0n, -0), 0));
  assert.equal(add(1e308, 1e308), Infinity);
  assert.equal(add(10n ** 400n, 1), Infinity);
});
