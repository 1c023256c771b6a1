/**
 * The programs in README.md, docs/GUIDE.md, docs/THREADS.md and docs/RUNTIMES.md: every block of TypeScript compiles by itself, as strictly as tsc can
 * be asked to, and runs; where the tests are sources, it runs as it is. One that serves is sent the curl commands of the console block
 * behind it, and must respond as that says, also when its server is a threading one; any other must end well, and print what the text
 * block behind it says.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { test, type TestContext } from "node:test";
import { DEFAULT_LIMITS } from "plinth/protocol";
import { fromSources, root } from "../support/places.ts";
import { runtime, sharesPorts } from "../support/runtime.ts";
import { requireProgram } from "../support/system.ts";
import { thorough } from "../support/thorough.ts";
import { type Block, readBlocks } from "./pages.ts";
import { startProgram } from "./programs.ts";

const curl = requireProgram("curl");

/**
 * The same program, its handlers in a thread; null where they are already, several event loops accept, or nothing serves. There is one thread, since the pages
 * keep in variables what all requests share.
 */
function inThreads(block: Block): Block | null {
  const construction = /\bnew (\w+)\(((?:\w+ \?\? )?\[[^\]]*\], (?:\w+|new Router\(.*?\)))(?:, \{ (.*) \})?\)/;
  if (!block.serves || /Threading|listeners:/.test(block.code)) return null;
  assert.match(block.code, construction, block.place);
  const code = block.code
    .replace(construction, (_, name: string, begin: string, options?: string) => {
      const all = options === undefined ? "{ threads: 1 }" : `{ threads: 1, ${options} }`;
      return `new ${name}(${begin}, ${all})`;
    })
    .replaceAll(/\bHTTPS?Server\b/g, "Threading$&");
  return { ...block, place: `${block.place}, in threads,`, name: `${block.name}-in-threads`, code };
}

/** What is another in every run: the time, and the version of this package. */
function withoutTimes(text: string): string {
  return text
    .replaceAll("\r", "")
    .replace(/^Date: .*$/gm, "Date: …")
    .replace(/^Server: Plinth\/.*$/gm, "Server: Plinth/…");
}

