/** Bytes that wait to leave: gathered, in order, in few batches that nobody overwrites too early. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ChunkPool, SendBuffer } from "../../src/protocol/send_buffer.ts";
import { bytes, text } from "../support/bytes.ts";

function drain(output: SendBuffer): string[] {
  const batches: string[] = [];
  for (let batch = output.pull(); batch !== null; batch = output.pull()) batches.push(text(batch));
  return batches;
}

describe("output", () => {
  test("is empty at first", () => {
    const output = new SendBuffer(new ChunkPool());
    assert.equal(output.pull(), null);
    assert.deepEqual([output.length, output.pulled], [0, 0]);
  });

  test("gathers text and bytes in one batch", () => {
    const output = new SendBuffer(new ChunkPool());
    output.text("HTTP/1.1 200 OK\r\n");
    output.bytes(bytes("\0\xff"));
    output.text("");
    output.bytes(bytes(""));
    output.text("\xe9");
    assert.deepEqual([output.length, output.pulled], [20, 0]);
    assert.deepEqual(drain(output), ["HTTP/1.1 200 OK\r\n\0\xff\xe9"]);
    assert.deepEqual([output.length, output.pulled], [0, 20]);
    output.text("more");
    assert.deepEqual(drain(output), ["more"]);
    assert.equal(output.pulled, 24);
  });

  test("copies what it is given", () => {
    const output = new SendBuffer(new ChunkPool());
    for (const size of [5, 48, 49, 20_000, 200_000]) {
      const given = new Uint8Array(size).fill(0x61);
      output.bytes(given);
      given.fill(0x58);
      assert.equal(drain(output).join(""), "a".repeat(size));
    }
  });

  test("keeps the order over every size, and counts every byte", () => {
    const output = new SendBuffer(new ChunkPool());
    let expected = "";
    for (let i = 0; i < 300; i++) {
      const piece = String.fromCharCode(0x30 + (i % 64)).repeat((i * i * 7) % 40_000);
      if (i % 2 === 0) output.text(piece);
      else output.bytes(bytes(piece));
      expected += piece;
      assert.equal(output.length + output.pulled, expected.length);
    }
    assert.equal(drain(output).join(""), expected);
  });

  test("gives a large write in pieces, so that a carrier sees progress", () => {
    const output = new SendBuffer(new ChunkPool());
    output.bytes(new Uint8Array(300_000));
    const sizes = drain(output).map((batch) => batch.length);
    assert.ok(sizes.length >= 4 && sizes.every((size) => size <= 65_536), String(sizes));
  });

  test("leaves a batch alone until it is recycled, and then uses its memory again", () => {
    const pool = new ChunkPool();
    const [one, other] = [new SendBuffer(pool), new SendBuffer(pool)];
    one.text("first");
    const first = one.pull()!;
    other.text("second");
    one.text("third");
    const second = other.pull()!;
    assert.deepEqual([text(first), text(second)], ["first", "second"]);
    one.recycle(first);
    other.text("4");
    assert.equal(other.pull()!.buffer, first.buffer, "the memory is used again");
    assert.equal(text(second), "second");
    assert.deepEqual(drain(one), ["third"]);
  });

  test("uses the memory of large writes again, too", () => {
    const pool = new ChunkPool();
    const output = new SendBuffer(pool);
    output.bytes(Buffer.alloc(65_536, "a"));
    const first = output.pull()!;
    output.bytes(Buffer.alloc(20_000, "b"));
    const second = output.pull()!;
    output.recycle(second);
    output.bytes(Buffer.alloc(30_000, "c"));
    const third = output.pull()!;
    assert.deepEqual([first.buffer === second.buffer, second.buffer === third.buffer], [false, true]);
    assert.deepEqual([text(first), text(third)], ["a".repeat(65_536), "c".repeat(30_000)]);
    output.text("d".repeat(100_000)); // no more than what is written at a time is kept
    const fourth = output.pull()!;
    output.recycle(fourth);
    output.text("e".repeat(100_000));
    assert.notEqual(output.pull()!.buffer, fourth.buffer);
  });

  test("reserves room in one piece, so that all of it can be taken back", () => {
    const output = new SendBuffer(new ChunkPool());
    output.text("x".repeat(16 * 1024 - 10));
    output.reserve(100);
    for (let i = 0; i < 10; i++) output.bytes(Buffer.from("0123456789"));
    assert.equal(output.length, 16 * 1024 + 90);
    assert.equal(output.takeBack(100), true);
    output.text("y");
    assert.deepEqual(drain(output), ["x".repeat(16 * 1024 - 10), "y"]);
  });

  test("gives bytes that were lent in their turn, themselves, and says for how long they are needed", () => {
    const output = new SendBuffer(new ChunkPool());
    const lent = Buffer.alloc(100_000, "x");
    let returns = 0;
    const lender = { returned: () => void returns++ };
    output.text("before");
    output.lend(lent, lender);
    output.text("behind");
    assert.equal(output.length, 100_012);
    assert.equal(text(output.pull()!), "before");
    const batch = output.pull()!;
    assert.equal(batch, lent);
    assert.deepEqual([output.lends, returns], [true, 0], "pulled, but not gone");
    output.recycle(batch);
    assert.deepEqual([output.lends, returns], [false, 1]);
    assert.deepEqual(drain(output), ["behind"]);
    assert.equal(output.pulled, 100_012);
    output.lend(lent, lender);
    output.clear();
    assert.deepEqual([output.lends, output.length, output.pull(), returns], [false, 0, null, 2]);
    output.clear();
    assert.equal(returns, 2);
  });

  test("gives as many bytes as were lent, though their memory was given away", () => {
    const output = new SendBuffer(new ChunkPool());
    let returns = 0;
    const lent = new Uint8Array(50_000).fill(1);
    output.lend(lent, { returned: () => void returns++ });
    output.text("behind");
    structuredClone(lent, { transfer: [lent.buffer] });
    assert.equal(lent.length, 0);
    const batch = output.pull()!;
    assert.equal(batch.length, 50_000);
    assert.equal(output.length, 6);
    output.recycle(batch);
    assert.deepEqual([output.lends, returns], [false, 1]);
    assert.deepEqual(drain(output), ["behind"]);
  });

  test("batches of one length, of one memory, say what they say", () => {
    const pool = new ChunkPool();
    const [one, other] = [new SendBuffer(pool), new SendBuffer(pool)];
    for (let i = 0; i < 10; i++) {
      one.text(`one ${i}`);
      other.text(`two ${i}`);
      const [first, second] = [one.pull()!, other.pull()!];
      assert.deepEqual([text(first), text(second)], [`one ${i}`, `two ${i}`]);
      one.recycle(first);
      if (i % 3 === 0) one.recycle(first);
      other.recycle(second);
    }
  });

  test("takes back only what it gave, once", () => {
    const pool = new ChunkPool();
    const output = new SendBuffer(pool);
    output.text("first");
    const first = output.pull()!;
    output.text("second");
    const second = output.pull()!;
    output.recycle(first); // not the last one: forgotten, no harm done
    output.recycle(new Uint8Array(16 * 1024));
    assert.notEqual(pool.take().bytes.buffer, second.buffer, "it is still on its way");
    output.recycle(second);
    output.recycle(second);
    const [a, b] = [pool.take().bytes, pool.take().bytes];
    assert.equal(a.buffer, second.buffer);
    assert.notEqual(b.buffer, second.buffer, "the same memory is given out twice");
    assert.notEqual(b.buffer, first.buffer);
  });

  test("takes the last bytes back while they are here", () => {
    const output = new SendBuffer(new ChunkPool());
    output.text("kept");
    output.text("taken");
    assert.equal(output.takeBack(5), true);
    assert.equal(output.length, 4);
    output.text("!");
    assert.deepEqual(drain(output), ["kept!"]);
    assert.equal(output.takeBack(1), false);
    output.text("x".repeat(10_000));
    output.text("y".repeat(10_000));
    assert.equal(output.takeBack(10_001), false, "over two chunks");
    assert.equal(output.length, 20_000);
    assert.equal(output.takeBack(10_000), true);
    assert.deepEqual(drain(output), ["x".repeat(10_000)]);
  });

  test("nothing is a batch when everything was taken back", () => {
    const output = new SendBuffer(new ChunkPool());
    output.text("taken");
    output.takeBack(5);
    assert.equal(output.pull(), null);
    output.text("x".repeat(20_000));
    assert.deepEqual(drain(output).join(""), "x".repeat(20_000));
  });

  test("drops everything when told to, but not what was pulled", () => {
    const pool = new ChunkPool();
    const output = new SendBuffer(pool);
    output.text("pulled");
    const pulled = output.pull()!;
    output.text("x".repeat(16_000));
    output.text("y".repeat(16_000));
    output.clear();
    assert.equal(output.length, 0);
    assert.equal(output.pull(), null);
    const other = new SendBuffer(pool);
    other.text("other");
    output.text("again");
    assert.deepEqual([text(pulled), ...drain(output), ...drain(other)], ["pulled", "again", "other"]);
  });

  test("gives back the memory of what it drops", () => {
    const pool = new ChunkPool();
    const chunk = pool.take();
    pool.give(chunk);
    const output = new SendBuffer(pool);
    output.text("dropped");
    output.clear();
    output.clear();
    assert.equal(pool.take(), chunk);
    assert.notEqual(pool.take(), chunk);
  });

  test("a pool keeps a bounded number of spare chunks", () => {
    const pool = new ChunkPool();
    for (const needed of [1, 50_000]) {
      const chunks = Array.from({ length: 100 }, () => pool.take(needed));
      assert.equal(new Set(chunks).size, 100);
      for (const chunk of chunks) pool.give(chunk);
      const again = Array.from({ length: 100 }, () => pool.take(needed));
      assert.equal(new Set(again).size, 100, "no chunk is given out twice");
      const kept = again.filter((chunk) => chunks.includes(chunk)).length;
      assert.ok(kept > 0 && kept < 100, `${kept} kept`);
    }
  });
});
