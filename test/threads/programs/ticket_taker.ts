/** A thread that takes whatever it finds in a queue, and says what it took: tickets and slots by turns, in the order of taking. */
import { parentPort, workerData } from "node:worker_threads";
import { type Layout, PoolMemory, TICKET } from "../../../src/threads/shared/pool_memory.ts";

const { layout, buffer, index, control } = workerData as {
  readonly layout: Layout;
  readonly buffer: SharedArrayBuffer;
  readonly index: number;
  /** How many takers have begun; 1 when no more comes. */
  readonly control: Int32Array;
};
const memory = new PoolMemory(layout, buffer);
const took: number[] = [];
Atomics.add(control, 0, 1);
for (;;) {
  const over = Atomics.load(control, 1) === 1; // first: behind it nothing is put
  const slot = memory.take(index);
  if (slot >= 0) {
    took.push(memory.words[memory.slotAt(slot) + TICKET], slot);
    memory.free(slot);
  } else if (over) break;
}
parentPort!.postMessage(took);
