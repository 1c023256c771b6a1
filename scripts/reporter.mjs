// A reporter for node:test: what failed in full, what was skipped and why; at the end the slowest files, and the count as the last line.
//
// It is stricter than Node's own. These are failures too:
// - a file without a single test, or one that ended before its tests did (a process.exit(0) in the middle);
// - a test that was skipped, where PLINTH_REQUIRE_SYSTEM=1 says that everything a test may need is installed.
//
// The runner sends each file's events in the order of its tests, a test's subtests before the test itself, and then
// events for the file as a whole, which look like a test's whose name is the file's path.
import fs from "node:fs";
import { SourceMap } from "node:module";
import path from "node:path";
import { inspect } from "node:util";

const requireSystem = process.env.PLINTH_REQUIRE_SYSTEM === "1";
const expectedFiles = (process.env.PLINTH_TEST_FILES ?? "").split(path.delimiter).filter((file) => file !== "");

// How much of what a failed file printed is shown: the end of it, in characters.
const shownOutput = 20_000;

// How many of the slowest files are named at the end.
const shownFiles = 10;

export default async function* report(source) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  /** Each test, for who compares runs. */
  const results = [];
  const files = new Map();
  for (const name of expectedFiles) fileOf(path.resolve(name));

  function fileOf(name) {
    const key = sourceOf(name);
    let file = files.get(key);
    if (!file) {
      file = {
        name: key,
        tests: 0,
        failures: 0,
        unfinished: [],
        parents: [],
        names: [],
        output: "",
        error: undefined,
        seconds: 0,
      };
      files.set(key, file);
    }
    return file;
  }

  function failed(file, name, what) {
    counts.failed++;
    file.failures++;
    results.push({ file: file.name, name, status: "failed", text: what });
    return `\nFAILED  ${file.name}: ${name}\n${indent(what)}\n`;
  }

  /** What is to be said about a test that has passed or failed. */
  function settled(file, data) {
    const error = data.details.error;
    // A test that had subtests is counted by them, unless something is wrong with itself (a hook, say).
    const isParent = file.parents[data.nesting + 1] === true || data.details.type === "suite";
    file.parents.length = data.nesting + 1;
    if (data.nesting > 0) file.parents[data.nesting] = true;

    const isOmitted = isSet(data.skip) || isSet(data.todo);
    if (isParent && !isOmitted && (!error || error.failureType === "subtestsFailed")) return "";
    file.tests++;

    const name = [...file.names.slice(0, data.nesting), data.name].join(" > ");
    if (isOmitted) {
      const reason = isSet(data.skip)
        ? reasonOf(data.skip, "no reason given")
        : `todo: ${reasonOf(data.todo, "no reason given")}`;
      if (requireSystem) return failed(file, name, `skipped (${reason}), but PLINTH_REQUIRE_SYSTEM=1 allows no skips`);
      counts.skipped++;
      results.push({ file: file.name, name, status: "skipped", text: reason });
      return `skipped ${file.name}: ${name}: ${reason}\n`;
    }
    if (error) return failed(file, name, describe(error));
    counts.passed++;
    results.push({ file: file.name, name, status: "passed", text: "" });
    return "";
  }

  /** What is to be said about a file when nothing more can come from it. */
  function* ended(file) {
    const error = file.error;
    const why = error ? `the file: ${fileError(error)}` : "its file ended with exit code 0 before that";
    // In the order of their starts, so a test with a deeper one behind it is that one's parent.
    const unfinished = file.unfinished.filter((test, i, all) => !(all[i + 1]?.nesting > test.nesting));
    for (const test of unfinished) yield failed(file, test.name, `did not finish; ${why}`);
    // Counted once: by its unfinished tests, if there are any.
    if (error && unfinished.length === 0 && (error.failureType !== "subtestsFailed" || file.failures === 0)) {
      yield failed(file, "the file as a whole", fileError(error));
    } else if (file.tests + unfinished.length === 0) {
      yield failed(file, "the file as a whole", "has no tests");
    }
    if (file.failures > 0 && file.output !== "") {
      const cut = file.output.length > shownOutput ? "[…] " : "";
      yield `\nPrinted by ${file.name}:\n${indent(cut + inSources(file.output.slice(-shownOutput)))}\n`;
    }
  }

  for await (const { type, data } of source) {
    if (!data?.file) {
      // The runner's own totals come this way too, which count differently.
      if (type === "test:diagnostic" && !/^[a-z_]+ [\d.]+$/.test(data.message)) yield `note    ${data.message}\n`;
      continue;
    }

    const file = fileOf(data.file);
    if (type === "test:stdout" || type === "test:stderr") {
      file.output += data.message;
    } else if (type === "test:diagnostic") {
      yield `note    ${file.name}: ${data.message}\n`;
    } else if (data.nesting === 0 && isFile(data.name, file)) {
      if (data.details?.error) file.error = data.details.error;
      if (type === "test:complete") {
        file.seconds = data.details.duration_ms / 1000;
        yield `ran     ${file.name} (${file.seconds.toFixed(1)} s)\n`;
      }
    } else if (type === "test:enqueue") {
      file.unfinished.push(data);
    } else if (type === "test:start") {
      file.names[data.nesting] = data.name;
    } else if (type === "test:pass" || type === "test:fail") {
      const started = file.unfinished.findIndex((test) => isSameTest(test, data));
      if (started >= 0) file.unfinished.splice(started, 1);
      yield settled(file, data);
    }
  }

  for (const file of files.values()) yield* ended(file);

  // Node's status knows nothing of what only we call a failure.
  if (counts.failed > 0) process.exitCode = 1;
  if (process.env.PLINTH_TEST_RESULTS) fs.writeFileSync(process.env.PLINTH_TEST_RESULTS, JSON.stringify(results));
  yield slowest([...files.values()]);
  yield `\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`;
}

