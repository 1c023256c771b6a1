/** The rings of a slot: what one side puts, the other takes, whole and in order, whatever the sizes and the turns. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Exchange } from "../../src/protocol/exchange.ts";
import { IN_PUT, IN_TAKEN, type Layout, PoolMemory } from "../../src/threads/shared/pool_memory.ts";
import { ContentRing, DATA, END, LOG, MORE, RecordReader, RecordWriter } from "../../src/threads/shared/rings.ts";
import { runs } from "../support/thorough.ts";

const SLOT = 1;

/** Memory whose other slots are full of what must not be seen. */
function memoryOf(ringSize: number): PoolMemory {
  const layout: Layout = { threads: 1, slots: 3, headSize: 64, ringSize };
  const memory = new PoolMemory(layout);
  for (let slot = 0; slot < layout.slots; slot++)
    memory.bytes.fill(0xee, memory.headAt(slot), memory.outAt(slot) + ringSize);
  return memory;
}

/** Fails when anything outside a ring has been written. */
function checkAround(memory: PoolMemory, at: number): void {
  const { slots, ringSize } = memory.layout;
  for (let i = memory.headAt(0); i < memory.outAt(slots - 1) + ringSize; i++)
    if ((i < at || i >= at + ringSize) && memory.bytes[i] !== 0xee) assert.fail(`a byte at ${i - at} of the ring`);
}

/** So many bytes, of which no two neighbours, nor those one ring apart, are the same. */
function bytesFrom(seed: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => seed * 31 + i * 7 + (i >> 6));
}

type Step =
  | { readonly do: "put"; readonly kind: number; readonly length: number; readonly from: number }
  | { readonly do: "text"; readonly length: number }
  | { readonly do: "publish" | "mark" | "retract" | "next" | "free" };

const small = fc.oneof(fc.nat(24), fc.nat(300));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("put"), kind: fc.constantFrom(DATA, LOG), length: small, from: fc.nat(9) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("text"), length: small }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("publish") }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("mark", "retract") }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("next") }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("free") }) },
) as fc.Arbitrary<Step>;

/** A writer and a reader, and what the reader must find. */
class Records {
  readonly memory: PoolMemory;
  readonly writer: RecordWriter;
  readonly reader: RecordReader;
  /** What was put and not read yet; of it, so much has been handed over. */
  readonly put: { kind: number; bytes: Uint8Array }[] = [];
  handed = 0;
  #mark = { position: 0, count: 0 };
  #read = 0;
  #seed = 0;

  constructor(ringSize: number) {
    this.memory = memoryOf(ringSize);
    this.writer = new RecordWriter(this.memory);
    this.writer.open(SLOT);
    this.reader = new RecordReader(this.memory, SLOT);
  }

