// npm run test:runtimes [-- NAME…]: the tests on every runtime that Plinth runs on, or on those whose names are given (node-26, bun, …).
//
// On Node what was built is tested, on Bun and Deno the sources. The suites that say what Plinth is must pass in the same words
// everywhere: a test of theirs that one runtime has and another has not is a failure, and so is one that was skipped.
import "./node-version.mjs";
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { readJunit } from "./junit.mjs";
import { filesIn, prepare, root } from "./prepare.mjs";
import { executableOf, installRuntimes, RUNTIMES, runtimeLabel } from "./runtime_files.mjs";
import { testsArguments } from "./tests.mjs";

/** What must be the same everywhere. Names that begin with a mode's say which, so every mode is compared. */
const SHARED = ["test/behaviour/", "test/conformance/", "test/apps/"];

/** What stands on a runtime's own ways. */
const REST = [
  "test/transport/",
  "test/loop/",
  "test/handler/",
  "test/program/",
  "test/server/",
  "test/threads/",
  "test/clients/",
  "test/package",
  "test/sources",
  "test/examples/first_project",
  "test/examples/own_servers",
];
/** Of the same, what says whether it works at all. */
const SMOKE = [
  "test/transport/",
  "test/server/listener_pool",
  "test/server/shutdown",
  "test/threads/program_import",
  "test/threads/blocking",
  "test/clients/addition",
  "test/package",
  "test/sources",
  "test/examples/first_project",
];

/** Which files of tests run where. Bun has all: `bun test` finds them. */
const wanted = {
  "node-20": [...SHARED, ...REST],
  "node-22": [...SHARED, ...SMOKE],
  "node-24": [...SHARED, ...SMOKE],
  "node-26": [...SHARED, ...REST],
  deno: [...SHARED, ...REST],
};

/** So many runtimes are tested at a time. */
const LANES = 2;
/** How long a file of tests may take on Deno, and all on another. In milliseconds. */
const FILE_TIMEOUT = 180_000;
const RUN_TIMEOUT = 20 * 60_000;

const names = process.argv.slice(2);
const unknown = names.filter((name) => !RUNTIMES.includes(name));
if (unknown.length > 0) {
  console.log(`There is no runtime ${unknown.join(", ")}; there are ${RUNTIMES.join(", ")}.`);
  process.exit(1);
}

prepare();
installRuntimes();
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), "plinth-runtimes-"));
process.on("exit", () => fs.rmSync(temporary, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** @typedef {{ file: string, name: string, status: "passed" | "failed" | "skipped", text: string }} Result of a test */

/** Runs a program to its end. @returns {Promise<{ status: number | null, output: string }>} */
function run(file, args, { timeout = RUN_TIMEOUT, env = {} } = {}) {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: root,
      env: {
        ...process.env,
        NO_COLOR: "1",
        PLINTH_TEST_ALL: "1",
        ...env,
        PATH: `${path.dirname(file)}${path.delimiter}${process.env.PATH}`,
      },
      stdio: ["ignore", "pipe", "pipe"],
      timeout,
      killSignal: "SIGKILL",
    });
    const end = () => child.kill("SIGKILL");
    process.on("exit", end);
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text) => (output += text));
    child.on("error", (error) => (output += error.message));
    child.on("close", (status, signal) => {
      process.off("exit", end);
      resolve({ status, output: signal === null ? output : `${output}\nended by ${signal}` });
    });
  });
}

const isWanted = (file, parts) => parts.some((part) => file.startsWith(part));
const sourceFiles = filesIn("test").filter((file) => file.endsWith(".test.ts"));

/** @returns {Promise<Result[]>} */
async function onNode(executable, report, parts) {
  const files = sourceFiles
    .filter((file) => isWanted(file, parts))
    .map((file) => path.join("dist", file.replace(/ts$/, "js")));
  const { args, env } = testsArguments(files, 1, true);
  const { status, output } = await run(executable, args, { env: { ...env, PLINTH_TEST_RESULTS: report } });
  return withFailure(JSON.parse(readIfThere(report) || "[]"), status, output);
}

