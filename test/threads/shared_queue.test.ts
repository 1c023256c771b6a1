/** The queue in shared memory: first come, first served, each once, whoever takes and gives up meanwhile. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import * as fc from "fast-check";
import {
  difference,
  FREE,
  HEAD,
  type Layout,
  LOOKING,
  now,
  PoolMemory,
  STATE,
  TAIL,
  TICKET,
} from "../../src/threads/shared/pool_memory.ts";
import { programFile } from "../support/places.ts";
import { runs } from "../support/thorough.ts";

const LAYOUT: Layout = { threads: 3, slots: 5, headSize: 64, ringSize: 64 };

/** Where positions go round: as tickets, as whole numbers, and between. */
const starts = fc.oneof(
  fc.constant(0),
  fc.integer({ min: -20, max: 0 }).map((n) => (2 ** 30 + n) | 0),
  fc.integer({ min: -20, max: 0 }).map((n) => (2 ** 31 + n) | 0),
  fc.integer({ min: -20, max: -1 }),
);

function memoryFrom(position: number, layout = LAYOUT): PoolMemory {
  const memory = new PoolMemory(layout);
  memory.words[HEAD] = memory.words[TAIL] = position;
  return memory;
}

type Step = readonly [what: "push" | "take" | "begin" | "cancel" | "look" | "free", which: number];

const step: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom("push", "push", "push", "take", "take", "begin", "cancel", "look", "free"),
  fc.nat(20),
);

test("a clock is compared with another by looks between which nothing came", () => {
  let [time, looks] = [0, 0];
  // Each look takes a moment; between most pairs of them something else has the core.
  const clock = (ahead: number) => (): number => {
    const isBetween = looks % 2 === 1 && looks !== 15;
    looks++;
    time += isBetween ? 7 : 0.001;
    return time + ahead;
  };
  const found = difference(clock(1000), clock(0));
  assert.ok(Math.abs(found - 1000) < 0.01, String(found));
});

test("it is the same time in a thread, though that was started later", async () => {
  await new Promise((resolve) => setTimeout(resolve, 50));
  const before = now();
  const thread = new Worker(programFile("test/threads/programs/clock"));
  const [time] = (await once(thread, "message")) as [number];
  assert.ok(time >= before && time <= now(), `${time} is not between ${before} and ${now()}`);
  await thread.terminate();
});

test("whoever takes gets the request that has waited longest and was not given up", () => {
  fc.assert(
    fc.property(starts, fc.array(step, { maxLength: 200, size: "max" }), (start, steps) => {
      const memory = memoryFrom(start);
      const waiting: { slot: number; ticket: number }[] = [];
      const running: number[] = [];
      const isFree = (slot: number): boolean => !running.includes(slot) && !waiting.some((one) => one.slot === slot);
      for (const [what, which] of steps) {
        if (what === "push") {
          const free = [0, 1, 2, 3, 4].filter(isFree);
          if (free.length === 0 || !memory.hasRoom) continue;
          const slot = free[which % free.length];
          const ticket = memory.push(slot);
          assert.ok(ticket > 0 && !waiting.some((one) => one.ticket === ticket), `the ticket ${ticket}`);
          assert.equal(memory.words[memory.slotAt(slot) + TICKET], ticket);
          waiting.push({ slot, ticket });
        } else if (what === "take") {
          const thread = which % 3;
          const slot = memory.take(thread);
          assert.equal(slot, waiting.shift()?.slot ?? -1);
          if (slot < 0) continue;
          assert.equal(memory.words[memory.slotAt(slot) + STATE], -1 - thread);
          running.push(slot);
        } else if (what === "begin") {
          // A thread that was ended when it had marked the slot, and not yet moved the queue on.
          const slot = memory.first;
          assert.equal(slot, waiting[0]?.slot);
          if (slot === undefined) continue;
          const { ticket } = waiting.shift()!;
          const at = memory.slotAt(slot) + STATE;
          assert.equal(Atomics.compareExchange(memory.words, at, ticket, -1 - (which % 3)), ticket);
          running.push(slot);
        } else if (what === "cancel") {
          const slot = which % 5;
          const at = waiting.findIndex((one) => one.slot === slot);
          if (at < 0 && !running.includes(slot)) continue;
          assert.equal(memory.cancel(slot), at >= 0, "what runs cannot be given up");
          if (at >= 0) waiting.splice(at, 1);
        } else if (what === "look") {
          assert.equal(memory.first, waiting[0]?.slot);
        } else if (running.length > 0) {
          memory.free(running.splice(which % running.length, 1)[0]);
        }
        assert.ok(memory.queued >= waiting.length && memory.queued <= 32);
      }
      while (waiting.length > 0) assert.equal(memory.take(0), waiting.shift()!.slot);
      assert.equal(memory.take(0), -1);
      assert.equal(memory.queued, 0);
    }),
    { numRuns: runs(300) },
  );
});

