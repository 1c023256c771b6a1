// npm run imports: the folders of src/, and which others the files of each import. The last line says whether an arrow leads back.
//
// test/architecture.test.ts has the rules: it reads the imports by what is exported here.
import "./node-version.mjs";
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { filesIn, install, root } from "./prepare.mjs";

/**
 * @typedef {object} Import
 * @property {string} from the file that imports, from the root on: "src/server/server.ts"
 * @property {string} to what it names; a relative one from the root on
 * @property {boolean} typeOnly whether nothing of it is left at run time
 */

/** Every import, re-export and import() of a source. @returns {Promise<Import[]>} */
export async function importsOf(file) {
  const { parseSync } = await import("oxc-parser");
  const text = fs.readFileSync(path.join(root, file), "utf8");
  const { module, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file} cannot be read: ${errors[0].message}`);
  const found = [];
  const isTypeOnly = (entries) => entries.length > 0 && entries.every(({ isType }) => isType);
  for (const { moduleRequest, entries } of module.staticImports) found.push([moduleRequest.value, isTypeOnly(entries)]);
  for (const { entries } of module.staticExports) {
    const others = entries.filter(({ moduleRequest }) => moduleRequest !== null);
    if (others.length > 0) found.push([others[0].moduleRequest.value, isTypeOnly(others)]);
  }
  for (const { moduleRequest } of module.dynamicImports) {
    const [, name] = /^["'](.+)["']$/.exec(text.slice(moduleRequest.start, moduleRequest.end)) ?? [];
    if (name !== undefined) found.push([name, false]); // others are known to a running program alone
  }
  return found.map(([to, typeOnly]) => ({
    from: file,
    to: to.startsWith(".") ? path.posix.join(path.posix.dirname(file), to) : to,
    typeOnly,
  }));
}

/** The imports of every source under a folder. @returns {Promise<Import[]>} */
export async function importsUnder(folder) {
  const files = filesIn(folder).filter((file) => /\.[cm]?[jt]sx?$/.test(file) && !file.includes("/dist/"));
  return (await Promise.all(files.map(importsOf))).flat();
}

/** The folder that a source of src/ belongs to: "protocol", "threads/main"; "src" for the files beside the folders. */
export function folderOf(file) {
  const [, ...names] = path.posix.dirname(file).split("/");
  if (names.length === 0) return file === "src/mod.ts" ? "mod.ts" : "src";
  return names[0] === "threads" ? names.join("/") : names[0];
}

/**
 * Which folders of src/ stand on which others, in an order in which each comes behind those that it stands on.
 * @param {readonly Import[]} imports
 * @returns {{ folders: Map<string, Set<string>>, back: string[] }} and the arrows that lead back, "a → b", where there is a circle
 */
export function graphOf(imports) {
  const needs = new Map();
  for (const { from, to } of imports) {
    const folder = folderOf(from);
    if (!needs.has(folder)) needs.set(folder, new Set());
    if (to.startsWith("src/") && folderOf(to) !== folder) needs.get(folder).add(folderOf(to));
  }
  for (const others of Array.from(needs.values()))
    for (const one of others) if (!needs.has(one)) needs.set(one, new Set());
  const folders = new Map();
  while (folders.size < needs.size) {
    const next = [...needs].find(
      ([name, others]) => !folders.has(name) && [...others].every((one) => folders.has(one)),
    );
    if (next === undefined) break;
    folders.set(...next);
  }
  const left = [...needs].filter(([name]) => !folders.has(name));
  return {
    folders: new Map([...folders, ...left]),
    back: left.flatMap(([name, others]) =>
      [...others].filter((one) => !folders.has(one)).map((one) => `${name} → ${one}`),
    ),
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  install();
  const imports = await importsUnder("src");
  const { folders, back } = graphOf(imports);
  for (const [name, others] of folders) console.log(`${name.padEnd(16)} ${[...others].sort().join(", ")}`.trimEnd());
  console.log(back.length === 0 ? "\nNo arrow leads back." : `\nArrows that lead back: ${back.join(", ")}`);
  process.exitCode = back.length === 0 ? 0 : 1;
}
