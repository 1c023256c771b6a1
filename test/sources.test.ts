// The sources as they are, with nothing built: how the addition server is started from a checkout that has only been installed.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { root } from "./support/places.ts";
import { runsTypeScript, runtime } from "./support/runtime.ts";

/** A checkout in which nothing has been built. */
function checkout(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-sources-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ["package.json", "tsconfig.json", "deno.json", "bunfig.toml", "src", "apps"])
    cpSync(path.join(root, name), path.join(folder, name), { recursive: true });
  symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"), "junction");
  return folder;
}

/** Flags of the runtime's own: on Deno, all that it is permitted. */
const least: Record<string, readonly string[]> = {
  "on its event loop": runtime === "deno" ? ["run", "--no-prompt", "--allow-net"] : [],
  "in threads": runtime === "deno" ? ["run", "--no-prompt", "--allow-net", "--allow-read"] : [],
};

for (const [how, flags] of runsTypeScript ? Object.entries(least) : []) {
  test(`the addition server adds ${how}`, async (t) => {
    const args = [
      ...flags,
      "apps/addition/main.ts",
      "--port",
      "0",
      ...(how === "in threads" ? ["--threads", "1"] : []),
    ];
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

test("where Node does not run TypeScript, the README and the file itself say what to do instead", async (t) => {
  const file = "apps/addition/main.ts";
  const said = "ERR_UNKNOWN_FILE_EXTENSION";
  const readme = readFileSync(path.join(root, "README.md"), "utf8");
  const [, below] = readme.split(`node ${file}`);
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
