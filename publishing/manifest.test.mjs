// The library's tarball, as publint and "Are the types wrong?" judge it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

const root = fileURLToPath(new URL("..", import.meta.url));
const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));

let temporary;
/** @type {Uint8Array} */
let tarball;

before(() => {
  temporary = mkdtempSync(path.join(tmpdir(), "plinth-publishing-"));
  const running = process.env.npm_execpath;
  const [command, ...npm] = running?.endsWith("npm-cli.js") ? [process.execPath, running] : ["npm"];
  execFileSync(command, [...npm, "pack", "--silent", "--pack-destination", temporary], { cwd: root });
  tarball = new Uint8Array(readFileSync(path.join(temporary, `plinth-${manifest.version}.tgz`)));
});

after(() => rmSync(temporary, { recursive: true, force: true }));

test("publint finds nothing in the library's package.json and files", async () => {
  const { messages, pkg } = await publint({ pack: { tarball: tarball.buffer }, strict: true });
  assert.equal(pkg.name, "plinth");
  assert.deepEqual(
    messages.map((message) => formatMessage(message, pkg, { color: false })),
    [],
  );
});

/** What an ES module cannot be, wherever its types are: read by a `require` before Node 20.19, and found without "exports". */
const NOT_FOR_US = [
  { kind: "NoResolution", resolutionKind: "node10" },
  { kind: "CJSResolvesToESM", resolutionKind: "node16-cjs" },
];

test("every way to resolve modules finds the library's types, as far as it finds ES modules", async () => {
  const { types, problems, entrypoints } = await checkPackage(createPackageFromTarballData(tarball));
  assert.deepEqual(types, { kind: "included" });
  assert.deepEqual(Object.keys(entrypoints).sort(), [".", "./package.json", "./protocol"]);
  const isForUs = (problem) =>
    !NOT_FOR_US.some((other) => Object.entries(other).every(([key, value]) => problem[key] === value));
  assert.deepEqual(problems.filter(isForUs), []);
});
