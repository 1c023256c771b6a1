// Every exported name of the library has a docstring, as typedoc reads the declarations that users get. So has each of its members.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Application, Logger, LogLevel, ReflectionKind } from "typedoc";

const here = fileURLToPath(new URL(".", import.meta.url));
const declarations = path.join(here, "..", "dist", "src");

/** What must have a docstring, in typedoc's words. */
const DOCUMENTED = ["Variable", "Function", "Class", "Interface", "TypeAlias", "Property", "Method", "Accessor"];

/** Keeps what typedoc warns of. */
class Warnings extends Logger {
  /** @type {string[]} */
  list = [];

  log(message, level) {
    if (level >= LogLevel.Warn) this.list.push(message);
  }

  addContext(message) {
    return message;
  }
}

/**
 * Reads declarations with typedoc.
 * @param {readonly string[]} files
 * @returns what it warns of, and the names that the files export
 */
async function read(t, files) {
  // A folder in which typedoc finds no settings but these, and the compiler the types of Node.
  const folder = mkdtempSync(path.join(here, ".typedoc-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const compilerOptions = { module: "nodenext", strict: true, types: ["node"], lib: ["es2023", "esnext.disposable"] };
  writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  const app = await Application.bootstrap({
    entryPoints: [...files],
    tsconfig: path.join(folder, "tsconfig.json"),
    readme: "none",
    excludeInternal: true,
    // Where the sources are published is nothing to judge here, and a clone has any remote.
    disableGit: true,
    sourceLinkTemplate: "{path}",
    requiredToBeDocumented: DOCUMENTED,
    validation: { notDocumented: true, notExported: true, invalidLink: true, rewrittenLink: true },
  });
  const warnings = new Warnings();
  app.logger = warnings;
  const project = await app.convert();
  assert.ok(project !== undefined, warnings.list.join("\n"));
  app.validate(project);
  // Of an object type that has no name, the docstring of what has that type says what it is. A setter has its getter's.
  const list = warnings.list.filter((warning) => !/\.__type\.|\(SetSignature\)/.test(warning));
  // A constructor may have docstrings for its parameters alone, and one of its signatures may have them for all.
  const isTold = ({ inheritedFrom, comment, parameters = [] }) =>
    inheritedFrom !== undefined || comment !== undefined || parameters.every((one) => one.hasComment());
  for (const { parent, signatures = [] } of project.getReflectionsByKind(ReflectionKind.Constructor))
    if (parent?.kind === ReflectionKind.Class && !signatures.some(isTold))
      list.push(`${parent.getFullName()}.constructor does not have any documentation`);
  const modules = files.length === 1 ? [project] : (project.children ?? []);
  return { list, names: modules.flatMap(({ children }) => children?.map(({ name }) => name) ?? []) };
}

test("every exported name of the library, and each of its members, has a docstring", async (t) => {
  const files = ["mod.d.ts", "protocol/mod.d.ts"].map((file) => path.join(declarations, file));
  const { list, names } = await read(t, files);
  for (const name of [
    "HTTPServer",
    "BaseHTTPRequestHandler",
    "validate",
    "VERSION",
    "METHOD_INVALID",
    "HTTPServerOptions",
  ])
    assert.ok(names.includes(name), `${name} is among the exported names`);
  assert.deepEqual(list, []);
});

test("a name, a member and a constructor without a docstring are found, and a type that nobody can import", async (t) => {
  const folder = mkdtempSync(path.join(here, ".declarations-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, "mod.d.ts");
  writeFileSync(
    file,
    `
/** Documented. */
export declare class One implements Three<number> {
    /** Documented. */
    readonly field: string;
    bare: number;
    inherited(): void;
    /** Documented. */
    generic: number;
    get [Symbol.iterator](): string;
    constructor(a: Hidden);
    /** @internal */
    internal(): void;
}
/** Documented. */
export interface Three<T> {
    /** Documented. */
    inherited(): void;
    /** Documented. */
    generic: T;
}
export declare const FOUR: string;
/** @internal */
export type Five = string;
/** Documented. */
interface Hidden {
}
export {};
`,
  );
  const { list } = await read(t, [file]);
  const names = list.map((warning) => /^([\w.[\]]+)/.exec(warning)?.[1]);
  assert.deepEqual(names.sort(), ["FOUR", "Hidden", "One.[iterator]", "One.bare", "One.constructor"], list.join("\n"));
});
