/** What docs/COMMONJS.md says and the installed tools can show: programs that say `require`, and what TypeScript makes of them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fromSources, root } from "../support/places.ts";
import { testOnNode as test } from "../support/runtime.ts";
import { thoroughly } from "../support/thorough.ts";
import { folderWith, runIn } from "../threads/support.ts";

const page = readFileSync(path.join(root, "docs/COMMONJS.md"), "utf8");

/** The blocks of JavaScript, by the names in their first lines, and what the text behind one says that it prints. */
const programs = [...page.matchAll(/^```js\n(\/\/ ([\w.]+)\n[^]*?)^```\n(?:\n```text\n([^]*?)^```)?/gm)].map(
  ([, code, name, output]) => ({ name, code: code.replaceAll(", 8000]", ", 0]"), output }),
);

test("each program of docs/COMMONJS.md prints what the page says", async (t) => {
  assert.equal(programs.length, page.match(/^```js$/gm)?.length);
  const folder = folderWith(t, Object.fromEntries(programs.map(({ name, code }) => [name, code])));
  const shown = programs.filter(({ output }) => output !== undefined);
  assert.ok(shown.length >= 4);
  for (const { name, output } of shown) {
    const { status, lines, stderr } = await runIn(folder, [name]);
    assert.deepEqual({ status, stderr }, { status: 0, stderr: "" }, name);
    assert.equal(lines.map((line) => `${line}\n`).join(""), output, name);
  }
});

test("all that the package exports can be required: nothing waits at the top level of a module", async (t) => {
  const { exports } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as { exports: object };
  const names = fromSources ? ["plinth"] : Object.keys(exports).map((name) => path.posix.join("plinth", name));
  const program = `for (const name of ${JSON.stringify(names)}) console.log(Object.keys(require(name)).length > 1);`;
  const { lines, stderr } = await runIn(folderWith(t, { "main.cjs": program }), ["main.cjs"]);
  assert.deepEqual({ lines, stderr }, { lines: names.map(() => "true"), stderr: "" });
});

// Declarations are there when it is built.
if (!fromSources) {
  thoroughly(test)("the installed TypeScript accepts and refuses what the table says", async (t) => {
    const rows = [...page.matchAll(/^\| `(\w+)` .*\| (accepted|refused \((TS\d+)\)) +\|$/gm)];
    assert.ok(rows.length >= 5);
    const program = `import { BaseHTTPRequestHandler, HTTPServer } from "plinth";
      class Handler extends BaseHTTPRequestHandler {
        do_GET() { this.sendText("hello"); }
      }
      const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" });
      void httpd.inject().then((response) => console.log(response.text()));
    `;
    const folder = folderWith(t, { "package.json": "{}", "main.ts": program });
    const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
    for (const [, module, , code] of rows) {
      const options = ["--strict", "--target", "es2022", "--module", module, "--outDir", module];
      const said = (await runIn(folder, [tsc, ...options, "main.ts"])).lines.join("\n");
      if (code === undefined) assert.equal(said, "", module);
      else assert.match(said, new RegExp(`error ${code}:`), module);
      // What it writes runs in any case.
      assert.deepEqual((await runIn(folder, [`${module}/main.js`])).lines, ["hello"], module);
    }
  });
}
