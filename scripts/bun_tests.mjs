// What `bun test` is told before it runs anything (bunfig.toml): a test may take as long as under Node's runner.
import { setDefaultTimeout } from "bun:test";

setDefaultTimeout(120_000);
