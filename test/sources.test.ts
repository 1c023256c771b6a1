// The sources as they are, with nothing built: how the addition server is started from a checkout that has only been installed.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { root } from "./support/places.ts";
import { type Runtime, runsTypeScript, runtime, testOn, testOnNode } from "./support/runtime.ts";

/** A checkout in which nothing has been built: its sources, and node_modules as `npm ci` makes it. */
function checkout(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-sources-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const isSource = (file: string): boolean => !["dist", "node_modules"].includes(path.basename(file));
  for (const name of ["package.json", "tsconfig.json", "deno.json", "bunfig.toml", "src", "apps"])
    cpSync(path.join(root, name), path.join(folder, name), { recursive: true, filter: isSource });
  const modules = path.join(folder, "node_modules");
  mkdirSync(modules);
  for (const name of readdirSync(path.join(root, "node_modules")))
    symlinkSync(path.join(root, "node_modules", name), path.join(modules, name), "junction");
  // The packages of this project are those of the checkout.
  for (const [name, place] of [
    ["plinth", "."],
    ["plinth-addition", "apps/addition"],
  ]) {
    assert.equal(realpathSync(path.join(modules, name)), realpathSync(path.join(root, place)), "npm ci links them");
    rmSync(path.join(modules, name));
    symlinkSync(path.join(folder, place), path.join(modules, name), "junction");
  }
  assert.ok(!existsSync(path.join(folder, "dist")));
  return folder;
}

/** The command by which README.md starts the addition server from its sources on a runtime: its arguments. */
function commandInReadme(of: Runtime = runtime): string[] {
  const readme = readFileSync(path.join(root, "README.md"), "utf8");
  const [, line] = new RegExp(`^${of} (.*apps/addition/main\\.ts)(?:\\s+#.*)?$`, "m").exec(readme) ?? [];
  assert.ok(line !== undefined, `README.md has a line for ${of}`);
  return line.split(" ");
}

/** More flags: of the runtime's, and of the program's. */
const ways: Record<string, readonly [more: readonly string[], options: readonly string[]]> = {
  "on its event loop": [[], []],
  "in threads": [runtime === "deno" ? ["--allow-read"] : [], ["--threads", "1"]],
};

for (const [how, [more, options]] of runsTypeScript ? Object.entries(ways) : []) {
  test(`README's command starts the addition server where nothing is built, and it adds ${how}`, async (t) => {
    const command = commandInReadme();
    const args = [...command.slice(0, -1), ...more, ...command.slice(-1), "--port", "0", ...options];
    const child = spawn(process.execPath, args, { cwd: checkout(t), stdio: ["ignore", "pipe", "pipe"] });
    const ended = once(child, "close");
    t.after(async () => {
      child.kill("SIGKILL");
      await ended;
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    let stdout = "";
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        const [, found] = /^The addition server is at (\S+) /.exec((stdout += text)) ?? [];
        if (found !== undefined) resolve(found);
      });
      child.on("close", () => reject(new Error(`it has ended: ${stderr}`)));
    });
    const response = await fetch(`${url}val_a/3/val_b/4/`);
    assert.deepEqual([response.status, await response.json()], [200, { sum: 7 }]);
  });
}

const testOnNewerNode = runsTypeScript ? testOnNode : testOn();

testOnNewerNode("without its condition Node looks for what was built, and the program says what to do", async (t) => {
  const args = ["apps/addition/main.ts", "--port", "0"];
  const child = spawn(process.execPath, args, { cwd: checkout(t), stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  assert.deepEqual(await once(child, "close"), [2, null]);
  assert.match(stderr, /^plinth-addition: cannot start: the library is not built\. .*npm start.*\n$/);
  assert.ok(stderr.includes(`node ${commandInReadme().join(" ")}.`), stderr);
});

test("where Node does not run TypeScript, the README and the file itself say what to do instead", async (t) => {
  const file = "apps/addition/main.ts";
  const said = "ERR_UNKNOWN_FILE_EXTENSION";
  const readme = readFileSync(path.join(root, "README.md"), "utf8");
  const [, below] = readme.split(`node ${commandInReadme("node").join(" ")}`);
  assert.match(below.slice(0, 600), new RegExp(`22\\.18[^]*${said}[^]*\`npm start\``));
  assert.match(readFileSync(path.join(root, "docs/RUNTIMES.md"), "utf8"), new RegExp(`${said}[^]{0,200}\`npm start\``));
  // Node names the file, so whoever opens it finds the way at its top.
  const [, first, second] = readFileSync(path.join(root, file), "utf8").split("\n");
  assert.match(`${first} ${second}`, /^\/\/ .*22\.18.*Unknown file extension.*`npm start`/);
  if (runsTypeScript) return;
  const child = spawn(process.execPath, [file], { cwd: checkout(t), stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  await once(child, "close");
  assert.match(stderr, new RegExp(`${said}.*Unknown file extension.*main\\.ts`));
});

test("each runtime finds the same of its own files among the sources as among what is built", () => {
  const read = (file: string): unknown =>
    (JSON.parse(readFileSync(path.join(root, file), "utf8")) as { imports: unknown }).imports;
  const built = read("package.json") as Record<string, Record<string, string>>;
  const sources = read("src/package.json") as typeof built;
  const ofDeno = read("deno.json") as Record<string, string>;
  assert.deepEqual(Object.keys(built), ["#transport", "#buffer"]);
  assert.deepEqual(Object.keys(sources), Object.keys(built));
  for (const [name, files] of Object.entries(sources)) {
    assert.deepEqual(Object.keys(files), ["bun", "deno", "default"]);
    for (const [condition, file] of Object.entries(files)) {
      assert.equal(built[name][condition], file.replace("./", "./dist/src/").replace(/ts$/, "js"));
      assert.ok(existsSync(path.join(root, "src", file)), file);
    }
    assert.equal(ofDeno[name], files["deno"].replace("./", "./src/"));
  }
});
