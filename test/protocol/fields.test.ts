/** Fields as they came in and as they go out (RFC 9110 §5). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { inspect } from "node:util";
import { runs } from "../support/thorough.ts";
import { Field, FieldList, Fields, knownField } from "../../src/protocol/fields.ts";
import { FieldLines, fieldLines, sizeOfLines, writeFields } from "../../src/protocol/http1/field_writer.ts";

const TEXT = "Host: a\r\nX-A:1\r\nx-a: 2\r\nX-a:\r\nCookie: \xe9\r\n";
const fields = new Fields(TEXT, [0, 4, 6, 7, 9, 12, 13, 14, 16, 19, 21, 22, 24, 27, 28, 28, 30, 36, 38, 39]);

describe("fields received", () => {
  test("are found whatever the case of their names' letters", () => {
    for (const name of ["X-A", "x-a", "X-a", "x-A"]) {
      assert.equal(fields.get(name), "1");
      assert.deepEqual(fields.getAll(name), ["1", "2", ""]);
      assert.equal(fields.has(name), true);
    }
    assert.equal(fields.get("cOOKIE"), "\xe9");
    assert.equal(fields.has("host"), true);
    assert.deepEqual(fields.getAll("HOST"), ["a"]);
  });

  test("show themselves", () => {
    const few = new Fields("a: 1\r\nA: 2\r\n", [0, 1, 3, 4, 6, 7, 9, 10]);
    assert.equal(JSON.stringify(few), '[["a","1"],["A","2"]]');
    assert.equal(inspect({ few }), "{ few: Fields [ [ 'a', '1' ], [ 'A', '2' ] ] }");
  });

  test("are not found under other names", () => {
    for (const name of [
      "",
      "X",
      "X-",
      "X-AA",
      "X-B",
      "Host:",
      "Host ",
      " Host",
      "a",
      "x\ra",
      "X\x0dA",
      "H\xd6st",
      "\u212bost",
    ]) {
      assert.equal(fields.get(name), null);
      assert.deepEqual(fields.getAll(name), []);
      assert.equal(fields.has(name), false);
    }
    // "@" and "`", "[" and "{" differ by the bit that letters' cases do, and are no letters
    const odd = new Fields("^~: 1", [0, 2, 4, 5]);
    assert.equal(odd.get("^~"), "1");
    assert.equal(odd.get("~^"), null);
    const tick = new Fields("`: 1", [0, 1, 3, 4]);
    assert.equal(tick.get("@"), null);
  });

  test("come in order, their names as they were written, as often as asked", () => {
    const expected = [
      ["Host", "a"],
      ["X-A", "1"],
      ["x-a", "2"],
      ["X-a", ""],
      ["Cookie", "\xe9"],
    ];
    assert.deepEqual([...fields], expected);
    assert.deepEqual([...fields], expected);
    assert.equal(fields.length, 5);
  });

  test("may be none", () => {
    const none = new Fields("", []);
    assert.equal(none.length, 0);
    assert.deepEqual([...none], []);
    assert.equal(none.get("Host"), null);
    assert.equal(none.has(""), false);
  });
});

/** What a list writes out. */
function written(list: FieldList): string {
  let text = "";
  writeFields(list, {
    text: (part) => (text += part),
    bytes: (part) => (text += Buffer.from(part).toString("latin1")),
  });
  return text;
}

