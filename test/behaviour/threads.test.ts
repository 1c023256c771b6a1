import { describe, test } from "node:test";
import { inThreads } from "./local.ts";
import { behaviour, responding } from "./suite.ts";
import { thorough } from "../support/thorough.ts";

const mode = inThreads("HTTP/1.1 over TCP, in threads", { threads: { min: 1, max: 16 } });
// The short run has what goes through a thread in a way of its own; the rest is a handler's alone, and the same in memory.
const { request, reading, responses, streaming } = responding;
const topics = thorough ? responding : { request, reading, responses, streaming };
describe(mode.name, () => behaviour(mode, (name, run) => void test(name, run), topics));
