// Runs the built tests under Node's own runner, with our reporter.
import { spawn } from "node:child_process";
import path from "node:path";
import { filesIn, root } from "./prepare.mjs";

const reporter = new URL("./reporter.mjs", import.meta.url);

// In milliseconds, what a whole file of tests may take; from Node 24 on, what one test may take. There a file that leaves
// something open is waited for, so the whole run has a limit too. (Node's --test-force-exit loses what a file has just said.)
const FILE_TIMEOUT = 120_000;
const RUN_TIMEOUT = 20 * 60_000;

/** What a Node is to be given so that it runs built test files, so many at a time, from the root of the project. */
export function testsArguments(files, concurrency) {
  return {
    args: [
      "--enable-source-maps",
      "--test",
      `--test-concurrency=${concurrency}`,
      `--test-timeout=${FILE_TIMEOUT}`,
      `--test-reporter=${reporter.href}`,
      "--test-reporter-destination=stdout",
      ...files,
    ],
    // The reporter is told what should run, since a file without tests makes no event of its own.
    env: { PLINTH_TEST_FILES: files.join(path.delimiter) },
  };
}

/**
 * Runs the test files whose path contains one of the filters; without filters, all.
 * `wrapper` is a command to run the runner under. Gives the exit status.
 */
export async function runTests(filters, wrapper = []) {
  // Named one by one, since Node 20 knows no patterns.
  const all = filesIn("dist/test").filter((file) => file.endsWith(".test.js"));
  return runFiles(all, filters, wrapper);
}

/** The same of other files than those that were built. */
export async function runFiles(all, filters, wrapper = []) {
  const files = all.filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)));
  if (files.length === 0) {
    console.log(`No test file's path contains ${filters.map((filter) => `"${filter}"`).join(" or ")}.`);
    return 1;
  }

  const { args, env } = testsArguments(files, 2);
  const [command, ...others] = [...wrapper, process.execPath, ...args];
  const runner = spawn(command, others, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "inherit", "inherit"],
  });
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
