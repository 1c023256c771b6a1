/** The reader of JSON, against JSON.parse: no text more, and fewer only for names that stand twice and for depth. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { HTTPError } from "plinth";
import { readJson } from "../../../apps/addition/content.ts";
import { runs } from "../../support/thorough.ts";

function refusal(text: string): string {
  try {
    readJson(text);
  } catch (error) {
    assert.ok(error instanceof HTTPError && error.status === 400, `${text.slice(0, 80)}: ${String(error)}`);
    return error.detail!;
  }
  assert.fail(`read: ${text.slice(0, 80)}`);
}

test("numbers are exact, wherever they stand", () => {
  const value = readJson(' {"val_a": 12345678901234567890123, "more": [1, 1.0, {"x": -0.0}], "\\u0061": null}\t\r\n');
  assert.deepEqual(value, { val_a: 12345678901234567890123n, more: [1n, 1, { x: -0 }], a: null });
});

test("a name that occurs twice, at any depth, however it is written, and with equal values too", () => {
  for (const text of [
    '{"val_a": 3, "val_b": 4, "val_a": 5}',
    '{"val_a": 3, "val_b": 4, "val_a": 3}',
    '{"val_a": 3, "val_b": 4, "val\\u005fa": 3}',
    '{"": 1, "" : 1}',
    '{"x": {}, "x": []}',
    '{"x": null, "x"\n: null}',
    '{"x": [0, {"y": {"z": 1, "z": 1}}]}',
    '{"__proto__": 1, "__proto__": 1}',
    '{"\\ud800": 1, "\\ud800": 1}',
    '{"\\"": 1, "\\u0022": 1}',
    '{"x": {"x": 1}, "x": {"x": 1}}',
  ]) {
    assert.match(refusal(text), /occurs twice/, text);
  }
  for (const text of [
    '{"x": {"x": {"x": "x"}}, "y": ["x", "x"], "z": "x\\":"}',
    '[{"x": 1}, {"x": 1}]',
    '{"x": {"y": [{"z": 1}]}, "y": 1, "z": 1}',
    '{"a": "b", "b": "a", "A": 1, "é": 1, "e\u0301": 1}',
    '{"a:": "a", "a": "{", "b": "[{"}',
    '{"toString": 1, "constructor": 2, "__proto__": 3, "hasOwnProperty": 4}',
  ]) {
    readJson(text);
  }
});

test("a __proto__ is a name like another", () => {
  const value = readJson('{"__proto__": {"val_a": 3}}') as object;
  assert.deepEqual(Object.keys(value), ["__proto__"]);
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
});

test("what JSON.parse refuses", () => {
  for (const text of [
    "",
    " ",
    "NaN",
    "-Infinity",
    "01",
    "-01",
    "1.",
    ".5",
    "+1",
    "0x10",
    "1_0",
    "'a'",
    "{a: 1}",
    '{"a": 1,}',
    "[1,]",
    "[,]",
    "[1 2]",
    "[1}",
    '{"a" 1}',
    "{} {}",
    "undefined",
    "// a\n1",
    "\ufeff1",
    "\u00a01",
    "\u000b1",
    '"\t"',
    '"\\x41"',
    '"\\u00g0"',
    '"',
    '"\\',
    '"a\n"',
  ]) {
    refusal(text);
  }
});

test("depth has an end, and long before the stack has", () => {
  for (const [open, close] of [
    ["[", "]"],
    ['{"a":', "}"],
  ]) {
    const nested = (depth: number): string => open.repeat(depth) + (open === "[" ? "" : "1") + close.repeat(depth);
    readJson(nested(1000));
    assert.match(refusal(nested(1001)), /1,000/);
    refusal(nested(32_000 / open.length));
    refusal(open.repeat(60_000 / open.length));
  }
  readJson(`[${"[],".repeat(20_000)}[]]`);
});

test("what is said of it is short, however long the content", () => {
  assert.ok(refusal(`{"${"a".repeat(30_000)}": 1, "${"a".repeat(30_000)}": 1}`).length < 300);
  assert.ok(refusal(`{"${"a".repeat(60_000)}": x}`).length < 300);
});

/** JSON as texts, with all that may differ between two texts of one value, and with names that stand twice. */
const { document } = fc.letrec<{ document: string; value: string }>((tie) => {
  const space = fc.constantFrom("", "", " ", "\n", "\t", "\r");
  const spaced = (text: fc.Arbitrary<string>) => fc.tuple(space, text, space).map((parts) => parts.join(""));
  const name = fc.constantFrom("a", "\\u0061", "b", "", "__proto__", "val_a", "\\ud800", 'x\\"', ":", "{");
  const member = fc.tuple(spaced(name.map((text) => `"${text}"`)), tie("value")).map((parts) => parts.join(":"));
  const number = fc.constantFrom("0", "-0", "1", "-0.0", "1e3", "12345678901234567890", "0.1", "1e999", "5E-324");
  return {
    document: tie("value"),
    value: spaced(
      fc.oneof(
        { maxDepth: 4 },
        number,
        fc.constantFrom("null", "true", "false", '""', '"a\\":"', '"{"'),
        fc.array(tie("value"), { maxLength: 3 }).map((items) => `[${items.join(",")}]`),
        fc.array(member, { maxLength: 3 }).map((members) => `{${members.join(",")}}`),
      ),
    ),
  };
});

/** Texts that are JSON, or nearly. */
const text = fc.oneof(
  document,
  fc
    .tuple(
      fc.oneof(document, fc.json()),
      fc.nat(),
      fc.nat({ max: 2 }),
      fc.constantFrom(..."{}[]\",:\\0123-+.eEntfu/' \n\t\v\0\ufeff\ud800é\u2028"),
    )
    .map(([json, at, removed, added]) => {
      const place = at % (json.length + 1);
      return json.slice(0, place) + added + json.slice(place + removed);
    }),
);

test("it reads what JSON.parse reads, as JSON.parse does but for the numbers", () => {
  let read = 0;
  let twice = 0;
  let refused = 0;
  fc.assert(
    fc.property(text, (json) => {
      let value: unknown;
      try {
        value = JSON.parse(json);
      } catch {
        refused++;
        refusal(json);
        return;
      }
      if (countNames(json) !== countMembers(value)) {
        twice++;
        assert.match(refusal(json), /occurs twice/);
      } else {
        read++;
        assert.deepEqual(asDoubles(readJson(json)), asDoubles(value));
      }
    }),
    { numRuns: runs(5000) },
  );
  const many = runs(500, 50);
  assert.ok(
    read > many && twice > runs(20, 1) && refused > many,
    `${read} read, ${twice} with a name twice, ${refused} refused`,
  );
});

/** The names in a text that is JSON: strings with a colon behind them. */
function countNames(json: string): number {
  return [...json.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)].filter(([, colon]) => colon !== undefined).length;
}

/** The names that JSON.parse has kept: of those that stand twice, one. */
function countMembers(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum: number, member) => sum + countMembers(member), own);
}

/** Every number as a double, and without the sign of zero, which integers do not have. */
function asDoubles(value: unknown): unknown {
  if (typeof value === "bigint" || typeof value === "number") return Number(value) + 0;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(asDoubles);
  return Object.entries(value).map(([name, member]) => [name, asDoubles(member)]);
}
