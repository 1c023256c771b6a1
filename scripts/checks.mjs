// The checks that run no test. The types are checked by the build, which comes first everywhere.
import { tool } from "./prepare.mjs";

/** Prints a line for each check, and what it found. True when all is well. */
export function check() {
  console.log("types   ok");
  const lint = report("lint", tool("oxlint", ["--deny-warnings", "--report-unused-disable-directives"]));
  const format = report("format", tool("oxfmt", ["--check", "."]));
  if (!format) console.log("npm run format mends the format.");
  return lint && format;
}

function report(what, { status, error, stdout, stderr }) {
  const ok = status === 0;
  console.log(`${what.padEnd(7)} ${ok ? "ok" : "FAILED"}`);
  if (!ok) console.log(`${error ? error.message : `${stdout}${stderr}`}`.trim());
  return ok;
}
