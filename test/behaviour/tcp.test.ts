import { describe, test } from "node:test";
import { nodeTransport } from "../../src/transport/node.ts";
import { overTcp } from "./local.ts";
import { behaviour } from "./suite.ts";

for (const mode of [
  overTcp("HTTP/1.1 over TCP"),
  // Where Node does not let connections be read into one buffer.
  overTcp('HTTP/1.1 over TCP, read by "data" events', nodeTransport({ direct: false })),
]) {
  describe(mode.name, () => behaviour(mode, (name, run) => void test(name, run)));
}
