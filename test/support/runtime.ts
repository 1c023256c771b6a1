/** Which runtime the tests run on, for what differs between them. */
import process from "node:process";
import { test } from "node:test";

export const runtime: "node" | "bun" | "deno" =
  "deno" in process.versions ? "deno" : "bun" in process.versions ? "bun" : "node";

/** `test`, for what is of Node alone: ways into it, and our scripts and benchmarks, which run there. Elsewhere there is no such test. */
export const testOnNode = runtime === "node" ? test : (((): void => {}) as unknown as typeof test);
