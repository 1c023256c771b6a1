/** The chunked transfer coding, read (RFC 9112 §7.1): whole, byte by byte, in small sips, and with the next request behind it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { END, FAULT } from "../../src/protocol/http1/body_reader.ts";
import { ChunkedReader } from "../../src/protocol/http1/chunked_reader.ts";
import { ReceiveBuffer } from "../../src/protocol/receive_buffer.ts";
import { type Limits, limitsFrom } from "../../src/protocol/limits.ts";
import { bytes, ends, type Split, text } from "../support/bytes.ts";

interface Result {
  body: string;
  /** The code of an error; null at the end; undefined when more is wanted. */
  error: string | null | undefined;
  trailers: [string, string][] | undefined;
  /** How many bytes the coding took. */
  length: number;
}

interface Options {
  readonly limits?: Partial<Limits>;
  /** How much is asked for at a time. */
  readonly max?: number;
  /** Nobody wants the content. */
  readonly drop?: boolean;
}

function read(data: string, split: Split = "whole", { limits = {}, max = 64, drop = false }: Options = {}): Result {
  const reader = new ChunkedReader(limitsFrom(limits));
  const input = new ReceiveBuffer();
  const all = bytes(data);
  const result: Result = { body: "", error: undefined, trailers: undefined, length: 0 };
  let start = 0;
  for (const end of ends(all.length, split)) {
    const lent = all.slice(start, end);
    start = end;
    input.feed(lent);
    for (;;) {
      const to = drop ? null : new Uint8Array(max + 4);
      const n = reader.read(input, to, 2, max);
      if (n === FAULT) {
        assert.ok(reader.error !== null);
        assert.equal(reader.read(input, to, 2, max), FAULT, "a fault stays one");
        return { ...result, error: reader.error.code };
      }
      assert.equal(reader.error === null || n > 0, true);
      if (n === END) {
        assert.equal(reader.remaining, 0);
        assert.equal(reader.read(input, to, 2, max), END, "the end stays the end");
        const { trailers } = reader;
        input.keep();
        lent.fill(0);
        return {
          body: result.body,
          error: null,
          trailers: trailers === undefined ? undefined : [...trailers],
          length: end - input.length,
        };
      }
      if (n === 0) break;
      assert.equal(reader.trailers, undefined);
      assert.ok(n > 0 && n <= max);
      result.body += to === null ? ".".repeat(n) : text(to.subarray(2, 2 + n));
    }
    assert.equal(reader.remaining, -1);
    input.keep();
    lent.fill(0);
  }
  return result;
}

const SPLITS: Split[] = ["whole", "bytes", [1], [2, 3], [4, 9, 10]];
const TRAILING = ["", "\r\n", "GET / HTTP/1.1\r\n\r\n", "0\r\n\r\n", "\0"];
const MAXES = [1, 3, 64];

const right: [coded: string, body: string, trailers?: [string, string][]][] = [
  ["0\r\n\r\n", ""],
  ["000\r\n\r\n", ""],
  ["5\r\nhello\r\n0\r\n\r\n", "hello"],
  ["5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"],
  ["0005\r\nhello\r\n0\r\n\r\n", "hello"],
  ["0000000000000005\r\nhello\r\n0\r\n\r\n", "hello"],
  ["a\r\n0123456789\r\nA\r\nABCDEFGHIJ\r\n0\r\n\r\n", "0123456789ABCDEFGHIJ"],
  [`1f\r\n${"x".repeat(31)}\r\n0\r\n\r\n`, "x".repeat(31)],
  [`1F\r\n${"x".repeat(31)}\r\n0\r\n\r\n`, "x".repeat(31)],
  // data that looks like framing
  ["7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n\r\n"],
  ["3\r\n\0\r\xff\r\n0\r\n\r\n", "\0\r\xff"],
  // extensions by their full grammar (§7.1.1), with the white space that it calls bad
  ["1;a\r\nx\r\n0;a\r\n\r\n", "x"],
  ["1;a=b\r\nx\r\n0\r\n\r\n", "x"],
  ["1;a;b=c;d\r\nx\r\n0\r\n\r\n", "x"],
  ["1 ; a = b \t; c\r\nx\r\n0\r\n\r\n", "x"],
  ["1\t;\ta\t=\tb\r\nx\r\n0\r\n\r\n", "x"],
  ['1;a=""\r\nx\r\n0\r\n\r\n', "x"],
  ['1;a="b;c=d"\r\nx\r\n0\r\n\r\n', "x"],
  ['1;a="\t \\"\\\\\\a\x80"\r\nx\r\n0\r\n\r\n', "x"],
  ['1;a="b" ; c="d";e\r\nx\r\n0\r\n\r\n', "x"],
  ["1;!#$%&'*+-.^_`|~=!#$%&'*+-.^_`|~\r\nx\r\n0\r\n\r\n", "x"],
  // trailers
  ["0\r\nA: b\r\n\r\n", "", [["A", "b"]]],
  [
    "1\r\nx\r\n0;z\r\nA: b\r\na:\r\nC: \xe9\r\n\r\n",
    "x",
    [
      ["A", "b"],
      ["a", ""],
      ["C", "\xe9"],
    ],
  ],
  ["0\r\nAuthorization: kept apart\r\n\r\n", "", [["Authorization", "kept apart"]]],
];