/** @returns {Promise<Result[]>} */
async function onBun(executable, report) {
  const { status, output } = await run(executable, ["test", "--reporter=junit", `--reporter-outfile=${report}`]);
  return withFailure(readJunit(readIfThere(report)), status, output);
}

/** Each file by itself: Deno's report does not say which one a test is of. @returns {Promise<Result[]>} */
async function onDeno(executable, report, parts) {
  const results = [];
  const check = await run(executable, ["check"]);
  results.push({
    file: "deno check",
    name: "types",
    status: check.status === 0 ? "passed" : "failed",
    text: check.output,
  });
  for (const file of sourceFiles.filter((one) => isWanted(one, parts))) {
    fs.rmSync(report, { force: true });
    const args = ["test", "--allow-all", "--no-check", `--junit-path=${report}`, file];
    const { status, output } = await run(executable, args, { timeout: FILE_TIMEOUT });
    const all = readJunit(readIfThere(report)).map((result) => ({ ...result, file }));
    // A suite is a result, too.
    const tests = all.filter(({ name }) => !all.some((other) => other.name.startsWith(`${name} > `)));
    results.push(...withFailure(tests, status, output, file));
  }
  return results;
}

/** A run that failed without saying which test did is a failure of its own. */
function withFailure(results, status, output, file = "") {
  const told = results.some((result) => result.status === "failed");
  const text = output.length > 8000 ? `[…] ${output.slice(-8000)}` : output;
  if (status !== 0 && !told) return [...results, { file, name: "the run as a whole", status: "failed", text }];
  if (results.length === 0) return [{ file, name: "the run as a whole", status: "failed", text: `no tests\n${text}` }];
  return results;
}

function readIfThere(file) {
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
}

const runners = { node: onNode, bun: onBun, deno: onDeno };

/** @type {Map<string, Result[]>} */
const results = new Map();
let failures = 0;

function fail(what, text) {
  failures++;
  console.log(`FAILED  ${what}\n${text.trimEnd().replace(/^(?=.)/gm, "    ")}`);
}

async function test(name) {
  const executable = executableOf(name);
  if (executable === undefined) return fail(name, "there is no package of it for this machine");
  const began = performance.now();
  const found = await runners[name.split("-")[0]](executable, path.join(temporary, `${name}.report`), wanted[name]);
  results.set(name, found);
  const count = (status) => found.filter((result) => result.status === status).length;
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  const label = runtimeLabel(name);
  console.log(
    `${label}: ${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped (${seconds} s)`,
  );
  for (const { file, name: title, status, text } of found) {
    if (status === "failed") fail(`${label}: ${file}: ${title}`, text);
    else if (status === "skipped" && isWanted(file, SHARED)) fail(`${label}: ${file}: ${title}`, "skipped");
  }
}

const queue = names.length > 0 ? [...names] : [...RUNTIMES];
await Promise.all(
  Array.from({ length: LANES }, async () => {
    for (let name; (name = queue.shift()) !== undefined;) await test(name);
  }),
);

// What one has, all must have.
const keys = new Map([...results].map(([name, found]) => [name, new Set(found.filter(isShared).map(keyOf))]));
function isShared({ file, status }) {
  return status === "passed" && isWanted(file, SHARED);
}
function keyOf({ file, name }) {
  return `${file}: ${name}`;
}
for (const key of new Set([...keys.values()].flatMap((set) => [...set]))) {
  const without = [...keys].filter(([, set]) => !set.has(key)).map(([name]) => runtimeLabel(name));
  if (without.length > 0) fail(`a difference: ${key}`, `did not pass, or is not there, on ${without.join(", ")}`);
}

const total = [...keys.values()].reduce((least, set) => Math.min(least, set.size), Infinity);
console.log(
  failures > 0
    ? `\n${failures} failures`
    : `\nall passed; ${total} tests are the same on ${[...keys.keys()].map(runtimeLabel).join(", ")}`,
);
process.exitCode = failures > 0 ? 1 : 0;
