import { describe, test } from "node:test";
import { inThreads } from "./local.ts";
import { behaviour } from "./suite.ts";

for (const mode of [
  inThreads("HTTP/1.1 over TCP, in threads", { threads: { min: 1, max: 16 } }),
  // Everything passes through as it comes.
  inThreads("HTTP/1.1 over TCP, in threads, nothing waited for", { threads: { min: 1, max: 16 }, threadBuffer: 0 }),
]) {
  describe(mode.name, () => behaviour(mode, (name, run) => void test(name, run)));
}