describe("fields to be sent", () => {
  test("are kept as they were given, in order", () => {
    const list = new FieldList();
    list.add("Content-Type", "text/plain");
    list.add("X-Number", 42);
    list.add("x-empty", "");
    list.add("Content-Type", "a\tb \x80\xff~");
    list.addField(new Field("Date", "now"));
    const expected = [
      ["Content-Type", "text/plain"],
      ["X-Number", "42"],
      ["x-empty", ""],
      ["Content-Type", "a\tb \x80\xff~"],
      ["Date", "now"],
    ];
    assert.deepEqual([...list], expected);
    assert.deepEqual([...list], expected);
  });

  test("a value has no byte that could split a message", () => {
    for (let c = 0; c < 0x120; c++) {
      const list = new FieldList();
      const value = `a${String.fromCharCode(c)}b`;
      const allowed = c === 0x09 || (c >= 0x20 && c !== 0x7f && c <= 0xff);
      if (allowed) list.add("X", value);
      else assert.throws(() => list.add("X", value), TypeError, `character ${c}`);
      assert.equal([...list].length, allowed ? 1 : 0, "nothing of what is refused is kept");
    }
    for (const value of ["a\r\nSet-Cookie: b", "a\n", "\r", "a\r\n b", "\u{1f600}", "€"]) {
      assert.throws(() => new FieldList().add("X", value), TypeError, JSON.stringify(value));
    }
  });

  test("what is sent again and again is written out once, and says what it was given each time", () => {
    const name = "X-Again";
    const values = [
      "a",
      "a",
      "a",
      "b",
      "a",
      "a",
      1,
      1,
      "1",
      "1",
      "",
      "",
      "c".repeat(5000),
      "c".repeat(5000),
      "",
      "\xe9",
      "\xe9",
    ];
    for (const value of values) {
      const list = new FieldList();
      list.add("X-Before", "x");
      list.add(name, value);
      list.addField(knownField("X-Behind", "y"));
      const lines = `X-Before: x\r\n${name}: ${value}\r\nX-Behind: y\r\n`;
      assert.equal(fieldLines(list), lines);
      assert.equal(sizeOfLines(list), lines.length);
      assert.equal(written(list), lines);
    }
    const list = new FieldList();
    list.add(name, "a");
    for (const value of ["a\r\nX: y", "a\r\nX: y", null, {}])
      assert.throws(() => list.add(name, value as string), TypeError, "what was seen before makes nothing else right");
    assert.equal(fieldLines(list), `${name}: a\r\n`);
  });

  test("whatever was sent before, a list is written out as it is", () => {
    const field = fc.record({
      name: fc.constantFrom("Server", "Date", "Content-Type", "X-A", "X-B"),
      value: fc.constantFrom<string | number>("a", "b", 1, "1", "", "é", "c".repeat(300)),
    });
    // Lists come again and again, as those of responses do, so that what is remembered of them is used.
    const lists = fc.array(
      fc.record({ list: fc.array(field, { maxLength: 12 }), times: fc.integer({ min: 1, max: 4 }) }),
    );
    fc.assert(
      fc.property(lists, (lists) => {
        for (const { list, times } of lists) {
          const lines = list.map(({ name, value }) => `${name}: ${value}\r\n`).join("");
          for (let i = 0; i < times; i++) {
            const fields = new FieldList();
            for (const { name, value } of list) fields.add(name, value);
            assert.equal(written(fields), lines);
          }
        }
      }),
      { numRuns: runs(2000) },
    );
  });

  test("however many there are, and whatever they are made of", () => {
    const list = new FieldList();
    let lines = "";
    for (let i = 0; i < 2500; i++) {
      list.add(`X-${i}`, i);
      lines += `X-${i}: ${i}\r\n`;
      if (i % 100 === 0) {
        list.addField(new Field("A", "1"));
        list.addField(new Field("B", "2"));
        lines += "A: 1\r\nB: 2\r\n";
      }
    }
    assert.equal(fieldLines(list), lines);
    assert.equal(written(list), lines);
    assert.equal(written(new FieldLines(lines)), lines);
    assert.equal(fieldLines(new FieldLines(lines)), lines);
    assert.equal(sizeOfLines(new FieldLines(lines)), lines.length);
    assert.deepEqual([...new FieldLines(lines)], [...list]);
    const taken = new FieldLines(lines);
    assert.deepEqual([taken.length, taken.size, taken.at(1).value], [list.length, list.size, list.at(1).value]);
    assert.equal([...list].length, 2500 + 50);
  });

  test("a value is a string or a number", () => {
    for (const value of [undefined, null, true, {}, [], Symbol("s"), 1n]) {
      assert.throws(() => new FieldList().add("X", value as unknown as string), TypeError);
    }
  });

  test("a name is a token, however often it is asked for", () => {
    const names = ["", " ", "a b", "a:", ":a", "a\r\n", "a\n", "a\0", "\xe9", "a\u212a", "a(", '"a"', "a/b", "a\t"];
    for (let i = 0; i < 2; i++) {
      for (const name of names) assert.throws(() => new FieldList().add(name, "1"), TypeError, JSON.stringify(name));
      for (const name of [undefined, null, 5, {}]) {
        assert.throws(() => new FieldList().add(name as unknown as string, "1"), TypeError);
      }
      new FieldList().add("!#$%&'*+-.^_`|~09azAZ", "1");
    }
  });

  test("the framing is not the user's", () => {
    for (const name of [
      "Content-Length",
      "content-length",
      "CONTENT-LENGTH",
      "Transfer-Encoding",
      "tRANSFER-eNCODING",
    ]) {
      for (let i = 0; i < 2; i++) assert.throws(() => new FieldList().add(name, "5"), TypeError, name);
    }
  });

  test("an error says what was wrong, and quotes no more than it must", () => {
    assert.throws(() => new FieldList().add("X-Name", "a\r\nb"), /X-Name.*"a\\r\\nb"/);
    assert.throws(() => new FieldList().add("X Name", "a"), /"X Name".*token/);
    assert.throws(
      () => new FieldList().add("X", "\n".repeat(100_000)),
      (error: Error) => error.message.length < 400,
    );
  });

  test("a list that was cleared is as a new one, however much was in it", () => {
    const list = new FieldList();
    for (const count of [0, 1, 3, 5, 100, 2]) {
      for (let i = 0; i < count; i++) list.add(`X-${i}`, "a");
      list.clear();
      assert.deepEqual([[...list], fieldLines(list), list.size], [[], "", 0]);
      list.add("X-B", "b");
      assert.deepEqual([[...list], fieldLines(list), list.size], [[["X-B", "b"]], "X-B: b\r\n", 4]);
      list.clear();
    }
  });

  test("names seen before do not pile up", () => {
    for (let i = 0; i < 5000; i++) new FieldList().add(`X-${i}`, "1");
    assert.throws(() => new FieldList().add("X 5001", "1"), TypeError);
    new FieldList().add("X-5001", "1");
  });
});
