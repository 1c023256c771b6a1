// The reporter decides what counts as a failure, so a fault in it would hide all others.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { testOnNode as test } from "./support/runtime.ts";

const reporter = new URL("scripts/reporter.mjs", import.meta.resolve("plinth/package.json"));

/** Runs test files, given by name and text, as scripts/tests.mjs does. */
function runFiles(files: Record<string, string>, requireSystem: "0" | "1" = "0") {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-reporter-"));
  try {
    const names = Object.keys(files).map((name) => `${name}.test.mjs`);
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(
        path.join(folder, `${name}.test.mjs`),
        `import test, { before, describe } from "node:test";\n${text}`,
      );
    }
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      PLINTH_REQUIRE_SYSTEM: requireSystem,
      PLINTH_TEST_FILES: names.join(path.delimiter),
    };
    // Set in us by the runner that runs us; a runner that sees it runs nothing.
    delete env["NODE_TEST_CONTEXT"];
    const args = ["--test", `--test-reporter=${reporter.href}`, ...names];
    const { status, stdout } = spawnSync(process.execPath, args, { cwd: folder, env, encoding: "utf8" });
    return { status, stdout, lastLine: stdout.trimEnd().split("\n").at(-1) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("tests are counted once each, suites and tests with subtests not at all", () => {
  const { status, lastLine } = runFiles({
    one: `
      test("plain", () => {});
      describe("suite", () => { test("inside", () => {}); describe("deeper", () => test("inside", () => {})); });
      test("parent", async (t) => { await t.test("child", () => {}); });`,
    two: `test("plain", () => {});`,
  });
  assert.equal(lastLine, "5 passed, 0 failed, 0 skipped");
  assert.equal(status, 0);
});

test("a failure is told with its file, its name and its error, and what its file printed", () => {
  const { status, stdout, lastLine } = runFiles({
    one: `
      console.log("seen on the way");
      describe("suite", () => test("sum", () => { throw new RangeError("out", { cause: "why" }); }));
      test("parent", async (t) => { await t.test("child", () => {}); throw new Error("the parent's own"); });`,
    two: `describe("suite", () => { before(() => { throw new Error("no server"); }); test("inside", () => {}); });`,
  });
  assert.match(stdout, /FAILED {2}one\.test\.mjs: suite > sum\n {4}RangeError.*out\n/);
  assert.match(stdout, /cause\]: 'why'/);
  assert.match(stdout, /Printed by one\.test\.mjs:\n {4}seen on the way\n/);
  assert.match(stdout, /FAILED {2}one\.test\.mjs: parent\n {4}Error: the parent's own\n/);
  assert.match(stdout, /FAILED {2}two\.test\.mjs: suite\n {4}failed running before hook: Error: no server\n/);
  // The test inside the suite with the broken hook was cancelled: it has not passed.
  assert.equal(lastLine, "1 passed, 4 failed, 0 skipped");
  assert.equal(status, 1);
});

test("a skipped test is told with its reason, and is a failure where everything is required", () => {
  const files = { one: `test("needs curl", { skip: "curl is not installed" }, () => {}); test("plain", () => {});` };

  const allowed = runFiles(files);
  assert.match(allowed.stdout, /^skipped one\.test\.mjs: needs curl: curl is not installed$/m);
  assert.equal(allowed.lastLine, "1 passed, 0 failed, 1 skipped");
  assert.equal(allowed.status, 0);

  const required = runFiles(files, "1");
  assert.match(required.stdout, /skipped \(curl is not installed\), but PLINTH_REQUIRE_SYSTEM=1 allows no skips/);
  assert.equal(required.lastLine, "1 passed, 1 failed, 0 skipped");
  assert.equal(required.status, 1);
});

const brokenFiles: Record<string, { text: string; says: RegExp; lastLine: string }> = {
  "has no tests": { text: "", says: /has no tests/, lastLine: "0 passed, 1 failed, 0 skipped" },
  "crashes when it is loaded": {
    text: `throw new Error("crash");`,
    says: /Error: crash/,
    lastLine: "0 passed, 1 failed, 0 skipped",
  },
  "crashes when its tests are done": {
    text: `test("plain", () => {}); process.on("exit", () => { process.exitCode = 7; });`,
    says: /the file as a whole\n {4}exit code 7/,
    lastLine: "1 passed, 1 failed, 0 skipped",
  },
  "ends well before its tests are done": {
    text: `
      test("plain", () => {});
      test("leaves", async () => { await new Promise((resolve) => setTimeout(resolve, 200)); process.exit(0); });`,
    says: /leaves\n {4}did not finish/,
    lastLine: "1 passed, 1 failed, 0 skipped",
  },
};

for (const [what, { text, says, lastLine }] of Object.entries(brokenFiles)) {
  test(`a file that ${what} is a failure, beside one that is well`, () => {
    const result = runFiles({ broken: text, well: `test("left out", { skip: "for this test" });` });
    assert.match(result.stdout, says);
    assert.equal(result.lastLine, lastLine.replace("0 skipped", "1 skipped"));
    assert.equal(result.status, 1);
  });
}
