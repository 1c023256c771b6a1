import { describe, test } from "node:test";
import { nodeTransport } from "../../src/transport/node.ts";
import { overTcp } from "./local.ts";
import { behaviour, ending, responding } from "./suite.ts";
import { thorough } from "../support/thorough.ts";

// The short run has what depends on the transport: the rest is the same in memory, and over TCP in threads.
const { reading, streaming } = responding;
const { leaving, shutdown } = ending;

const mode = overTcp("HTTP/1.1 over TCP");
const topicsOfTcp = thorough ? undefined : { reading, streaming, leaving, shutdown };
describe(mode.name, () => behaviour(mode, (name, run) => void test(name, run), topicsOfTcp));

// Where Node does not let connections be read into one buffer.
const byEvents = overTcp('HTTP/1.1 over TCP, read by "data" events', nodeTransport({ direct: false }));
const topics = thorough ? undefined : { leaving };
describe(byEvents.name, () => behaviour(byEvents, (name, run) => void test(name, run), topics));
