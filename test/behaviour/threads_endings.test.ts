import { describe, test } from "node:test";
import { inThreads } from "./local.ts";
import { behaviour, ending } from "./suite.ts";
import { thorough } from "../support/thorough.ts";

const mode = inThreads("HTTP/1.1 over TCP, in threads", { threads: { min: 1, max: 16 } });
// The short run has what ends in a thread; the rest ends on the event loop, where the other modes have it.
const { leaving, timeouts } = ending;
const topics = thorough ? ending : { leaving, timeouts };
describe(mode.name, () => behaviour(mode, (name, run) => void test(name, run), topics));
