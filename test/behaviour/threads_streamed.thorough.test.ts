import { describe, test } from "node:test";
import { inThreads } from "./local.ts";
import { behaviour, responding } from "./suite.ts";
import { thorough } from "../support/thorough.ts";

// No content is waited for: all of it passes through as it comes.
const mode = inThreads("HTTP/1.1 over TCP, in threads, streamed", { threads: { min: 1, max: 16 }, threadBuffer: 0 });
// The other mode in threads has the rest, so the short run has here only what it lacks: handlers that run before their content is there.
describe(mode.name, () => behaviour(mode, (name, run) => void test(name, run), responding, !thorough));
