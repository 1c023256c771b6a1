/** Content of a length said beforehand, and none (RFC 9112 §6.3). Chunked content has a test of its own. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CountedReader, END, NO_BODY } from "../../src/protocol/http1/body_reader.ts";
import { ReceiveBuffer } from "../../src/protocol/receive_buffer.ts";
import { bytes, ends, type Split, text } from "../support/bytes.ts";

function read(
  reader: CountedReader,
  data: string,
  split: Split,
  max: number,
  drop = false,
): { body: string; rest: string } {
  const input = new ReceiveBuffer();
  const all = bytes(data);
  let body = "";
  let start = 0;
  for (const end of ends(all.length, split)) {
    const lent = all.slice(start, end);
    start = end;
    input.feed(lent);
    for (;;) {
      const to = new Uint8Array(max + 4).fill(0xee);
      const n = reader.read(input, drop ? null : to, 2, max);
      assert.ok(n === END || (n >= 0 && n <= max));
      assert.ok(
        to.subarray(0, 2).every((byte) => byte === 0xee) &&
          to.subarray(2 + Math.max(n, 0)).every((byte) => byte === 0xee),
      );
      if (n <= 0) break;
      body += drop ? ".".repeat(n) : text(to.subarray(2, 2 + n));
    }
    input.keep();
    lent.fill(0);
  }
  return { body, rest: text(input.bytes.subarray(input.pos, input.end)) };
}

const SPLITS: Split[] = ["whole", "bytes", [1], [5, 6], [7]];

describe("a counted body", () => {
  test("is as long as was said, and leaves what is behind it alone", () => {
    const content = "hello\r\n\0\xff0123456789".repeat(10);
    for (const split of SPLITS) {
      for (const max of [1, 7, 47, 48, 49, 50, 1000]) {
        const reader = new CountedReader(content.length);
        assert.equal(reader.remaining, content.length);
        assert.deepEqual(read(reader, content + "GET /", split, max), { body: content, rest: "GET /" });
        assert.equal(reader.remaining, 0);
        assert.deepEqual(read(new CountedReader(content.length), content + "GET /", split, max, true), {
          body: ".".repeat(content.length),
          rest: "GET /",
        });
      }
    }
  });

  test("says 0 until the next bytes come, and END only behind the last one", () => {
    const reader = new CountedReader(3);
    const input = new ReceiveBuffer();
    const to = new Uint8Array(8);
    assert.equal(reader.read(input, to, 0, 8), 0);
    input.feed(bytes("ab"));
    assert.equal(reader.read(input, to, 0, 8), 2);
    assert.equal(reader.remaining, 1);
    assert.equal(reader.read(input, to, 2, 8), 0);
    input.feed(bytes("cd"));
    assert.equal(reader.read(input, to, 2, 6), 1);
    assert.equal(reader.read(input, to, 3, 5), END);
    assert.equal(reader.read(input, to, 3, 5), END);
    assert.equal(text(to.subarray(0, 3)), "abc");
    assert.equal(input.length, 1);
    assert.equal(reader.error, null);
    assert.equal(reader.trailers, undefined);
  });

  test("of length Infinity takes all there is and never ends: a tunnel", () => {
    const reader = new CountedReader(Infinity);
    assert.equal(reader.remaining, -1);
    assert.deepEqual(read(reader, "anything at all", "whole", 4), { body: "anything at all", rest: "" });
    assert.equal(reader.read(new ReceiveBuffer(), null, 0, 4), 0);
    assert.equal(reader.remaining, -1);
  });

  test("no body takes nothing", () => {
    assert.equal(NO_BODY.remaining, 0);
    const input = new ReceiveBuffer();
    input.feed(bytes("GET /"));
    assert.equal(NO_BODY.read(input, new Uint8Array(8), 0, 8), END);
    assert.equal(input.length, 5);
    assert.equal(NO_BODY.error, null);
    assert.equal(NO_BODY.trailers, undefined);
  });
});
