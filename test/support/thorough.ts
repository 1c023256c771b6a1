/**
 * What only the long run has. `npm test` is for a person at work and must be short; `npm run test:all`, `npm run test:runtimes` and
 * `npm run coverage` are thorough, which they say by PLINTH_TEST_ALL=1. A whole file of tests that only they run is named
 * `….thorough.test.ts`.
 *
 * The short run must touch everything that the long one does. So take runs and splits from it before you take a test.
 */
import process from "node:process";
import type { test } from "node:test";

/** Whether everything is to be tested. */
export const thorough: boolean = process.env["PLINTH_TEST_ALL"] === "1";

/** How often something that holds for all inputs is tried: `numRuns: runs(3000)`. The short run tries a tenth, or `short`. */
export function runs(all: number, short: number = Math.ceil(all / 10)): number {
  return thorough ? all : short;
}

/** `thoroughly(test)("…", …)`: a test that only the long run has. In the short one it is not there, and not counted. */
export function thoroughly(it: typeof test): typeof test {
  return thorough ? it : ((async (): Promise<void> => {}) as unknown as typeof test);
}
