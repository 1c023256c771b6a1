/** A thread that takes slots from a queue until it is told to end, and counts them. */
import { parentPort, workerData } from "node:worker_threads";
import { FREE, type Layout, PoolMemory, STATE } from "../../../src/threads/shared/pool_memory.ts";

const { layout, buffer, index, stop } = workerData as {
  layout: Layout;
  buffer: SharedArrayBuffer;
  index: number;
  stop: Int32Array;
};
const memory = new PoolMemory(layout, buffer);
let taken = 0;
for (;;) {
  const isOver = Atomics.load(stop, 0) === 1; // first: behind it nothing is put
  const slot = memory.take(index);
  if (slot < 0 && isOver) break;
  if (slot < 0) continue;
  taken++;
  Atomics.store(memory.words, memory.slotAt(slot) + STATE, FREE);
}
parentPort!.postMessage(taken);
