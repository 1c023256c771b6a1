import { describe, test } from "node:test";
import { nodeTransport } from "../../src/transport/node.ts";
import { overTls } from "./local.ts";
import { behaviour, ending } from "./suite.ts";
import { thorough } from "../support/thorough.ts";

// Where TLS connections cannot be read into one buffer. On Bun, this is `node:tls`, which serves what its own sockets cannot.
const mode = overTls('HTTP/1.1 over TLS, read by "data" events', nodeTransport({ direct: false }));
const topics = thorough ? undefined : { leaving: ending.leaving };
describe(mode.name, () => behaviour(mode, (name, run) => void test(name, run), topics));
