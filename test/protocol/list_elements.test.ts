/** Fields that are lists, and their elements (RFC 9110 §5.6.1). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { Fields } from "../../src/protocol/fields.ts";
import { addElements } from "../../src/protocol/list_elements.ts";

/** A section with these fields. */
function section(lines: readonly (readonly [name: string, value: string])[]): Fields {
  let text = "";
  const spans: number[] = [];
  for (const [name, value] of lines) {
    spans.push(text.length, text.length + name.length);
    text += name + ": ";
    spans.push(text.length, text.length + value.length);
    text += value + "\r\n";
  }
  return new Fields(text, spans);
}

/** The elements of the fields named X. */
function list(...values: string[]): string[] {
  return section(values.map((value, i) => [i % 2 === 0 ? "X" : "x", value])).list("X");
}

describe("the elements of a list", () => {
  for (const [values, elements] of [
    [["a"], ["a"]],
    [["a, b"], ["a", "b"]],
    [["a,b,c"], ["a", "b", "c"]],
    [
      ["a", "b, c", "d"],
      ["a", "b", "c", "d"],
    ],
    [["a \t,\t b  c \t,d"], ["a", "b  c", "d"]],
    [[""], []],
    [[",", " , ", ",,,\t,"], []],
    [["foo ,bar,"], ["foo", "bar"]],
    [["foo , ,bar,charlie"], ["foo", "bar", "charlie"]],
    [['"a, b", c'], ['"a, b"', "c"]],
    [['for="[2001:db8::1]:80";by="a,b", for=x'], ['for="[2001:db8::1]:80";by="a,b"', "for=x"]],
    [['W/"a,b" , "c" ,""'], ['W/"a,b"', '"c"', '""']],
    [['"a\\", b", c'], ['"a\\", b"', "c"]],
    [['"a\\\\", b", c'], ['"a\\\\"', 'b"', "c"]],
    [['" a ", b'], ['" a "', "b"]],
    [['"a, b'], ['"a', "b"]],
    [['"a\\'], ['"a\\']],
    [['"a\\"'], ['"a\\"']],
    // A quoted string ends with its line at the latest.
    [
      ['"a', 'b", c'],
      ['"a', 'b"', "c"],
    ],
    [["caf\xe9,\xa0, \x85"], ["caf\xe9", "\xa0", "\x85"]],
  ] as [string[], string[]][]) {
    test(`of ${JSON.stringify(values)}`, () => assert.deepEqual(list(...values), elements));
  }

  test("are those of one name, whatever the case of its letters; none where there is none", () => {
    const fields = section([
      ["Accept", "a, b"],
      ["Accept-Language", "de, en"],
      ["ACCEPT", "c"],
    ]);
    assert.deepEqual(fields.list("accept"), ["a", "b", "c"]);
    assert.deepEqual(fields.list("Accept-Language"), ["de", "en"]);
    assert.deepEqual(fields.list("Accept-Encoding"), []);
  });

  const space = fc.stringMatching(/^[ \t]{0,3}$/);
  const quoted = fc.stringMatching(/^[a-z]?"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\x21-\x7e])*"$/);
  const element = fc.oneof(fc.stringMatching(/^[!#-+\--~\x80-\xff]+$/), quoted);

  test("come out as they went in, whichever lines they stand in, with whatever space and empty elements between", () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.tuple(space, fc.option(element, { nil: "" }), space))), (lines) => {
        const values = lines.map((line) => line.map(([before, one, behind]) => before + one + behind).join(","));
        const elements = lines.flatMap((line) => line.map(([, one]) => one)).filter((one) => one !== "");
        assert.deepEqual(list(...values), elements);
      }),
    );
  });

  test("end with what was appended, whatever stood before it", () => {
    const sent = fc.oneof(fc.string({ unit: "binary-ascii" }), fc.stringMatching(/^[",\\ab ]*$/));
    fc.assert(
      fc.property(fc.array(sent), sent, (others, last) => {
        const address = "192.0.2.7";
        assert.equal(list(...others, `${last}, ${address}`).at(-1), address, "to the same line");
        assert.equal(list(...others, last, address).at(-1), address, "as another line");
      }),
    );
  });

  test("cost time in proportion to their length", () => {
    for (const piece of ['"', '\\"', '"\\', ",", '",', " ", 'a"', '"a" ']) {
      const value = piece.repeat(10_000);
      let looks = 0;
      const watched = {
        length: value.length,
        charCodeAt: (at: number) => (looks++, value.charCodeAt(at)),
        substring: () => "",
      };
      addElements(watched as unknown as string, []);
      assert.ok(looks <= 4 * value.length, `${looks} for ${value.length} of ${piece}`);
    }
  });
});
