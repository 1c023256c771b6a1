// Runs the built tests under Node's own runner, with our reporter.
import { spawn } from "node:child_process";
import path from "node:path";
import { filesIn, root } from "./prepare.mjs";

const reporter = new URL("./reporter.mjs", import.meta.url);

// In milliseconds, what a whole file of tests may take. From Node 24 on it is what one test may take, and a file that
// leaves something open would be waited for without end: there, Node is told to end it. (Before, that is a failure.)
const timeout = 120_000;
const limits = [`--test-timeout=${timeout}`];
if (Number(process.versions.node.split(".")[0]) >= 24) limits.push("--test-force-exit");

/**
 * Runs the test files whose path contains one of the filters; without filters, all.
 * `wrapper` is a command to run the runner under. Gives the exit status.
 */
export async function runTests(filters, wrapper = []) {
  // Named one by one, since Node 20 knows no patterns.
  const all = filesIn("dist/test").filter((file) => file.endsWith(".test.js"));
  const files = all.filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)));
  if (files.length === 0) {
    console.log(`No test file's path contains ${filters.map((filter) => `"${filter}"`).join(" or ")}.`);
    return 1;
  }

  const [command, ...args] = [
    ...wrapper,
    process.execPath,
    "--enable-source-maps",
    "--test",
    "--test-concurrency=2",
    ...limits,
    `--test-reporter=${reporter.href}`,
    "--test-reporter-destination=stdout",
    ...files,
  ];
  // The reporter is told what should run, since a file without tests makes no event of its own.
  const env = { ...process.env, PLINTH_TEST_FILES: files.join(path.delimiter) };
  const runner = spawn(command, args, { cwd: root, env, stdio: ["ignore", "inherit", "inherit"] });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => runner.kill(signal));

  return new Promise((resolve, reject) => {
    runner.on("error", reject);
    runner.on("close", (status) => resolve(status ?? 1));
  });
}
