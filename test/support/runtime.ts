/** Which runtime the tests run on, and what is tested on some of them only. */
import process from "node:process";
import { test } from "node:test";

export type Runtime = "node" | "bun" | "deno";

export const runtime: Runtime = "deno" in process.versions ? "deno" : "bun" in process.versions ? "bun" : "node";

const [major, minor] = process.versions.node.split(".").map(Number);

/** Whether this is Node from a version on; Bun and Deno say that they are Nodes of today. */
const isFrom = (ofMajor: number, ofMinor: number): boolean =>
  major > ofMajor || (major === ofMajor && minor >= ofMinor);

/** Programs in TypeScript run as they are, as far as their types can be left out. */
export const runsTypeScript = isFrom(22, 18);

/** Several sockets may listen on one port. */
export const sharesPorts = isFrom(22, 12) && !(major === 23 && minor === 0);

/** `test`, for what other runtimes than these do not have; there is no such test there. */
export function testOn(...runtimes: readonly Runtime[]): typeof test {
  return runtimes.includes(runtime) ? test : (((): void => {}) as unknown as typeof test);
}

/** `test`, for what is of Node alone: ways into it, its clients, and our scripts and benchmarks, which run there. */
export const testOnNode = testOn("node");
