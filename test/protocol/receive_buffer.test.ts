/** Bytes received and not yet used: lent while they are read, copied when they are left over. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ReceiveBuffer } from "../../src/protocol/receive_buffer.ts";
import { bytes, text } from "../support/bytes.ts";
import { bytesMoved } from "../support/byte_counters.ts";

const rest = (input: ReceiveBuffer): string => text(input.bytes.subarray(input.pos, input.end));

/** Feeds memory that is overwritten once `keep` has been called. */
function lend(input: ReceiveBuffer, data: string, use: (input: ReceiveBuffer) => void = () => {}): void {
  const lent = bytes(data);
  input.feed(lent);
  use(input);
  input.keep();
  lent.fill(0x58);
}

describe("input", () => {
  test("is empty at first", () => {
    const input = new ReceiveBuffer();
    assert.equal(input.length, 0);
    input.keep();
    assert.equal(input.length, 0);
    assert.equal(rest(input), "");
  });

  test("reads from the lent bytes themselves", () => {
    const input = new ReceiveBuffer();
    const lent = bytes("abc");
    input.feed(lent);
    assert.equal(input.bytes, lent);
    assert.deepEqual([input.pos, input.end, input.length], [0, 3, 3]);
  });

  test("keeps nothing of what was used, not even the memory", () => {
    const input = new ReceiveBuffer();
    const lent = bytes("abc");
    input.feed(lent);
    input.pos = 3;
    input.keep();
    assert.notEqual(input.bytes, lent);
    assert.deepEqual([input.pos, input.end], [0, 0]);
    input.feed(bytes("de"));
    assert.equal(rest(input), "de");
  });

  test("keeps what was not used when the lent bytes are taken back", () => {
    const input = new ReceiveBuffer();
    lend(input, "abcdef", (it) => (it.pos += 2));
    assert.equal(rest(input), "cdef");
    lend(input, "gh", (it) => (it.pos += 1));
    assert.equal(rest(input), "defgh");
    lend(input, "");
    assert.equal(rest(input), "defgh");
    input.pos = input.end;
    input.keep();
    lend(input, "ij");
    assert.equal(rest(input), "ij");
  });

  test("keeps bytes in order however they come and go", () => {
    const input = new ReceiveBuffer();
    let [fed, used] = [0, 0];
    const byte = (i: number): number => (i * 7 + (i >> 8)) % 251;
    // lengths that make it grow, wrap to the front, run empty and begin anew
    const steps = Array.from({ length: 400 }, (_, i) => [(i * 37) % 700, (i * 53) % 710, i % 97 === 96 ? 1e9 : 0]);
    for (const [feed, use, all] of steps) {
      const lent = Uint8Array.from({ length: feed }, (_, i) => byte(fed + i));
      fed += feed;
      input.feed(lent);
      for (let n = Math.min(use + all, input.length); n > 0; n--) {
        assert.equal(input.bytes[input.pos++], byte(used++));
      }
      input.keep();
      lent.fill(255);
      assert.equal(input.length, fed - used);
    }
    while (input.length > 0) assert.equal(input.bytes[input.pos++], byte(used++));
    assert.equal(used, fed);
  });

  test("forgets everything when told to", () => {
    const input = new ReceiveBuffer();
    lend(input, "abc");
    input.drop();
    assert.equal(input.length, 0);
    lend(input, "de");
    assert.equal(rest(input), "de");
  });

  test("keeps in memory that others had before, but nobody else has now", () => {
    const [one, other] = [new ReceiveBuffer(), new ReceiveBuffer()];
    lend(one, "a".repeat(1000));
    lend(other, "b".repeat(1000));
    const memory = one.bytes;
    assert.notEqual(memory, other.bytes);
    one.pos = one.end;
    one.keep();

    const [next, third] = [new ReceiveBuffer(), new ReceiveBuffer()];
    lend(next, "c".repeat(2000));
    lend(third, "d".repeat(2000));
    assert.equal(next.bytes, memory);
    lend(other, "b".repeat(5000)); // which is too much for it: it moves, and leaves it to another
    lend(one, "e".repeat(600));
    assert.equal(rest(other), "b".repeat(6000));
    assert.equal(rest(next), "c".repeat(2000));
    assert.equal(rest(third), "d".repeat(2000));
    assert.equal(rest(one), "e".repeat(600));
    const all = [one, other, next, third].map((input) => input.bytes);
    assert.equal(new Set(all).size, all.length);
    for (const input of [one, other, next, third]) input.drop();
  });

  test("gives its memory back once, however often it is told to forget", () => {
    const input = new ReceiveBuffer();
    lend(input, "a".repeat(1000));
    for (let i = 0; i < 3; i++) input.drop();
    const others = Array.from({ length: 3 }, () => new ReceiveBuffer());
    for (const [i, other] of others.entries()) lend(other, String(i).repeat(1000));
    for (const [i, other] of others.entries()) assert.equal(rest(other), String(i).repeat(1000));
  });

  test("does not keep all the memory that many have used at a time", () => {
    const inputs = Array.from({ length: 100 }, () => new ReceiveBuffer());
    const use = (): Set<Uint8Array> => {
      for (const input of inputs) lend(input, "a".repeat(1000));
      const memory = new Set(inputs.map(({ bytes }) => bytes));
      for (const input of inputs) input.drop();
      return memory;
    };
    const before = use();
    const again = [...use()].filter((bytes) => before.has(bytes)).length;
    assert.equal(again, 64);
  });

  test("copies a number of bytes in proportion to what came, also one by one with a reader that stays behind", () => {
    const copied = bytesMoved(() => {
      const input = new ReceiveBuffer();
      for (let i = 0; i < 32_768; i++) lend(input, "x");
    });
    assert.ok(copied <= 4 * 32_768, `${copied} bytes copied for 32768`);

    const behind = bytesMoved(() => {
      const input = new ReceiveBuffer();
      lend(input, "x".repeat(10_000));
      for (let i = 0; i < 100_000; i++) lend(input, "x", (it) => it.pos++);
      assert.ok(input.bytes.length < 64 * 1024, "memory grows though what is kept does not");
    });
    assert.ok(behind <= 4 * 110_000, `${behind} bytes copied for 110000`);
  });
});
