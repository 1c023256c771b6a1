// npm test: types, lint, format, and the tests for a person at work. npm run test:all: the same, and all that takes longer.
// With words behind it (npm test -- WORD…): only the test files whose path contains one of them, and no checks.
import "./node-version.mjs";
import { npm, prepare, root } from "./prepare.mjs";
import { runTests } from "./tests.mjs";

const args = process.argv.slice(2);
const words = args.filter((arg) => arg !== "--all");
prepare();
if (words.length === 0 && npm(["run", "--silent", "check"], { cwd: root, stdio: "inherit" }).status !== 0) {
  // Here already, so that a summary without failures can only be the end of a run without failures.
  console.log("The checks failed, so no test was run. npm run format mends the format.");
  process.exit(1);
}
process.exitCode = await runTests(words, { all: args.includes("--all") });
