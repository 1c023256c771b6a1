/** Turns of the event loop, for tests that wait for something to come about. */
import { setImmediate as nextTurn } from "node:timers/promises";

/** Milliseconds for a test. */
const PATIENCE = 15_000;
let deadline = 0;

/** Options of a test whose waits may hang in something other than `turn`. */
export const limited = { timeout: PATIENCE + 5_000 };

/** A test begins. */
export function startPatience(): void {
  deadline = performance.now() + PATIENCE;
}

/** Resolves in the next turn. @throws {Error} when the test takes too long, so that what never comes is not waited for */
export async function turn(): Promise<void> {
  if (performance.now() > deadline) throw new Error("what was waited for has not come");
  await nextTurn();
}