/** The content that is read before the fault is part of the promise: it must not depend on how the bytes were split. */
const wrong: [coded: string, code: string, body?: string][] = [
  ["\r\n", "CHUNK_SIZE_INVALID"],
  ["g\r\n", "CHUNK_SIZE_INVALID"],
  ["0x5\r\n", "CHUNK_SIZE_INVALID"],
  ["-5\r\n", "CHUNK_SIZE_INVALID"],
  ["+5\r\n", "CHUNK_SIZE_INVALID"],
  [" 5\r\n", "CHUNK_SIZE_INVALID"],
  [";a\r\n", "CHUNK_SIZE_INVALID"],
  ["5\nhello", "CHUNK_SIZE_INVALID"],
  ["5,\r\n", "CHUNK_SIZE_INVALID"],
  ["5\0\r\n", "CHUNK_SIZE_INVALID"],
  ["5\x80\r\n", "CHUNK_SIZE_INVALID"],
  ["00000000000000005\r\n", "CHUNK_SIZE_INVALID"],
  ["10000000000000005\r\n", "CHUNK_SIZE_INVALID"], // 2^64 + 5
  ["1\r\nx\r\n\r\n", "CHUNK_SIZE_INVALID", "x"],
  ["1\r\nx\r\nGET / HTTP/1.1\r\n", "CHUNK_SIZE_INVALID", "x"],
  ["fffffffffffffff0\r\n", "BODY_TOO_LARGE"],
  ["20000000000001\r\n", "BODY_TOO_LARGE"], // 2^53 + 1
  ["5\rhello", "LINE_ENDING_INVALID"],
  ["5\r\rhello", "LINE_ENDING_INVALID"],
  ["5;a\r;\r\n", "LINE_ENDING_INVALID"],
  ["5;a=b\rX", "LINE_ENDING_INVALID"],
  ["5 \r\nhello", "CHUNK_EXTENSION_INVALID"], // white space may only stand before ";"
  ["5\t\r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5 a\r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;\r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5; \r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;;a\r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;=a\r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;a \r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;a b\r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;a=\r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;a= \r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;a=;b\r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;a==b\r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;a=b \r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;a=b@\r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;a=b c\r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;a,b\r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;a\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;a=b\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;\n\r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;a\0\r\nhello", "CHUNK_EXTENSION_INVALID"],
  ["5;\x80\r\nhello", "CHUNK_EXTENSION_INVALID"],
  ['5;a="b\r\nhello', "CHUNK_EXTENSION_INVALID"],
  ['5;a="b\n"\r\nhello', "CHUNK_EXTENSION_INVALID"],
  ['5;a="\\\r\n"\r\nhello', "CHUNK_EXTENSION_INVALID"],
  ['5;a="\\\0"\r\nhello', "CHUNK_EXTENSION_INVALID"],
  ['5;a="\x7f"\r\nhello', "CHUNK_EXTENSION_INVALID"],
  ['5;a="b"c\r\nhello', "CHUNK_EXTENSION_INVALID"],
  ['5;a="b""c"\r\nhello', "CHUNK_EXTENSION_INVALID"],
  ['5;a="b"\nhello', "CHUNK_EXTENSION_INVALID"],
  ['5;"a"=b\r\nhello', "CHUNK_EXTENSION_INVALID"],
  ["5\r\nhello\n", "CHUNK_END_INVALID", "hello"],
  ["5\r\nhello!\r\n", "CHUNK_END_INVALID", "hello"],
  ["5\r\nhello\rX", "CHUNK_END_INVALID", "hello"],
  ["5\r\nhello\r\r\n", "CHUNK_END_INVALID", "hello"],
  ["5\r\nhello0\r\n\r\n", "CHUNK_END_INVALID", "hello"],
  ["2\r\nhello\r\n0\r\n\r\n", "CHUNK_END_INVALID", "he"],
  ["8\r\nhello\r\n0\r\n\r\n", "CHUNK_SIZE_INVALID", "hello\r\n0"],
  ["0\r\n A: b\r\n\r\n", "FIELD_FOLDED"],
  ["0\r\nA : b\r\n\r\n", "FIELD_NAME_INVALID"],
  ["0\r\nA: \0\r\n\r\n", "FIELD_VALUE_INVALID"],
  ["0\r\nA: b\n\r\n", "LINE_ENDING_INVALID"],
  ["0\r\n\n", "FIELD_NAME_INVALID"],
  ["0\r\n\rX", "LINE_ENDING_INVALID"],
  ["0\r\nGET / HTTP/1.1\r\n\r\n", "FIELD_NAME_INVALID"],
  ["1\r\nx\r\n0\r\nContent-Length: 5\r\n\r\n", "TRAILER_FORBIDDEN", "x"],
  ["0\r\nTransfer-Encoding: chunked\r\n\r\n", "TRAILER_FORBIDDEN"],
  ["0\r\nA: b\r\nHOST: a\r\n\r\n", "TRAILER_FORBIDDEN"],
  ["0\r\nconnection: close\r\n\r\n", "TRAILER_FORBIDDEN"],
  ["0\r\nTrailer: A\r\n\r\n", "TRAILER_FORBIDDEN"],
];

