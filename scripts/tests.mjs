// Runs the built tests under Node's own runner, with our reporter.
import { spawn } from "node:child_process";
import path from "node:path";
import { filesIn, root } from "./prepare.mjs";

const reporter = new URL("./reporter.mjs", import.meta.url);

// So many files run at a time: two, which leaves each the core that its deadlines count on. Those of the short run wait for most of their
// time, so five of them keep two cores busy.
const LANES = 2;
const SHORT_LANES = 5;

// In milliseconds, what a whole file of tests may take; from Node 24 on, what one test may take. There a file that leaves
// something open is waited for, so the whole run has a limit too. (Node's --test-force-exit loses what a file has just said.)
const FILE_TIMEOUT = 120_000;
const RUN_TIMEOUT = 20 * 60_000;

/**
 * What a Node is to be given so that it runs built test files, so many at a time, from the root of the project.
 * @param {boolean} all whether the tests are thorough: see test/support/thorough.ts
 */
export function testsArguments(files, concurrency, all) {
  return {
    args: [
      "--test",
      `--test-concurrency=${concurrency}`,
      `--test-timeout=${FILE_TIMEOUT}`,
      `--test-reporter=${reporter.href}`,
      "--test-reporter-destination=stdout",
      ...files,
    ],
    // The reporter is told what should run, since a file without tests makes no event of its own.
    env: { PLINTH_TEST_FILES: files.join(path.delimiter), PLINTH_TEST_ALL: all ? "1" : "0" },
  };
}

/**
 * The built files of tests. Named one by one, since Node 20 knows no patterns.
 * @param {{ all: boolean }} options whether those are among them that only the long run has: see test/support/thorough.ts
 */
export function testFiles({ all }) {
  const built = filesIn("dist/test").filter((file) => file.endsWith(".test.js"));
  return all ? built : built.filter((file) => !file.endsWith(".thorough.test.js"));
}

/** Runs the built test files whose path contains one of the words; without words, each. Gives the exit status. */
export async function runTests(words, { all }) {
  const files = testFiles({ all });
  const left = testFiles({ all: true }).length - files.length;
  if (left > 0 && words.length === 0) console.log(`${left} files of tests are left to npm run test:all.`);
  return runFiles(files, words, { all });
}

/** The same of any files. */
export async function runFiles(from, words, { all }) {
  const files = from.filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
  if (files.length === 0) {
    console.log(`No test file's path contains ${words.map((word) => `"${word}"`).join(" or ")}.`);
    if (!all) console.log("npm run test:all has more files.");
    return 1;
  }

  const { args, env } = testsArguments(files, all ? LANES : SHORT_LANES, all);
  const runner = spawn(process.execPath, args, {
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
