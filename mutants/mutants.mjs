// npm run mutants [-- --count 40 --seed 1]: is npm test as good as npm run test:all?
//
// Puts faults into the sources, one at a time, and looks which set of tests finds each. Stryker's instrumenter makes the faults; its
// test runners are not used, since none of them knows node:test, two sets of tests, or threads. Every fault is run against the tests of
// npm test; one that survives them is run against what npm run test:all has beyond those. The end says what share of the faults that are
// found at all npm test finds. A fault that neither finds may change nothing that anybody could see: look at it.
//
// All of this happens in a copy of the working tree, which is removed at the end.
import "../scripts/node-version.mjs";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { filesIn, install, prepare, root } from "../scripts/prepare.mjs";
import { testFiles, testsArguments } from "../scripts/tests.mjs";

/** So many files of tests run at a time. */
const LANES = 4;
/** What a file of tests may take, in milliseconds: this, and so many times what it took when all was well; the most where it never was. */
const LEAST_TIMEOUT = 20_000;
const TIMES = 5;
const MOST_TIMEOUT = 150_000;

const { values } = parseArgs({ options: { count: { type: "string" }, seed: { type: "string" } } });
const count = wholeNumber("--count", values.count ?? "40");
const seed = wholeNumber("--seed", values.seed ?? "1");

function wholeNumber(name, text) {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  console.log(`${name} takes a whole number from 1, not "${text}".`);
  process.exit(1);
}

prepare();
install("mutants");
const { Instrumenter } = await import("@stryker-mutator/instrumenter");

const copy = fs.mkdtempSync(path.join(os.tmpdir(), "plinth-mutants-"));
process.on("exit", () => fs.rmSync(copy, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));
copyTree();

// ------------------------------------------------------------------------------------------------------------ faults

/** All faults that there could be, in the order in which they are drawn: that of a hash of the seed and the fault. */
async function drawFaults() {
  const files = filesIn("src")
    .filter((file) => file.endsWith(".ts"))
    .map((name) => ({ name, mutate: true, content: fs.readFileSync(path.join(root, name), "utf8") }));
  const silent = new Proxy({}, { get: (_, name) => () => (String(name).startsWith("is") ? false : undefined) });
  const { mutants } = await new Instrumenter(silent).instrument(files, {
    plugins: null,
    excludedMutations: [],
    ignorers: [],
  });
  const texts = new Map(files.map(({ name, content }) => [name, content]));
  const faults = mutants.map(({ fileName: file, location, mutatorName: kind, replacement }) => {
    const text = texts.get(file);
    const [from, to] = [placeOf(text, location.start), placeOf(text, location.end)];
    // What stands in a larger expression must stay together.
    const after = /^(Logical|Arithmetic|Equality)/.test(kind) ? `(${replacement})` : replacement;
    return { file, line: location.start.line + 1, kind, from, to, before: text.slice(from, to), after, text };
  });
  const orderOf = ({ file, from, to, after }) => sha256(`${seed} ${file} ${from} ${to} ${after}`);
  return faults
    .map((fault) => ({ fault, order: orderOf(fault) }))
    .sort((one, other) => (one.order < other.order ? -1 : 1))
    .map(({ fault }) => fault);
}

/** Lines and columns count from 0. */
function placeOf(text, { line, column }) {
  let at = 0;
  for (; line > 0; line--) at = text.indexOf("\n", at) + 1;
  return at + column;
}

function sha256(text) {
  return createHash("sha256").update(text).digest("hex");
}

/** Writes the copy's file with the fault, or as it was, and builds. @returns whether tsc takes it */
function build({ file, from, to, after, text }, isFaulty) {
  fs.writeFileSync(path.join(copy, file), isFaulty ? text.slice(0, from) + after + text.slice(to) : text);
  return spawnSync(process.execPath, ["scripts/prepare.mjs"], { cwd: copy, encoding: "utf8" }).status === 0;
}

function copyTree() {
  const listed = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
  });
  if (listed.status !== 0) throw new Error(`cannot list the files to copy: git says ${listed.stderr ?? listed.error}`);
  const options = { recursive: true, preserveTimestamps: true };
  for (const file of listed.stdout.split("\0").filter((name) => name !== "" && !name.endsWith("node_modules")))
    if (fs.existsSync(path.join(root, file))) fs.cpSync(path.join(root, file), path.join(copy, file), options);
  fs.cpSync(path.join(root, "dist"), path.join(copy, "dist"), options);
  // What is installed is only read.
  for (const folder of [".", "bench", "bundlers", "runtimes"]) {
    const installed = path.join(root, folder, "node_modules");
    if (fs.existsSync(installed)) fs.symlinkSync(fs.realpathSync(installed), path.join(copy, folder, "node_modules"));
  }
}

// ------------------------------------------------------------------------------------------------------------- tests

/** How long each file has taken when all was well, in milliseconds, by its name and the set that it was run for. */
const usual = new Map();

/**
 * Runs one built file of tests to its end, or to its time limit.
 * @returns {Promise<string | null>} null when all is well, else what failed
 */
function runFile(file, all, stopped) {
  const { args, env } = testsArguments([file], 1, all);
  const key = `${all} ${file}`;
  const allowed = usual.has(key) ? LEAST_TIMEOUT + TIMES * usual.get(key) : MOST_TIMEOUT;
  return new Promise((resolve) => {
    const began = performance.now();
    const child = spawn(process.execPath, args, {
      cwd: copy,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true, // so that what it has started can be ended with it
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text) => (output += text));
    const end = () => {
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    };
    let isLate = false;
    const limit = setTimeout(() => {
      isLate = true;
      end();
    }, allowed);
    process.on("exit", end);
    stopped?.addEventListener("abort", end);
    child.on("close", (status) => {
      clearTimeout(limit);
      process.off("exit", end);
      stopped?.removeEventListener("abort", end);
      end();
      const [, name = "the file as a whole"] = /^FAILED {2}\S+: (.*)$/m.exec(output) ?? [];
      if (status === 0) usual.set(key, performance.now() - began);
      resolve(status === 0 ? null : isLate ? `not over in ${Math.round(allowed / 1000)} s` : name);
    });
  });
}