/** The files that took longest. One alone is no comparison. */
function slowest(files) {
  if (files.length < 2) return "";
  const lines = files
    .toSorted((one, other) => other.seconds - one.seconds)
    .slice(0, shownFiles)
    .map(({ name, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${name}\n`);
  return `\nThe slowest files:\n${lines.join("")}`;
}

/** The file that a person edits: test/name.test.ts for dist/test/name.test.js. */
function sourceOf(file) {
  const inside = path.relative(process.cwd(), file).split(path.sep).join("/");
  return inside.replace(/^dist\/(.*)\.js$/, "$1.ts");
}

function isFile(name, file) {
  return /\.[cm]?[jt]s$/.test(name) && sourceOf(path.resolve(name)) === file.name;
}

const isSet = (value) => value !== undefined && value !== false;
const reasonOf = (value, otherwise) => (typeof value === "string" && value !== "" ? value : otherwise);

function isSameTest(one, other) {
  return (
    one.name === other.name && one.nesting === other.nesting && one.line === other.line && one.column === other.column
  );
}

/** What a test threw. Node wraps it in an error of its own, which adds only where it came from. */
function describe(error) {
  const what = error.cause === undefined ? error : error.cause;
  const text = inSources(typeof what === "string" ? what : inspect(what, { depth: 6 }));
  return error.failureType === "hookFailed" ? `${error.message}: ${text}` : text;
}

/**
 * A text with its places in built files led back to the sources. Node does the same by --enable-source-maps, but then every process and
 * thread reads the map of each file that it loads: a sixth of the time that all tests take.
 */
function inSources(text) {
  return text.replace(/(?:file:\/\/)?([^\s():]*\/dist\/[^\s():]+\.js):(\d+):(\d+)/g, (place, file, line, column) => {
    const origin = mapOf(file)?.findOrigin(Number(line), Number(column));
    if (!origin?.fileName) return place;
    return `${path.resolve(path.dirname(file), origin.fileName)}:${origin.lineNumber}:${origin.columnNumber}`;
  });
}

function mapOf(file) {
  try {
    return new SourceMap(JSON.parse(fs.readFileSync(`${file}.map`, "utf8")));
  } catch {
    return undefined; // not of this project
  }
}

function fileError(error) {
  if (error.signal) return `ended by ${error.signal}`;
  if (error.exitCode) return `exit code ${error.exitCode}`;
  return error.message;
}

function indent(text) {
  return text.trimEnd().replace(/^(?=.)/gm, "    ");
}
