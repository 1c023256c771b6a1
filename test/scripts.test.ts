// The reporter decides what counts as a failure, so a fault in it would hide all others. A build that is not whole would do the same.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import path from "node:path";
import { root } from "./support/places.ts";
import { testOnNode as test } from "./support/runtime.ts";
import { thoroughly } from "./support/thorough.ts";

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

thoroughly(test)("a skipped test is told with its reason, and is a failure where everything is required", () => {
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
  (what.startsWith("ends") ? test : thoroughly(test))(
    `a file that ${what} is a failure, beside one that is well`,
    () => {
      const result = runFiles({ broken: text, well: `test("left out", { skip: "for this test" });` });
      assert.match(result.stdout, says);
      assert.equal(result.lastLine, lastLine.replace("0 skipped", "1 skipped"));
      assert.equal(result.status, 1);
    },
  );
}

thoroughly(test)("the slowest files are named before the count, ten at most", () => {
  const files = Object.fromEntries(
    Array.from({ length: 11 }, (_, i) => [
      `file${i}`,
      `test("waits", () => new Promise((r) => setTimeout(r, ${i === 7 ? 1500 : 1})));`,
    ]),
  );
  const { stdout } = runFiles(files);
  const lines = stdout.trimEnd().split("\n");
  const from = lines.indexOf("The slowest files:");
  assert.match(lines[from + 1], /^ +[1-9]\.\d s {2}file7\.test\.mjs$/);
  assert.deepEqual(lines.slice(from + 11), ["", "11 passed, 0 failed, 0 skipped"]);
});

/** A small project with this one's scripts and settings, which uses what is installed here. */
function smallProject(): { folder: string; read: (file: string) => string; remove: () => void } {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-build-"));
  for (const name of ["package.json", "package-lock.json", "tsconfig.json", "scripts"])
    cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
  symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"));
  mkdirSync(path.join(folder, "src"));
  writeFileSync(
    path.join(folder, "src/one.ts"),
    "export class One {\n  #own = 1;\n  get own(): number {\n    return this.#own;\n  }\n}\n",
  );
  writeFileSync(path.join(folder, "src/other.ts"), "export const other: number = 1;\n");
  return {
    folder,
    read: (file) => readFileSync(path.join(folder, file), "utf8"),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const BUILD = path.join("scripts", "prepare.mjs");

test("a build does again what depends on a change, forgets what has no source, and leaves all as it was when it fails", () => {
  const project = smallProject();
  const { folder, read } = project;
  try {
    const build = () => spawnSync(process.execPath, [BUILD], { cwd: folder, encoding: "utf8" });
    assert.deepEqual([build().stderr, build().stderr], ["Building …\n", ""]);
    assert.doesNotMatch(read("dist/src/one.d.ts"), /#private/);

    // Nobody looks at what was built, so that it can show whether it was built again.
    appendFileSync(path.join(folder, "dist/src/one.js"), "// as it was\n");
    writeFileSync(path.join(folder, "src/other.ts"), "export const other: number = 22;\n");
    assert.equal(build().status, 0);
    assert.match(read("dist/src/one.js"), /as it was/);
    assert.match(read("dist/src/other.js"), /22/);

    writeFileSync(path.join(folder, "src/one.ts"), 'export const one: number = "1";\n');
    const failed = build();
    assert.equal(failed.status, 1);
    assert.match(failed.stderr, /src\/one\.ts\(1,14\).*\nThe build failed\.\n$/);
    assert.match(read("dist/src/one.js"), /as it was/);

    rmSync(path.join(folder, "src/one.ts"));
    assert.equal(build().status, 0);
    assert.deepEqual(
      readdirSync(path.join(folder, "dist/src")).filter((name) => name.startsWith("one")),
      [],
    );

    // What somebody has removed comes back with the next build, though its source has not changed.
    writeFileSync(path.join(folder, "src/third.ts"), "export const third: number = 3;\n");
    rmSync(path.join(folder, "dist/src/other.js"));
    assert.equal(build().status, 0);
    assert.match(read("dist/src/other.js"), /22/);

    // Other settings may build everything in another way.
    appendFileSync(path.join(folder, "dist/src/other.js"), "// as it was\n");
    appendFileSync(path.join(folder, "tsconfig.json"), "\n");
    assert.equal(build().status, 0);
    assert.doesNotMatch(read("dist/src/other.js"), /as it was/);
  } finally {
    project.remove();
  }
});

thoroughly(test)("builds that run at once, or are ended, leave one whole state", async () => {
  const project = smallProject();
  const { folder, read } = project;
  try {
    for (let round = 1; round <= 2; round++) {
      writeFileSync(path.join(folder, "src/other.ts"), `export const other: number = ${round};\n`);
      const builds = Array.from({ length: 3 }, () =>
        spawn(process.execPath, [BUILD], { cwd: folder, stdio: "ignore" }),
      );
      setTimeout(() => builds[0].kill("SIGKILL"), round * 400);
      const ends = await Promise.all(builds.map((one) => once(one, "exit")));
      assert.deepEqual(ends.slice(1), [
        [0, null],
        [0, null],
      ]);
      assert.match(read("dist/src/other.js"), new RegExp(`= ${round};`));
      assert.ok(existsSync(path.join(folder, "dist/.tsbuildinfo")));
    }
    // The next build clears away what a killed one could not.
    writeFileSync(path.join(folder, "src/other.ts"), "export const other: number = 5;\n");
    assert.equal(spawnSync(process.execPath, [BUILD], { cwd: folder }).status, 0);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith(".aside")),
      [],
    );
  } finally {
    project.remove();
  }
});
