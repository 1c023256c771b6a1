import { describe, test } from "node:test";
import { overTlsInThreads } from "./local.ts";
import { behaviour, responding } from "./suite.ts";

const mode = overTlsInThreads("HTTP/1.1 over TLS, in threads", { threads: { min: 1, max: 16 } });
describe(mode.name, () => behaviour(mode, (name, run) => void test(name, run), responding));
