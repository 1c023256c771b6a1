/**
 * How the event loop wakes a thread. A thread that is RESTING or BLOCKED sleeps until its bell rings in shared memory, one that is PARKED
 * until its own event loop gets a message. test/threads/interleavings.test.ts shows that no wake-up is lost.
 */
import { BELL, BLOCKED, BUSY, MAIL, MODE, PARKED, type PoolMemory, RESTING } from "../shared/pool_memory.ts";

/** Sends the empty message, which makes a thread's event loop look at shared memory. */
interface Poster {
  post(message: 0): void;
}

/** Wakes a thread that is idle, so that it takes a waiting request. @param at the thread's words in shared memory @returns whether it was idle */
export function wakeIdle(memory: PoolMemory, at: number, thread: Poster): boolean {
  if (changeMode(memory, at, RESTING, BUSY)) ringBell(memory, at);
  else if (changeMode(memory, at, PARKED, BUSY)) ringAndPost(memory, at, thread);
  else return false;
  return true;
}

/** Makes a thread look at the request that it runs, whatever its mode. */
export function makeLook(memory: PoolMemory, at: number, thread: Poster): void {
  if (Atomics.load(memory.words, at + MODE) === BLOCKED) ringBell(memory, at);
  else ringAndPost(memory, at, thread);
}

/** Changes the mode of a thread, if it has the first one. @returns whether it had */
export function changeMode({ words }: PoolMemory, at: number, from: number, to: number): boolean {
  return Atomics.compareExchange(words, at + MODE, from, to) === from;
}

export function ringBell({ words }: PoolMemory, at: number): void {
  Atomics.add(words, at + BELL, 1);
  Atomics.notify(words, at + BELL);
}

function ringAndPost(memory: PoolMemory, at: number, thread: Poster): void {
  // A thread that is about to block reads the bell first, so it does not block if the bell rings in between.
  ringBell(memory, at);
  if (Atomics.exchange(memory.words, at + MAIL, 1) === 0) thread.post(0);
}
