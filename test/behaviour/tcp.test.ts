import { describe, test } from "node:test";
import { nodeTransport } from "../../src/transport/node.ts";
import { overTcp } from "./local.ts";
import { behaviour, ending, responding } from "./suite.ts";
import { thorough } from "../support/thorough.ts";

const mode = overTcp("HTTP/1.1 over TCP");
describe(mode.name, () => behaviour(mode, (name, run) => void test(name, run)));

// Where Node does not let connections be read into one buffer. The short run has of it what is about reading, and about the end of it.
const byEvents = overTcp('HTTP/1.1 over TCP, read by "data" events', nodeTransport({ direct: false }));
const topics = thorough ? undefined : { reading: responding.reading, leaving: ending.leaving };
describe(byEvents.name, () => behaviour(byEvents, (name, run) => void test(name, run), topics));