/** Runs files until one fails, and takes those that were run from the queue. */
async function runUntilFailure(queue, all) {
  const stop = new AbortController();
  let found = null;
  const lane = async () => {
    for (let file; found === null && (file = queue.shift()) !== undefined;) {
      const failure = await runFile(file, all, stop.signal);
      if (found !== null) queue.unshift(file);
      else if (failure !== null) {
        found = { file, failure };
        stop.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return found;
}

/** @returns {Promise<{ file: string, failure: string } | null>} the first file that finds a fault; null when none does */
async function findBy({ all, files }, fault) {
  const queue = inOrderFor(fault.file, files);
  for (;;) {
    const found = await runUntilFailure(queue, all);
    if (found === null) return null;
    // A test that was disturbed passes the second time; one that is broken fails without the fault, too.
    if ((await runFile(found.file, all)) === null) continue;
    build(fault, false);
    const isFoundOut = (await runFile(found.file, all)) === null;
    build(fault, true);
    if (isFoundOut) return found;
    console.log(`     ${sourceOf(found.file)} fails without a fault, so it does not count: ${found.failure}`);
  }
}

/** Whether a built file of tests does more in npm run test:all than in npm test: it is not in that, or it asks which of them it is in. */
function hasMore(file) {
  const seen = new Set();
  const asks = (name) => {
    if (name === "dist/test/support/thorough.js") return true;
    if (seen.has(name) || !fs.existsSync(path.join(root, name))) return false;
    seen.add(name);
    const text = fs.readFileSync(path.join(root, name), "utf8");
    const imports = text.matchAll(/\bfrom "(\.[^"]*)"/g);
    return [...imports].some(([, to]) => asks(path.posix.join(path.posix.dirname(name), to)));
  };
  return file.endsWith(".thorough.test.js") || asks(file);
}

/** The files that are likely to find a fault in a source come first: src/threads/main/request_slots.ts is tested in test/threads. */
function inOrderFor(source, files) {
  const [, folder, name] = /^src\/(?:([^/]+)\/)?(?:.*\/)?([^/]+)\.ts$/.exec(source);
  const rank = (file) => {
    if (path.posix.basename(file).split(".")[0] === name) return 0;
    if (file.startsWith(`dist/test/${folder}/`)) return 1;
    return /behaviour|conformance/.test(file) ? 2 : 3;
  };
  return [...files].sort((one, other) => rank(one) - rank(other));
}

// ------------------------------------------------------------------------------------------------------------ report

const shown = (text) => {
  const line = text.replace(/\s+/g, " ");
  return line.length > 60 ? `${line.slice(0, 57)}…` : line;
};
const sourceOf = (file) => file.replace(/^dist\/(.*)\.js$/, "$1.ts");
const sets = [
  { name: "npm test", all: false, files: testFiles({ all: false }), faults: 0 },
  { name: "npm run test:all", all: true, files: testFiles({ all: true }).filter(hasMore), faults: 0 },
];

// Measures how long each file takes without a fault, and leaves out a file that fails then: it would "find" every fault. A test that asks
// git may fail, since the copy is no checkout.
for (const queue = [...sets[0].files]; queue.length > 0;) {
  const broken = await runUntilFailure(queue, false);
  if (broken === null || (await runFile(broken.file, false)) === null) continue;
  console.log(`${sourceOf(broken.file)} fails without a fault, so it is left out: ${broken.failure}`);
  for (const set of sets) set.files = set.files.filter((file) => file !== broken.file);
}
const faults = await drawFaults();
console.log(`${faults.length} places and changes; ${count} of them are drawn, seed ${seed}.`);
let refused = 0;
const survivors = [];
for (let tried = 0, drawn = 0; tried < count && drawn < faults.length; drawn++) {
  const fault = faults[drawn];
  const what = `${fault.file}:${fault.line}  ${fault.kind}: ${shown(fault.before)} → ${shown(fault.after)}`;
  if (!build(fault, true)) {
    refused++;
    console.log(`     ${what}\n     tsc refuses it; another is drawn`);
  } else {
    tried++;
    console.log(`${String(tried).padStart(3)}  ${what}`);
    const began = performance.now();
    let found = null;
    for (const set of sets) {
      found = await findBy(set, fault);
      if (found === null) continue;
      set.faults++;
      const seconds = Math.round((performance.now() - began) / 1000);
      console.log(`     found by ${set.name}: ${sourceOf(found.file)}: ${found.failure} (${seconds} s)`);
      break;
    }
    if (found === null) {
      survivors.push(what);
      console.log("     found by none");
    }
  }
  fs.writeFileSync(path.join(copy, fault.file), fault.text);
}

const [short, long] = sets.map((set) => set.faults);
if (survivors.length > 0) console.log(`\nFound by none; do they change anything?\n${survivors.join("\n")}`);
console.log(`\n${refused} were refused by tsc. Of ${short + long + survivors.length} others,`);
console.log(`${short} were found by npm test, ${long} more by npm run test:all, ${survivors.length} by none.`);
if (short + long > 0)
  console.log(`Of those that are found, npm test finds ${((100 * short) / (short + long)).toFixed(0)} %.`);
