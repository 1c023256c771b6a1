/**
 * Which slots are free, and which are kept. A slot is kept when its request got an error response while its thread goes on: the thread
 * may still write into the slot, so no other request may use it.
 */
import type { PoolMemory } from "../shared/pool_memory.ts";

export class RequestSlots {
  readonly #memory: PoolMemory;
  readonly #free: number[];
  /** The kept slots, by the index of the thread that may write into them. */
  readonly #kept = new Map<number, number[]>();

  constructor(memory: PoolMemory, count: number) {
    this.#memory = memory;
    this.#free = Array.from({ length: count }, (_, i) => count - 1 - i);
  }

  /** The slot that is used next; undefined if no slot is free. */
  get next(): number | undefined {
    return this.#free[this.#free.length - 1];
  }

  /** Marks the slot of `next` as used. */
  take(): void {
    this.#free.pop();
  }

  /** Makes a slot free: it holds no request any more. */
  give(slot: number): void {
    this.#memory.free(slot);
    this.#free.push(slot);
  }

  /** How many slots are kept. */
  get kept(): number {
    let count = 0;
    for (const slots of this.#kept.values()) count += slots.length;
    return count;
  }

  /** Keeps a slot whose request is over, because the thread goes on with it. @param thread the thread's index */
  keep(slot: number, thread: number): void {
    const slots = this.#kept.get(thread);
    if (slots === undefined) this.#kept.set(thread, [slot]);
    else slots.push(slot);
  }

  /** A thread has ended: its kept slots are free. */
  threadEnded(thread: number): void {
    for (const slot of this.#kept.get(thread) ?? []) this.give(slot);
    this.#kept.delete(thread);
  }
}
