/** Which file threads import once more, by how the process was started. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { callingFile, findMain, type Start } from "../../src/program/main_module.ts";
import { argumentOf } from "../../src/program/spawn_guard.ts";
import { runtime } from "../support/runtime.ts";

const folder = realpathSync(mkdtempSync(path.join(tmpdir(), "plinth-")));
after(() => rmSync(folder, { recursive: true, force: true }));

function file(...names: string[]): string {
  const place = path.join(folder, ...names);
  mkdirSync(path.dirname(place), { recursive: true });
  writeFileSync(place, "");
  return place;
}

const program = file("main.js");
const runner = file("node_modules", "runner", "cli.js");
const plain: Start = { argv: ["node", program], execArgv: [], managed: undefined, electron: null };
const nobody = (): null => null;
const found = (name: string): object => ({ url: pathToFileURL(name).href, lack: "" });
const none = (lack: string): object => ({ url: null, lack });

test("the file that the process was started with", () => {
  const never = (): never => assert.fail("nobody need look");
  assert.deepEqual(findMain(plain, never), found(program));
  if (runtime !== "deno")
    assert.deepEqual(findMain({ ...plain, argv: ["node", program.slice(0, -3)] }, never), found(program));
  // What a manager leaves in the environment of processes that its programs start is not theirs.
  assert.deepEqual(findMain({ ...plain, managed: runner }, never), found(program));
});

test("an installed program's own, and the user's file behind an installed launcher", () => {
  const launched = { ...plain, argv: ["node", runner] };
  assert.deepEqual(findMain(launched, nobody), found(runner));
  assert.deepEqual(
    findMain(launched, () => program),
    found(program),
  );
  const link = path.join(folder, "node_modules", "link.js");
  symlinkSync(runner, link);
  assert.deepEqual(
    findMain({ ...plain, argv: ["node", link] }, () => program),
    found(program),
  );
});

test("what pm2 was given, which its container imports", () => {
  for (const name of ["ProcessContainer.js", "ProcessContainerFork.js", "ProcessContainerForkBun.js"]) {
    const managed = { ...plain, argv: ["node", file("node_modules", "pm2", "lib", name)], managed: program };
    assert.deepEqual(findMain(managed, nobody), found(program));
    assert.deepEqual(
      findMain({ ...managed, managed: "/no/such.js" }, nobody),
      none("/no/such.js, which pm2 was given, does not exist"),
    );
  }
});

test("in Electron, its main module; its arguments name documents", () => {
  const given = { ...plain, argv: ["app", file("letter.txt")] };
  assert.deepEqual(findMain({ ...given, electron: { main: program } }, nobody), found(program));
  assert.deepEqual(
    findMain({ ...given, electron: { main: undefined } }, () => program),
    found(program),
  );
  assert.deepEqual(
    findMain({ ...given, electron: { main: undefined } }, nobody),
    none("Electron does not say which file is the program"),
  );
});

test("where no file is the program, why", () => {
  for (const option of ["-e", "-p", "-pe", "--eval", "--print", "--eval=1", "--print=1"])
    assert.deepEqual(
      findMain({ ...plain, execArgv: [option] }, nobody),
      none("The process was given its program on the command line, not in a file"),
    );
  assert.deepEqual(findMain({ ...plain, argv: ["node"] }, nobody), none("The process was started without a file"));
  assert.deepEqual(
    findMain({ ...plain, argv: ["node", "no/such.js"] }, nobody),
    none("The process was started with no/such.js, which is no file"),
  );
  // A test runner that runs all files in its own process has none either; but the test constructs the server.
  assert.deepEqual(
    findMain({ ...plain, argv: ["node"] }, () => program),
    found(program),
  );
});

test("the file that calls is told by the stack, whatever others make of stacks", () => {
  const own = callingFile();
  assert.match(own ?? "", /main_module\.test\.[jt]s$/);
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = 0;
    assert.equal(callingFile(), own);
    assert.equal(Error.stackTraceLimit, 0);
    Error.prepareStackTrace = () => 5;
    assert.equal(callingFile(), own);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    if (prepareStackTrace === undefined) delete (Error as { prepareStackTrace?: unknown }).prepareStackTrace;
    else Error.prepareStackTrace = prepareStackTrace;
  }
});

test("which processes would run the program: those of a runtime that name its file, or the file itself", () => {
  const node = process.execPath;
  const cases: [object, string | null][] = [
    [{ file: node, args: [node, program] }, program],
    [{ file: node, args: [node, "--import", "x", program, "child"] }, program],
    [{ file: "node", args: ["node", "main.js"], cwd: folder }, "main.js"],
    [{ file: "tsx", args: ["tsx", "./main.js"], cwd: folder }, "./main.js"],
    [{ file: "bun", args: ["bun", "run", program] }, program],
    [{ file: program, args: [program] }, program],
    [{ file: node, args: [node, "main.js"], cwd: path.dirname(runner) }, null],
    [{ file: node, args: [node, runner] }, null],
    [{ file: "git", args: ["git", "log", "--", program] }, null],
    [{ file: "tool", args: ["tool", "-p", 8080, undefined, program] }, null],
    [{ file: node, args: [node, "-p", 8080, undefined] }, null],
    [{ file: "main", args: ["main"], cwd: folder }, null],
    [{ file: undefined }, null],
    [{}, null],
  ];
  for (const [options, found] of cases) assert.equal(argumentOf(options, program), found, JSON.stringify(options));
});
