// Runs the built tests under Node's own runner, with our reporter.
import { spawn } from "node:child_process";
import path from "node:path";
import { filesIn, root } from "./prepare.mjs";

const reporter = new URL("./reporter.mjs", import.meta.url);

// In milliseconds, what a whole file of tests may take; from Node 24 on, what one test may take. There a file that leaves
// something open is waited for, so the whole run has a limit too. (Node's --test-force-exit loses what a file has just said.)
const FILE_TIMEOUT = 120_000;
const RUN_TIMEOUT = 20 * 60_000;

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
    `--test-timeout=${FILE_TIMEOUT}`,
    `--test-reporter=${reporter.href}`,
    "--test-reporter-destination=stdout",
    ...files,
  ];
  // The reporter is told what should run, since a file without tests makes no event of its own.
  const env = { ...process.env, PLINTH_TEST_FILES: files.join(path.delimiter) };
  const runner = spawn(command, args, { cwd: root, env, stdio: ["ignore", "inherit", "inherit"] });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => runner.kill(signal));

  const limit = setTimeout(() => {
    console.log(`The tests were stopped: they ran for more than ${RUN_TIMEOUT / 60_000} minutes.`);
    runner.kill("SIGTERM");
  }, RUN_TIMEOUT);
  return new Promise((resolve, reject) => {
    runner.on("error", reject);
    runner.on("close", (status) => {
      clearTimeout(limit);
      resolve(status ?? 1);
    });
  });
}
