/** A header or trailer section by itself (RFC 9112 §5): whole, byte by byte, and with other bytes behind it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FIELDS_TOO_MANY, type ProtocolError, TRAILERS_TOO_LARGE } from "../../src/protocol/errors.ts";
import { FieldLinesReader } from "../../src/protocol/http1/field_lines.ts";
import { bytes, readPieces, type Split } from "../support/bytes.ts";

type Result = { fields: [string, string][]; length: number } | string | null;

interface Options {
  readonly maxFields?: number;
  readonly tooMany?: ProtocolError;
  /** What stands before the section. */
  readonly before?: string;
}

/** The fields and where the section ends, the code of an error, or null when more is wanted. */
function read(section: string, split: Split, { maxFields = 10, tooMany, before = "" }: Options = {}): Result {
  const reader = new FieldLinesReader(maxFields, tooMany);
  reader.reset(before.length);
  const data = before + section;
  const length = readPieces(bytes(data), split, (bytes, base, end) =>
    end - base < before.length ? 0 : reader.read(bytes, base, end),
  );
  if (length === 0) return null;
  if (length < 0) {
    assert.ok(reader.error !== null);
    return reader.error.code;
  }
  assert.equal(reader.error, null);
  const fields: [string, string][] = [];
  const { spans } = reader;
  for (let i = 0; i < spans.length; i += 4) {
    fields.push([data.slice(spans[i], spans[i + 1]), data.slice(spans[i + 2], spans[i + 3])]);
  }
  return { fields, length };
}

const SPLITS: Split[] = ["whole", "bytes", [1], [2], [3, 4, 7]];
const TRAILING = ["", "GET / HTTP/1.1\r\n\r\n", " ", "\r\n", "\n", "\0"];

const right: [section: string, fields: [string, string][]][] = [
  ["\r\n", []],
  ["A: b\r\n\r\n", [["A", "b"]]],
  ["A:b\r\n\r\n", [["A", "b"]]],
  ["A:\r\n\r\n", [["A", ""]]],
  ["A:  \t \r\n\r\n", [["A", ""]]],
  ["A: \t b c \t \r\n\r\n", [["A", "b c"]]],
  ["A: b\tc\r\n\r\n", [["A", "b\tc"]]],
  ["A: :b:\r\n\r\n", [["A", ":b:"]]],
  ["A: \xe9\x80\xff\r\n\r\n", [["A", "\xe9\x80\xff"]]],
  ['A: ",;\\"\r\n\r\n', [["A", '",;\\"']]],
  ["!#$%&'*+-.^_`|~0aZ: b\r\n\r\n", [["!#$%&'*+-.^_`|~0aZ", "b"]]],
  [
    "A: 1\r\nb: 2\r\nA:3\r\n\r\n",
    [
      ["A", "1"],
      ["b", "2"],
      ["A", "3"],
    ],
  ],
  [`A: ${"b".repeat(3000)}\r\n\r\n`, [["A", "b".repeat(3000)]]],
];

const wrong: [section: string, code: string][] = [
  // white space before the first field, and a folded line (§2.2, §5.2)
  [" A: b\r\n\r\n", "FIELD_FOLDED"],
  ["\tA: b\r\n\r\n", "FIELD_FOLDED"],
  ["A: b\r\n c\r\n\r\n", "FIELD_FOLDED"],
  ["A: b\r\n\tc\r\n\r\n", "FIELD_FOLDED"],
  ["A:\r\n b\r\n\r\n", "FIELD_FOLDED"],
  ["A: b\r\n \r\n\r\n", "FIELD_FOLDED"],
  // "No whitespace is allowed between the field name and colon" (§5.1)
  ["A : b\r\n\r\n", "FIELD_NAME_INVALID"],
  ["A\t: b\r\n\r\n", "FIELD_NAME_INVALID"],
  [": b\r\n\r\n", "FIELD_NAME_INVALID"],
  ["A\r\n\r\n", "FIELD_NAME_INVALID"],
  ["A b: c\r\n\r\n", "FIELD_NAME_INVALID"],
  ["A\0: b\r\n\r\n", "FIELD_NAME_INVALID"],
  ["A\x80: b\r\n\r\n", "FIELD_NAME_INVALID"],
  ["A(: b\r\n\r\n", "FIELD_NAME_INVALID"],
  ['"A": b\r\n\r\n', "FIELD_NAME_INVALID"],
  ["A\n: b\r\n\r\n", "FIELD_NAME_INVALID"],
  ["A: b\r\nB\r\n\r\n", "FIELD_NAME_INVALID"],
  // a bare LF as the empty line
  ["\n", "FIELD_NAME_INVALID"],
  ["A: b\r\n\n", "FIELD_NAME_INVALID"],
  ["A: \0\r\n\r\n", "FIELD_VALUE_INVALID"],
  ["A: b\0c\r\n\r\n", "FIELD_VALUE_INVALID"],
  ["A: b\x0bc\r\n\r\n", "FIELD_VALUE_INVALID"],
  ["A: b\x7f\r\n\r\n", "FIELD_VALUE_INVALID"],
  ["A: \x1b\r\n\r\n", "FIELD_VALUE_INVALID"],
  ["A: b\n\r\n", "LINE_ENDING_INVALID"],
  ["A:\n\r\n", "LINE_ENDING_INVALID"],
  ["A: b\rc\r\n\r\n", "LINE_ENDING_INVALID"],
  ["A: b\r\r\n\r\n", "LINE_ENDING_INVALID"],
  ["A:\rb\r\n\r\n", "LINE_ENDING_INVALID"],
  ["\rA: b\r\n\r\n", "LINE_ENDING_INVALID"],
  ["\r\r\n", "LINE_ENDING_INVALID"],
  ["A: b\r\n\rX", "LINE_ENDING_INVALID"],
];