test("requests that were given up take no places, but behind one that waits", () => {
  const memory = memoryFrom(2 ** 31 - 200);
  const give = (slot: number): void => {
    memory.push(slot);
    assert.ok(memory.cancel(slot));
    assert.equal(memory.words[memory.slotAt(slot) + STATE], FREE);
  };
  for (let i = 0; i < 100; i++) {
    assert.ok(memory.hasRoom);
    give(i % 5);
  }
  memory.push(4);
  let count = 0;
  for (; memory.hasRoom; count++) give(count % 4);
  assert.ok(count >= 4 * LAYOUT.slots - 1, `there is room for ${count}`);
  assert.equal(memory.take(1), 4);
  assert.ok(memory.hasRoom);
  assert.deepEqual([memory.queued, memory.first, memory.take(1)], [0, undefined, -1]);
});

test("threads that take at once get each request once, in order, and none that was given up", async () => {
  // The event loop puts requests in, and gives some up, as fast as it can; half of them near the place where positions go round.
  const layout = { ...LAYOUT, slots: 64 };
  const memory = memoryFrom(2 ** 31 - 5000, layout);
  const control = new Int32Array(new SharedArrayBuffer(8));
  const takers = Array.from({ length: layout.threads }, (_, index) => {
    const workerData = { layout, buffer: memory.buffer, index, control };
    return new Worker(programFile("test/threads/programs/ticket_taker"), { workerData });
  });
  const ends = takers.map((taker) => once(taker, "message") as Promise<[number[]]>);
  while (Atomics.load(control, 0) < takers.length) await new Promise((resolve) => setTimeout(resolve, 1));

  const order = new Map<number, number>();
  let given = 0;
  for (let slot = 0; order.size < 10_000; slot = (slot + 1) % layout.slots) {
    const state = Atomics.load(memory.words, memory.slotAt(slot) + STATE);
    if (state !== FREE || !memory.hasRoom) continue;
    const ticket = memory.push(slot);
    const place = order.size + given;
    if (place % 3 === 0 && memory.cancel(slot)) given++;
    else order.set(ticket, place);
  }
  Atomics.store(control, 1, 1);
  const took = (await Promise.all(ends)).map(([list]) => list.filter((_, i) => i % 2 === 0));
  await Promise.all(takers.map((taker) => taker.terminate()));

  assert.equal(new Set(took.flat()).size, took.flat().length, "a request was taken twice");
  assert.equal(took.flat().length, order.size);
  for (const tickets of took) {
    const places = tickets.map((ticket) => order.get(ticket) ?? -1);
    assert.ok(!places.includes(-1), "a request that was given up was taken");
    assert.deepEqual(
      places,
      [...places].sort((a, b) => a - b),
      "a later request was taken first",
    );
  }
  assert.ok(took.filter((tickets) => tickets.length > 0).length > 0 && given > 0);
});

test("slots that threads call for are looked at once, whichever they are", () => {
  const memory = memoryFrom(0, { ...LAYOUT, slots: 256 });
  const called = (): number[] => {
    const slots: number[] = [];
    memory.eachCall((slot) => slots.push(slot));
    return slots;
  };
  assert.ok(memory.callFor(31), "the event loop must be woken");
  assert.ok(!memory.callFor(255), "it was woken already");
  memory.callFor(0);
  memory.callFor(32);
  memory.callFor(31);
  assert.deepEqual(called(), [0, 31, 32, 255]);
  assert.deepEqual(called(), []);
  assert.ok(!memory.callFor(5), "it has not said that it has looked");
  Atomics.store(memory.words, LOOKING, 0);
  assert.ok(memory.callFor(6));
  assert.deepEqual(called(), [5, 6]);
  // One that calls while others are looked at is heard, now or later.
  memory.callFor(7);
  const seen: number[] = [];
  memory.eachCall((slot) => {
    if (seen.push(slot) === 1) memory.callFor(200);
  });
  assert.deepEqual([...seen, ...called()], [7, 200]);
});

test("everything has its own place", () => {
  const layout: Layout = { threads: 7, slots: 9, headSize: 72, ringSize: 64 };
  const memory = new PoolMemory(layout);
  memory.address = ["::1", 65_535];
  const other = new PoolMemory(layout, memory.buffer);
  assert.deepEqual(other.address, ["::1", 65_535]);
  // Each part filled with its own number: none shows in another's place.
  let number = 1;
  const checks: (() => void)[] = [];
  const claim = (array: Int32Array | Float64Array | Buffer, at: number, length: number): void => {
    const mine = number++;
    array.fill(mine, at, at + length);
    checks.push(() =>
      assert.ok(
        array.subarray(at, at + length).every((value) => value === mine),
        `part ${mine}`,
      ),
    );
  };
  for (let thread = 0; thread < 7; thread++) claim(memory.words, memory.threadAt(thread), 32);
  for (let slot = 0; slot < 9; slot++) {
    claim(memory.words, memory.slotAt(slot), 32);
    claim(memory.numbers, memory.numbersAt(slot), 4);
    claim(memory.bytes, memory.headAt(slot), 72);
    claim(memory.bytes, memory.inAt(slot), 64);
    claim(memory.bytes, memory.outAt(slot), 64);
    assert.equal(memory.headAt(slot) % 4, 0, "heads hold words as well");
    assert.equal(memory.outAt(slot) % 8, 0, "records begin with words");
  }
  for (const check of checks) check();
  assert.deepEqual(other.address, ["::1", 65_535]);
  assert.equal(other.take(0), -1);
  memory.address = ["/run/plinth.sock", 0];
  assert.deepEqual(other.address, ["/run/plinth.sock", 0]);
});
