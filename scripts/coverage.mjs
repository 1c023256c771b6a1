// npm run coverage [-- WORD…]: the tests under c8, and what of the engine and the classes they reached.
import "./node-version.mjs";
import path from "node:path";
import { prepare, root } from "./prepare.mjs";
import { runTests } from "./tests.mjs";

prepare();
process.exitCode = await runTests(process.argv.slice(2), [
  process.execPath,
  path.join(root, "node_modules", "c8", "bin", "c8.js"),
  "--clean",
  "--reporter=text",
  "--reporter=html",
  "--temp-directory=coverage/tmp",
  // What ran is dist/…/name.js; what is asked for is what the source maps lead to.
  "--exclude-after-remap",
  "--include=src/protocol/**",
  "--include=src/handler/**",
  "--include=src/loop/**",
  "--include=src/program/**",
  "--include=src/server/**",
]);
