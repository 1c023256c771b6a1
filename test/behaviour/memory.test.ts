import { describe, test } from "node:test";
import { inMemory } from "./local.ts";
import { behaviour } from "./suite.ts";

const mode = inMemory("HTTP/1.1 in memory");
describe(mode.name, () => behaviour(mode, (name, run) => void test(name, run)));