  run(step: Step): void {
    const { writer } = this;
    if (step.do === "put") {
      const bytes = bytesFrom(++this.#seed, step.length);
      const from = Math.min(step.from, step.length);
      const n = writer.put(step.kind, bytes, from);
      assert.ok(n >= -1 && n <= step.length - from);
      if (n < 0) return;
      const isAll = n === step.length - from;
      assert.ok(isAll || n > 0, "a record that carries nothing");
      this.put.push({ kind: isAll ? step.kind : step.kind | MORE, bytes: bytes.slice(from, from + n) });
    } else if (step.do === "text") {
      const bytes = bytesFrom(++this.#seed, step.length);
      if (writer.putText(END, Buffer.from(bytes).toString("latin1"))) this.put.push({ kind: END, bytes });
    } else if (step.do === "publish") {
      writer.publish();
      this.handed = this.put.length;
      assert.equal(writer.unpublished, 0);
    } else if (step.do === "mark") {
      this.#mark = { position: writer.position, count: this.#read + this.put.length };
    } else if (step.do === "retract") {
      // What was put since is taken back, unless some of it was handed over.
      const count = this.#mark.count - this.#read;
      const before = writer.position;
      if (count > this.put.length) return; // what was marked has been taken back itself
      if (writer.retract(this.#mark.position)) {
        assert.ok(count >= this.handed, "what was handed over cannot be taken back");
        this.put.length = count;
      } else {
        assert.ok(
          count < this.handed || (count === this.handed && writer.unpublished < before),
          "it was not handed over",
        );
        assert.equal(writer.position, before);
      }
    } else if (step.do === "next") {
      this.next();
    } else {
      this.reader.publish();
    }
  }

  /** Takes the next record. @returns whether there was one */
  next(): boolean {
    const { reader, memory } = this;
    reader.look();
    const kind = reader.next();
    if (kind === 0) {
      assert.equal(this.handed, 0, "a record was lost");
      return false;
    }
    assert.ok(this.handed > 0, "a record that nobody has handed over");
    const expected = this.put.shift()!;
    this.handed--;
    this.#read++;
    assert.equal(kind, expected.kind);
    assert.deepEqual(memory.bytes.subarray(reader.start, reader.start + reader.length), Buffer.from(expected.bytes));
    reader.take();
    return true;
  }
}

test("records come out as they were put, in order, once they are handed over", () => {
  fc.assert(
    fc.property(fc.constantFrom(64, 128, 1024), fc.array(step, { maxLength: 120, size: "max" }), (ringSize, steps) => {
      const records = new Records(ringSize);
      for (const one of steps) records.run(one);
      records.run({ do: "publish" });
      while (records.next());
      assert.equal(records.put.length, 0);
      checkAround(records.memory, records.memory.outAt(SLOT));
    }),
    { numRuns: runs(300) },
  );
});

test("where the reader keeps up, a record of any size passes in pieces, from whatever place in the ring", () => {
  fc.assert(
    fc.property(fc.constantFrom(64, 256), fc.array(fc.nat(700), { maxLength: 12 }), (ringSize, lengths) => {
      const { memory, writer, reader } = new Records(ringSize);
      for (const [i, length] of lengths.entries()) {
        const bytes = bytesFrom(i, length);
        const pieces: Buffer[] = [];
        for (let from = 0, isLast = false; !isLast;) {
          const n = writer.put(DATA, bytes, from);
          if (n >= 0) from += n;
          isLast = n >= 0 && from === length;
          writer.publish();
          let took = 0;
          reader.look();
          for (let kind = reader.next(); kind !== 0; kind = reader.next(), took++) {
            assert.equal(kind === DATA, isLast && reader.length === n, "only the last piece is of the kind itself");
            pieces.push(Buffer.from(memory.bytes.subarray(reader.start, reader.start + reader.length)));
            reader.take();
          }
          assert.ok(took > 0, "there is no way on");
          reader.publish();
        }
        assert.deepEqual(Buffer.concat(pieces), Buffer.from(bytes));
      }
    }),
    { numRuns: runs(200) },
  );
});

test("text is put whole or not at all; more than the ring holds is refused", () => {
  const { writer, reader } = new Records(128);
  assert.ok(!writer.putText(END, "x".repeat(128)));
  assert.equal(writer.position, 0);
  assert.ok(writer.putText(END, "x".repeat(100)));
  assert.ok(!writer.putText(END, "x".repeat(20)), "there is no room for it now");
  assert.ok(!writer.putText(END, "x".repeat(200)));
  writer.publish();
  reader.look();
  assert.deepEqual([reader.next(), reader.length], [END, 100]);
});

test("a slot's next request finds its ring empty", () => {
  const { memory, writer, reader } = new Records(128);
  writer.put(DATA, bytesFrom(1, 90), 0);
  writer.publish();
  reader.look();
  reader.next();
  memory.words.fill(0, memory.slotAt(SLOT), memory.slotAt(SLOT + 1)); // as writeHead does
  writer.open(SLOT);
  const next = new RecordReader(memory, SLOT);
  assert.equal(next.next(), 0);
  assert.equal(writer.put(DATA, bytesFrom(2, 90), 0), 90);
  next.look();
  assert.equal(next.next(), 0, "it was not handed over");
  writer.publish();
  assert.equal(next.next(), 0, "it was not looked for");
  next.look();
  assert.deepEqual([next.next(), next.length], [DATA, 90]);
  reader.open(); // one may be used again, too
  reader.look();
  assert.deepEqual([reader.next(), reader.start, reader.length], [DATA, next.start, 90]);
});

test("a response of more than 2 GiB passes: behind 2^31 - 1, positions are below 0", () => {
  const size = 2 ** 24;
  const { memory, writer, reader } = new Records(size);
  const bytes = new Uint8Array(size / 2);
  while (writer.position >= 0) {
    assert.ok(writer.put(DATA, bytes, 0) > 0, `the ring is stuck at ${writer.position}`);
    writer.publish();
    reader.look();
    while (reader.next() !== 0) reader.take();
    reader.publish();
  }
  for (let seed = 0; seed < 5; seed++) {
    const expected = Buffer.from(bytesFrom(seed, 1000));
    assert.equal(writer.put(DATA, expected, 0), 1000);
    assert.equal(writer.unpublished, 1008);
    const mark = writer.position;
    writer.put(LOG, expected, 0);
    assert.ok(writer.retract(mark));
    writer.publish();
    assert.ok(!writer.retract((mark - 8) | 0));
    reader.look();
    assert.equal(reader.next(), DATA);
    assert.deepEqual(memory.bytes.subarray(reader.start, reader.start + reader.length), expected);
    reader.take();
    assert.equal(reader.next(), 0);
  }
});

/** What a ring is filled from. */
function source(readInto: Exchange["readInto"]): Exchange {
  return { readInto } as Exchange;
}

const flow = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 90 })), { maxLength: 200, size: "max" });

