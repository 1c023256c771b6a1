/** The queue of slots, taken from by several threads at once. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { FREE, PoolMemory, STATE } from "../../src/threads/shared/pool_memory.ts";
import { programFile } from "../support/places.ts";
import { runs } from "../support/thorough.ts";

const ROUNDS = runs(200_000);

test("each slot that is put is taken once or was given up, though several take and the event loop looks", async (t) => {
  const layout = { threads: 2, slots: 8, headSize: 64, ringSize: 64 };
  const memory = new PoolMemory(layout);
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const takers = [0, 1].map((index) => {
    return new Worker(programFile("test/threads/programs/slot_counter"), {
      workerData: { layout, buffer: memory.buffer, index, stop },
    });
  });
  await Promise.all(takers.map((taker) => once(taker, "online")));
  t.after(() => Promise.all(takers.map((taker) => taker.terminate())));
  const counts = Promise.all(takers.map(async (taker) => Number((await once(taker, "message"))[0])));
  const end = performance.now() + 20_000;
  const inTime = (): void => assert.ok(performance.now() < end, "a slot is neither taken nor given up");
  let put = 0;
  let givenUp = 0;
  for (let i = 0, slot = 0; i < ROUNDS; i++, slot = (slot + 1) % layout.slots) {
    while (Atomics.load(memory.words, memory.slotAt(slot) + STATE) !== FREE) inTime();
    while (!memory.hasRoom) inTime();
    memory.push(slot);
    put++;
    if (i % 7 === 0 && memory.cancel(slot)) givenUp++;
    if (i % 3 === 0) void memory.first;
  }
  Atomics.store(stop, 0, 1);
  const taken = (await counts).reduce((sum, count) => sum + count, 0);
  assert.equal(taken + givenUp, put);
  assert.ok(givenUp > 0 && taken > 0);
});
