/** The fast path for the content that nearly every client sends: it is taken, and gives the sum that the long way gives. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { readJson } from "../../../apps/addition/content.ts";
import { plainSum } from "../../../apps/addition/fast_path.ts";
import { sumOf } from "../../../apps/addition/sum.ts";
import { ask, JSON_TYPE } from "./support.ts";
import { runs } from "../../support/thorough.ts";

test("plain content takes it", async () => {
  for (const [content, sum] of [
    ['{"val_a":3,"val_b":4}', "7"],
    ['{"val_a": 3, "val_b": 4}', "7"],
    ['\r\n{\t"val_a" : -3 ,\n "val_b" : 4 } \n', "1"],
    ['{"val_a":999999999999999,"val_b":999999999999999}', "1999999999999998"],
    ['{"val_a":-0.5,"val_b":0}', "-0.5"],
    ['{"val_a":-0.0,"val_b":-0.0}', "-0.0"],
    ['{"val_a":0.1,"val_b":0.2}', "0.30000000000000004"],
    ['{"val_a":3.0,"val_b":4}', "7.0"],
    ['{"val_a":3,"val_b":4.0}', "7.0"],
  ] as const) {
    assert.equal(plainSum(Buffer.from(content)), sum, content);
    assert.equal(await sumOf(readJson(content)), sum, content);
  }
});

test("other content does not, and what is right is added all the same", async () => {
  for (const [content, expected] of [
    ['{"val_b":4,"val_a":3}', "7"],
    ['{"val_a":3,"val_b":4,"more":1}', "7"],
    ['{"val_a":3,"val\\u005fb":4}', "7"],
    ['{"val_a":-0,"val_b":-0.0}', "0.0"],
    ['{"val_a":9999999999999999,"val_b":1}', "10000000000000000"],
    ['{"val_a":1e3,"val_b":4}', "1004.0"],
    [`{"val_a":3,${" ".repeat(300)}"val_b":4}`, "7"],
    [`{"val_a":0.${"1".repeat(30)},"val_b":0}`, "0.1111111111111111"],
    ["", 400],
    ['{"val_a":3,"val_b":4}}', 400],
    ['{"val_a":03,"val_b":4}', 400],
    ['{"val_a":3,"val_b":4.}', 400],
    ['{"val_a":3,"val_b":+4}', 400],
    ['{"val_a":3,"val_b":4}\u00a0', 400],
    ['\ufeff{"val_a":3,"val_b":4}', 400],
    ['{"val_a":3,"val_b":4}\0', 400],
    ['{"val_a":3,"val_b":4,"val_b":4}', 400],
    ['{"val_a":3}', 422],
    ['{"val_a":3,"val_b":"4"}', 422],
    ['{"val_a":3,"VAL_B":4}', 422],
  ] as const) {
    assert.equal(plainSum(Buffer.from(content)), null, content);
    const reply = await ask("POST /", JSON_TYPE, content);
    assert.equal(reply.status === 200 ? reply.sum : reply.status, expected, content);
  }
});

const space = fc.oneof({ weight: 60, arbitrary: fc.constantFrom("", " ", "\n\t") }, fc.constant("\u00a0"));
const number = fc.oneof(
  fc.integer().map(String),
  fc.constantFrom("0", "-0", "0.0", "-0.0"),
  fc.double({ noNaN: true, min: -1e16, max: 1e16 }).map(String),
  fc.tuple(fc.integer(), fc.nat()).map((parts) => parts.join(".")),
  fc.bigInt({ min: -(10n ** 16n), max: 10n ** 16n }).map(String),
  { weight: 1, arbitrary: fc.constantFrom("00", "1.", "+1", "-", '"1"', "null", "1e2") },
);
const content = fc
  .tuple(fc.array(space, { minLength: 9, maxLength: 9 }), number, number)
  .map(([spaces, a, b]) =>
    ["{", '"val_a"', ":", a, ",", '"val_b"', ":", b, "}"].map((part, i) => part + spaces[i]).join(""),
  );

test("where it gives a sum, the long way gives the same", async () => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(content, async (json) => {
      const sum = plainSum(Buffer.from(json));
      if (sum === null) return;
      taken++;
      assert.equal(await sumOf(readJson(json)), sum);
    }),
    { numRuns: runs(3000) },
  );
  assert.ok(taken > runs(500, 25) && taken < runs(3000), `taken ${taken} times`);
});