test("content comes out as it was put, wherever in the ring it lies", () => {
  // Positions go round as well: below 2^31 and above, which is below 0.
  const start = fc.oneof(
    fc.constant(0),
    fc.integer({ min: -100, max: 0 }),
    fc.integer({ min: 2 ** 31 - 100, max: 2 ** 31 - 1 }),
  );
  fc.assert(
    fc.property(fc.constantFrom(16, 64), start, flow, (ringSize, from, steps) => {
      const memory = memoryOf(ringSize);
      const ring = new ContentRing(memory, SLOT);
      const other = new ContentRing(memory, SLOT);
      memory.words[memory.slotAt(SLOT) + IN_PUT] = memory.words[memory.slotAt(SLOT) + IN_TAKEN] = from;
      let put = 0;
      let taken = 0;
      for (const [puts, n] of steps) {
        assert.equal(ring.length, put - taken);
        assert.equal(other.room, ringSize - put + taken);
        if (puts) {
          let max = -1;
          const got = ring.fill(
            source((to, at, most) => {
              max = most;
              assert.ok(most > 0, "asked for nothing");
              const count = Math.min(most, n);
              for (let i = 0; i < count; i++) to[at + i] = (put + i) * 7;
              return count;
            }),
          );
          assert.equal(got, max < 0 ? 0 : Math.min(max, n));
          assert.equal(max < 0, put - taken === ringSize, "room is used");
          put += got;
        } else {
          const to = new Uint8Array(100);
          const got = other.take(to, 5, n);
          assert.equal(got, Math.min(n, put - taken));
          const expected = Uint8Array.from({ length: 100 }, (_, i) =>
            i >= 5 && i < 5 + got ? (taken + i - 5) * 7 : 0,
          );
          assert.deepEqual(to, expected);
          taken += got;
        }
      }
      checkAround(memory, memory.inAt(SLOT));
    }),
    { numRuns: runs(300) },
  );
});

test("what reading says is passed on: nothing yet, or the end", () => {
  const memory = memoryOf(16);
  const ring = new ContentRing(memory, SLOT);
  assert.equal(ring.fill(source(() => 0)), 0);
  assert.equal(ring.fill(source(() => -1)), -1);
  assert.equal(ring.length, 0);
});