describe("a chunked body", () => {
  for (const [coded, body, trailers] of right) {
    test(`right: ${JSON.stringify(coded.slice(0, 60))}`, () => {
      for (const split of SPLITS) {
        for (const max of MAXES) {
          for (const trailing of TRAILING) {
            const expected = { body, error: null, trailers, length: coded.length };
            // What stands behind the end is the next request's: none of it may be taken.
            assert.deepEqual(read(coded + trailing, split, { max }), expected);
            const dropped = read(coded + trailing, split, { max, drop: true });
            assert.deepEqual(dropped, { ...expected, body: ".".repeat(body.length) });
          }
        }
      }
      for (let end = 0; end < coded.length; end++) assert.equal(read(coded.slice(0, end), "bytes").error, undefined);
    });
  }

  for (const [coded, code, body = ""] of wrong) {
    test(`wrong: ${JSON.stringify(coded)} is ${code}`, () => {
      for (const split of SPLITS) {
        for (const max of MAXES) {
          for (const trailing of TRAILING) {
            const { error, body: before } = read(coded + trailing, split, { max });
            assert.deepEqual([error, before], [code, body]);
          }
        }
      }
    });
  }

  test("of what comes in one piece with the next request, only the body is taken", () => {
    for (const [coded] of right) {
      const input = new ReceiveBuffer();
      input.feed(bytes(coded + "GET / HTTP/1.1\r\n\r\n"));
      const reader = new ChunkedReader(limitsFrom({}));
      const to = new Uint8Array(100);
      while (reader.read(input, to, 0, 100) !== END);
      assert.equal(text(input.bytes.subarray(input.pos, input.end)), "GET / HTTP/1.1\r\n\r\n");
    }
  });

  test("every byte of a quoted value is allowed or refused, alone and behind a backslash", () => {
    for (let c = 0; c < 256; c++) {
      const character = String.fromCharCode(c);
      const allowed = c === 0x09 || (c >= 0x20 && c <= 0x7e) || c >= 0x80;
      const alone = read(`1;a="b${character}c"\r\nx\r\n0\r\n\r\n`);
      const escaped = read(`1;a="b\\${character}c"\r\nx\r\n0\r\n\r\n`);
      // qdtext is all of that but the two that mean something (RFC 9110 §5.6.4); a backslash before c is an escape
      assert.equal(alone.error, allowed && character !== '"' ? null : "CHUNK_EXTENSION_INVALID", `byte ${c}`);
      assert.equal(escaped.error, allowed ? null : "CHUNK_EXTENSION_INVALID", `byte ${c} behind a backslash`);
    }
  });

  test("content may be as long as the limit, in whatever chunks, and no longer", () => {
    const limits = { maxBodySize: 6 };
    for (const split of SPLITS) {
      assert.equal(read("6\r\nabcdef\r\n0\r\n\r\n", split, { limits }).body, "abcdef");
      assert.equal(read("3\r\nabc\r\n1\r\nd\r\n2\r\nef\r\n0\r\n\r\n", split, { limits }).error, null);
      assert.equal(read("7\r\n", split, { limits }).error, "BODY_TOO_LARGE");
      assert.deepEqual(read("6\r\nabcdef\r\n1\r\n", split, { limits }), {
        body: "abcdef",
        error: "BODY_TOO_LARGE",
        trailers: undefined,
        length: 0,
      });
      assert.equal(read("0\r\n\r\n", split, { limits: { maxBodySize: 0 } }).error, null);
      assert.equal(read("1\r\n", split, { limits: { maxBodySize: 0 } }).error, "BODY_TOO_LARGE");
      // With no limit there is still one: sizes are exact.
      const none = { maxBodySize: Infinity };
      assert.equal(read("1fffffffffffff\r\nx", split, { limits: none }).body, "x");
      assert.equal(read("20000000000000\r\nx", split, { limits: none }).error, "CHUNK_SIZE_INVALID");
      assert.equal(read("ffffffffffffffff\r\nx", split, { limits: none }).error, "CHUNK_SIZE_INVALID");
    }
  });

  test("extensions may be as long as the limit, all together, and no longer", () => {
    const limits = { maxChunkExtensionSize: 8 };
    const within = ["1;abcdefg\r\nx\r\n0\r\n\r\n", '1;a="bcd"\r\nx\r\n0\r\n\r\n', "1;abc\r\nx\r\n0;abc\r\n\r\n"];
    const over = ["1;abcdefgh", "1;abcdefg;", "1        ;", "1;abc\r\nx\r\n0;abcd", '1;a="bcdef'];
    for (const split of SPLITS) {
      for (const coded of within) assert.equal(read(coded, split, { limits }).error, null, coded);
      for (const coded of over) assert.equal(read(coded, split, { limits }).error, "CHUNK_EXTENSIONS_TOO_LARGE", coded);
    }
  });

  test("trailers may be as long and as many as the limits, and no more", () => {
    const limits = { maxTrailerSize: 12, maxTrailers: 2 };
    for (const split of SPLITS) {
      assert.equal(read("0\r\nA: 1\r\nB: 2\r\n\r\n", split, { limits }).error, null);
      assert.equal(read("0\r\nA: 1\r\nB: 23\r\n", split, { limits }).error, undefined);
      assert.equal(read("0\r\nA: 1\r\nB: 23\r\n\r", split, { limits }).error, "TRAILERS_TOO_LARGE");
      assert.equal(read("0\r\nA: 1\r\nB: 23\r\n\r\n", split, { limits }).error, "TRAILERS_TOO_LARGE");
      assert.equal(read(`0\r\nA: ${"b".repeat(11)}`, split, { limits }).error, "TRAILERS_TOO_LARGE");
      assert.equal(read("0\r\nA:\r\nB:\r\nC", split, { limits }).error, "TRAILERS_TOO_LARGE");
      assert.equal(read("0\r\n\r\n", split, { limits: { maxTrailerSize: 0, maxTrailers: 0 } }).error, null);
    }
  });
});
