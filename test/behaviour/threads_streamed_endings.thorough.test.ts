import { describe, test } from "node:test";
import { inThreads } from "./local.ts";
import { behaviour, ending } from "./suite.ts";

// No content is waited for: all of it passes through as it comes.
const mode = inThreads("HTTP/1.1 over TCP, in threads, streamed", { threads: { min: 1, max: 16 }, threadBuffer: 0 });
describe(mode.name, () => behaviour(mode, (name, run) => void test(name, run), ending));