/** Runs a program to its end, and gives what it printed. It must end well. */
function run(file: string, args: readonly string[], cwd: string): Promise<string> {
  // No file of settings, and no proxy.
  const env = { ...process.env, CURL_HOME: cwd, NO_PROXY: "*" };
  return new Promise((resolve, reject) => {
    execFile(file, args, { cwd, env, timeout: 60_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${[file, ...args].join(" ")} (${error.signal ?? error.code})\n${stdout}${stderr}`));
    });
  });
}

/** A folder inside the package, where the name "plinth" means it; if it is ever left behind, scripts/prepare.mjs clears it away. */
async function folderOf(t: TestContext): Promise<string> {
  const folder = path.join(root, `.aside-${process.pid}`);
  await mkdir(folder);
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function write(folder: string, blocks: readonly Block[]): Promise<void> {
  for (const { name, code } of blocks) {
    await mkdir(path.join(folder, path.dirname(name)), { recursive: true });
    // Where a block says 8000, any port will do; it says which.
    const told = code
      .replaceAll(", 8000]", ", 0]")
      .replace(
        /await (\w+)\.serveForever\(\)/,
        "await $1.serverActivate(); console.log(`http://127.0.0.1:${$1.serverAddress[1]}/`); await $1.serveForever()",
      );
    await writeFile(path.join(folder, `${name}.ts`), told);
  }
}

/** Compiles all blocks at once. @returns the folder of what came out */
async function compile(folder: string): Promise<string> {
  // More than `tsc --init` asks for.
  const strict = ["noUncheckedIndexedAccess", "exactOptionalPropertyTypes", "noImplicitOverride", "noUnusedLocals"];
  const erasable = ["verbatimModuleSyntax", "isolatedModules", "erasableSyntaxOnly", "rewriteRelativeImportExtensions"];
  const compilerOptions = Object.assign(
    {
      module: "nodenext",
      target: "es2022",
      lib: ["es2023"],
      types: ["node"],
      outDir: "out",
      rootDir: ".",
      strict: true,
    },
    Object.fromEntries([...strict, ...erasable].map((name) => [name, true])),
  );
  await writeFile(path.join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*/*.ts"] }));
  await run(process.execPath, [path.join(root, "node_modules/typescript/bin/tsc"), "-p", folder], folder);
  return path.join(folder, "out");
}

test("every program in README.md and the guides compiles, runs and does what the page says", async (t) => {
  const folder = await folderOf(t);
  const pages = ["README.md", "docs/GUIDE.md", "docs/THREADS.md", ...(sharesPorts ? ["docs/RUNTIMES.md"] : [])];
  const blocks: Block[] = [];
  for (const page of pages) {
    for (const block of await readBlocks(page)) {
      const threaded = thorough ? inThreads(block) : null;
      blocks.push(block, ...(threaded === null ? [] : [threaded]));
    }
  }
  await write(folder, blocks);
  const [out, ending] = fromSources ? [folder, "ts"] : [await compile(folder), "js"];
  const cwd = path.join(folder, "cwd");
  await mkdir(cwd);

  // All are compiled. Of the guides the short run runs every fourth.
  const isRun = (block: Block, i: number): boolean => thorough || i % 4 === 0 || block.place.startsWith("README.md");
  for (const { place, name, code, serves, commands, output } of blocks.filter(isRun)) {
    const file = path.join(out, `${name}.${ending}`);
    if (!serves) {
      await t.test(`${place} runs`, async () => {
        // Bun runs tests by a command of their own.
        const args = runtime === "bun" && code.includes('"node:test"') ? ["test", file] : [file];
        const printed = await run(process.execPath, args, cwd);
        if (output !== null) assert.equal(withoutTimes(printed), withoutTimes(output));
      });
      continue;
    }
    await t.test(`${place} serves`, { skip: commands.length > 0 && curl.skip }, async (t) => {
      const { port, log } = await startProgram(t, file);
      for (const { command, output } of commands) {
        assert.match(command, /(?:^|\| )curl /, `${place} has a command of another kind`);
        const printed = await run("sh", ["-c", command.replaceAll(":8000", `:${port}`)], cwd);
        const said = withoutTimes(printed).replaceAll(`:${port}`, ":8000");
        // Where a response has no line feed at its end, the page has.
        assert.equal(said.replace(/\n$/, ""), withoutTimes(output).replace(/\n$/, ""), `${command}\n${log()}`);
      }
    });
  }
});

for (const name of ["GUIDE", "THREADS", "RUNTIMES", "COMMONJS"]) {
  test(`links to headings of docs/${name}.md lead to headings, and its list has them all`, async () => {
    const page = await readFile(path.join(root, "docs", `${name}.md`), "utf8");
    const text = page.replace(/^```[^]*?^```/gm, "");
    const headings = [...text.matchAll(/^##+ (.*)$/gm)].map(([, title]) =>
      title
        .toLowerCase()
        .replace(/[^\w\s-]/g, "")
        .replaceAll(" ", "-"),
    );
    const named = [...page.matchAll(/\]\(#([^)]*)\)/g)].map(([, heading]) => heading);
    const unnamed = headings.filter((heading) => !named.includes(heading));
    assert.deepEqual(unnamed, [], "the list at the top of the page has every heading");
    for (const other of [
      "README.md",
      "CONTRIBUTING.md",
      "docs/GUIDE.md",
      "docs/THREADS.md",
      "docs/PYTHON.md",
      "docs/RUNTIMES.md",
      "docs/COMMONJS.md",
      "docs/ARCHITECTURE.md",
    ]) {
      const link = new RegExp(`\\]\\((?:docs/)?${name}\\.md#([^)]*)\\)`, "g");
      const links = [...(await readFile(path.join(root, other), "utf8")).matchAll(link)];
      named.push(...links.map(([, heading]) => heading));
    }
    assert.deepEqual(
      named.filter((heading) => !headings.includes(heading)),
      [],
    );
  });
}

/** The rows of a table of options: name, unit, default, what it is. */
function optionRows(markdown: string): RegExpMatchArray[] {
  return [...markdown.matchAll(/^\| `(\w+)` +\| ([^|]+?) +\| ([^|]+?) +\| ([^|]+?) +\|$/gm)];
}

/** What an interface declares: its text, and the names in it. */
async function declared(file: string, name: string): Promise<{ own: string; names: string[] }> {
  const text = await readFile(path.join(root, "src", file), "utf8");
  const [, own] = new RegExp(`interface ${name} [^{]*\\{([^]*?)\\n\\}`).exec(text)!;
  return { own, names: [...own.matchAll(/^ {2}readonly (\w+)\b/gm)].map(([, member]) => member) };
}

/** Compares the defaults in a table with those in docstrings, or in an object. */
function compareDefaults(rows: RegExpMatchArray[], own: string, values: Partial<Record<string, number>> = {}): void {
  const units: Record<string, number> = { "": 1, ms: 1, s: 1000, KiB: 1024, MiB: 1024 * 1024 };
  for (const [, name, unit, shown] of rows) {
    const [, number, suffix] = /^([\d,]+) ?(s|ms|KiB|MiB|)$/.exec(shown) ?? [];
    if (number === undefined) continue;
    const [, docstring] =
      new RegExp(`Default ([\\d,]+ ?(?:s|ms|KiB|MiB|))\\.[^/]*\\*/\\s+readonly ${name}\\?`).exec(own) ?? [];
    if (name in values) assert.equal(Number(number.replaceAll(",", "")) * units[suffix], values[name], name);
    else assert.equal(shown, docstring, name);
    assert.equal(/^(s|ms)$/.test(suffix) ? "ms" : suffix.endsWith("iB") ? "bytes" : unit, unit, name);
  }
}

test("the table of options in docs/GUIDE.md has them all, with their defaults", async () => {
  const rows = optionRows(await readFile(path.join(root, "docs/GUIDE.md"), "utf8"));
  const { own, names } = await declared("server/server_options.ts", "HTTPServerOptions");
  assert.deepEqual(rows.map(([, name]) => name).sort(), [...names, ...Object.keys(DEFAULT_LIMITS)].sort());
  compareDefaults(rows, own, { ...DEFAULT_LIMITS });
});

test("the table of options in docs/THREADS.md has them all, with their defaults", async () => {
  const rows = optionRows(await readFile(path.join(root, "docs/THREADS.md"), "utf8"));
  const { own, names } = await declared("threads/shared/threading_options.ts", "ThreadingOptions");
  assert.deepEqual(
    rows.map(([, name]) => name),
    names,
  );
  assert.ok(rows.filter(([, , , shown]) => /^\d/.test(shown)).length >= 3);
  compareDefaults(rows, own);
});

test("the table of stats in docs/THREADS.md has all that stats() says", async () => {
  const page = await readFile(path.join(root, "docs/THREADS.md"), "utf8");
  const [, table] = /^\| field [^\n]*\n([^]*?)\n\n/m.exec(page)!;
  const { names } = await declared("threads/shared/stats.ts", "ThreadingStats");
  assert.deepEqual(
    [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name),
    names,
  );
});
