// npm test: everything that must hold. npm test -- WORD…: only the test files whose path contains a WORD, no checks.
import "./node-version.mjs";
import { check } from "./checks.mjs";
import { prepare } from "./prepare.mjs";
import { runTests } from "./tests.mjs";

const filters = process.argv.slice(2);
prepare();
if (filters.length === 0 && !check()) {
  // Here already, so that a summary without failures can only be the end of a run without failures.
  console.log("The checks failed, so no test was run.");
  process.exit(1);
}
process.exitCode = await runTests(filters);
