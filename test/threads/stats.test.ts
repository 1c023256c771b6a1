/** The statistics, as they are kept in shared memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { DONE, PoolMemory, STATE } from "../../src/threads/shared/pool_memory.ts";
import { StatsRecorder, readStats } from "../../src/threads/shared/stats.ts";

const LAYOUT = { threads: 2, slots: 4, headSize: 64, ringSize: 64 };

test("percentiles are exact to an eighth, and so is the longest time", () => {
  const time = fc.oneof(fc.constant(0), fc.double({ min: 0.002, max: 2e5, noNaN: true }));
  fc.assert(
    fc.property(fc.array(time, { minLength: 1, maxLength: 300, size: "max" }), (times) => {
      const memory = new PoolMemory(LAYOUT);
      const account = new StatsRecorder(memory);
      for (const one of times) account.done(one);
      const sorted = [...times].sort((a, b) => a - b);
      const { done, waitingTime } = readStats(memory);
      assert.equal(done, times.length);
      const { p50, p90, p99, max } = waitingTime;
      for (const [part, found] of [
        [0.5, p50],
        [0.9, p90],
        [0.99, p99],
        [1, max],
      ]) {
        const exact = sorted[Math.ceil(part * sorted.length) - 1];
        assert.ok(found >= exact * 0.999 - 0.001 && found <= exact * 1.13 + 0.001, `${part}: ${found}, not ${exact}`);
      }
    }),
  );
});

test("where nothing has waited all are 0, and what waits for ever is counted, too", () => {
  const memory = new PoolMemory(LAYOUT);
  assert.deepEqual(readStats(memory).waitingTime, { p50: 0, p90: 0, p99: 0, max: 0 });
  new StatsRecorder(memory).done(1e300);
  const { p50, max } = readStats(memory).waitingTime;
  assert.ok(p50 > 2e5 && max >= p50, `${p50}, ${max}`);
});

test("whoever has the memory reads the same; they take nothing else's place", () => {
  const memory = new PoolMemory(LAYOUT);
  memory.address = ["127.0.0.1", 80];
  const account = new StatsRecorder(memory);
  account.pool(2, 7, 1);
  account.pending(3, 1);
  for (let i = 0; i < 5; i++) account.done(2 ** i);
  account.failed();
  const busy = memory.push(1);
  assert.equal(memory.take(1), 1);
  assert.equal(memory.words[memory.slotAt(1) + STATE], -2);
  memory.push(2);
  const { waitingTime, ...numbers } = readStats(new PoolMemory(LAYOUT, memory.buffer));
  assert.deepEqual(numbers, { threads: 2, busy: 1, waiting: 3, done: 5, failed: 1, replaced: 7, stuck: 1 });
  assert.ok(waitingTime.p50 >= 4 && waitingTime.max >= 16);
  memory.words[memory.slotAt(1) + DONE] = 1;
  assert.deepEqual([readStats(memory).busy, readStats(memory).waiting], [0, 3], "its handler has settled");
  assert.deepEqual([memory.address, memory.first, busy > 0], [["127.0.0.1", 80], 2, true]);
  assert.deepEqual(readStats(new PoolMemory({ ...LAYOUT, slots: 256, threads: 192 })).done, 0);
});
