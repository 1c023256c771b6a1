import { describe, test } from "node:test";
import { overTls } from "./local.ts";
import { behaviour, ending, responding } from "./suite.ts";
import { thorough } from "../support/thorough.ts";

const mode = overTls("HTTP/1.1 over TLS");
// The short run has what depends most on the transport.
const topics = thorough ? undefined : { reading: responding.reading, leaving: ending.leaving };
describe(mode.name, () => behaviour(mode, (name, run) => void test(name, run), topics));
