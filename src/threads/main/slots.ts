/** Which slots are free, and which nobody may use: their requests have a response, but their threads go on, and may write into them. */
import type { PoolMemory } from "../shared/memory.ts";

export class Slots {
  readonly #memory: PoolMemory;
  readonly #free: number[];
  /** By the indexes of the threads that go on. */
  readonly #kept = new Map<number, number[]>();

  constructor(memory: PoolMemory, count: number) {
    this.#memory = memory;
    this.#free = Array.from({ length: count }, (_, i) => count - 1 - i);
  }

  /** The one that is used next; undefined where none is free. */
  get next(): number | undefined {
    return this.#free[this.#free.length - 1];
  }

  /** Uses it. */
  take(): void {
    this.#free.pop();
  }

  /** Nothing is in it any more. */
  give(slot: number): void {
    this.#memory.free(slot);
    this.#free.push(slot);
  }

  /** How many of them nobody may use. */
  get kept(): number {
    let count = 0;
    for (const slots of this.#kept.values()) count += slots.length;
    return count;
  }

  /** Its request is over, but a thread goes on with it. */
  keep(slot: number, thread: number): void {
    const slots = this.#kept.get(thread);
    if (slots === undefined) this.#kept.set(thread, [slot]);
    else slots.push(slot);
  }

  /** The thread goes on no more. */
  threadEnded(thread: number): void {
    for (const slot of this.#kept.get(thread) ?? []) this.give(slot);
    this.#kept.delete(thread);
  }
}