describe("a section of field lines", () => {
  for (const [section, fields] of right) {
    test(`right: ${JSON.stringify(section.slice(0, 60))}`, () => {
      for (const split of SPLITS) {
        for (const trailing of TRAILING) {
          assert.deepEqual(read(section + trailing, split), { fields, length: section.length });
          // Places count from the first byte of the message, not of the section.
          const before = "GET / HTTP/1.1\r\n";
          assert.deepEqual(read(section + trailing, split, { before }), {
            fields,
            length: before.length + section.length,
          });
        }
      }
      for (let end = 0; end < section.length; end += end < 40 ? 1 : 500)
        assert.equal(read(section.slice(0, end), "bytes"), null);
    });
  }

  for (const [section, code] of wrong) {
    test(`wrong: ${JSON.stringify(section)} is ${code}`, () => {
      for (const split of SPLITS) {
        for (const trailing of TRAILING) assert.equal(read(section + trailing, split), code);
      }
    });
  }

  test("every byte is a value's, ends it, or is refused", () => {
    for (let c = 0; c < 256; c++) {
      const value = `a${String.fromCharCode(c)}b`;
      const result = read(`A: ${value}\r\n\r\n`, "whole");
      // VCHAR, obs-text, SP and HTAB (RFC 9110 §5.5)
      if (c === 0x09 || (c >= 0x20 && c <= 0x7e) || c >= 0x80)
        assert.deepEqual(result, { fields: [["A", value]], length: 10 });
      else assert.equal(result, c === 0x0a || c === 0x0d ? "LINE_ENDING_INVALID" : "FIELD_VALUE_INVALID", `byte ${c}`);
    }
  });

  test("every byte is a name's or is refused", () => {
    for (let c = 0; c < 256; c++) {
      const name = `a${String.fromCharCode(c)}b`;
      const result = read(`${name}: c\r\n\r\n`, "whole");
      if (/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{3}$/.test(name))
        assert.deepEqual(result, { fields: [[name, "c"]], length: 10 });
      else if (c === 0x3a) assert.deepEqual(result, { fields: [["a", "b: c"]], length: 10 });
      else assert.equal(result, "FIELD_NAME_INVALID", `byte ${c}`);
    }
  });

  test("there may be as many fields as the limit says, and no more", () => {
    const three = "A: 1\r\nB: 2\r\nC: 3\r\n";
    for (const split of SPLITS) {
      const result = read(three + "\r\n", split, { maxFields: 3 });
      assert.equal(typeof result === "object" && result?.fields.length, 3);
      assert.equal(read(three + "D", split, { maxFields: 3 }), FIELDS_TOO_MANY.code);
      assert.equal(
        read(three + "D: 4\r\n\r\n", split, { maxFields: 3, tooMany: TRAILERS_TOO_LARGE }),
        TRAILERS_TOO_LARGE.code,
      );
      assert.deepEqual(read("\r\n", split, { maxFields: 0 }), { fields: [], length: 2 });
      assert.equal(read("A", split, { maxFields: 0 }), FIELDS_TOO_MANY.code);
    }
  });

  test("a reader that was reset begins anew", () => {
    const reader = new FieldLinesReader(2);
    for (let i = 0; i < 3; i++) {
      reader.reset(0);
      assert.equal(reader.read(bytes("A: 1\r\nB: 2\r\n\r\n"), 0, 14), 14);
      assert.equal(reader.spans.length, 8);
    }
    reader.reset(0);
    assert.equal(reader.read(bytes("A\n"), 0, 2), -1);
    reader.reset(0);
    assert.equal(reader.error, null);
    assert.equal(reader.read(bytes("\r\n"), 0, 2), 2);
  });
});
