/**
 * Every type that a public signature names can be imported by that name: a user who keeps, passes on or overrides what a call takes or
 * gives must be able to say its type. The declarations that tsc has written are read as text.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import * as plinth from "plinth";
import { exportsOf, read as readDeclarations } from "./support/declarations.ts";
import { fromSources, root } from "./support/places.ts";

/** A name and the file that it is of: "server/server.d.ts HTTPServer". */
type Place = string;

/** A file of declarations. */
interface Module {
  /** Each statement that declares a name, without comments; several where a name has several signatures. */
  readonly statements: ReadonlyMap<string, string>;
  /** The names that it gives to others of its own. */
  readonly own: readonly string[];
  /** The names that it takes from other files of the package, and those that it passes on. */
  readonly imports: ReadonlyMap<string, Place>;
  readonly reExports: ReadonlyMap<string, Place>;
  /** The files of which it passes everything on. */
  readonly all: readonly string[];
}

/** Reads a file by its path, such as "server/server.d.ts". */
type Reader = (file: string) => string;

const DECLARED = /^(export )?(?:declare |abstract )*(?:class|interface|type|function|const|let) ([\w$]+)/;
const FROM_OTHERS = /^(import|export) (?:type )?(?:\{([^}]*)\}|(\*)) from "(\.[^"]+)"/;

function moduleOf(file: string, text: string): Module {
  const statements = new Map<string, string>();
  const own: string[] = [];
  const names = { import: new Map<string, Place>(), export: new Map<string, Place>() };
  const all: string[] = [];
  // A statement begins its line, and what belongs to it is indented, but for the bracket at its end.
  for (const statement of text.replace(/\/\*[^]*?\*\/|\/\/.*/g, "").split(/^(?=[a-z])/m)) {
    const [, verb, list, asterisk, from] = FROM_OTHERS.exec(statement) ?? [];
    const there = path.posix.join(path.posix.dirname(file), (from ?? "").replace(/\.[jt]s$/, ".d.ts"));
    if (asterisk !== undefined) all.push(there);
    for (const [, name, local = name] of (list ?? "").matchAll(/(?:type )?([\w$]+)(?: as ([\w$]+))?/g))
      names[verb as "import" | "export"].set(local, `${there} ${name}`);
    const [, exported, name] = DECLARED.exec(statement) ?? [];
    if (name === undefined) continue;
    statements.set(name, (statements.get(name) ?? "") + statement);
    if (exported !== undefined) own.push(name);
  }
  return { statements, own, imports: names.import, reExports: names.export, all };
}

/**
 * What public signatures name and nobody can import.
 * @param entry the file that users import
 * @returns "Name, in the declaration of Other"
 */
function unreachable(entry: string, read: Reader): string[] {
  const modules = new Map<string, Module>();
  const load = (file: string): Module => {
    let module = modules.get(file);
    if (module === undefined) modules.set(file, (module = moduleOf(file, read(file))));
    return module;
  };
  /** Where a name is declared that a file passes on. */
  const originOf = (place: Place): Place => {
    const [file, name] = place.split(" ");
    const { own, reExports, all } = load(file);
    if (own.includes(name)) return place;
    const next = reExports.get(name);
    if (next !== undefined) return originOf(next);
    const from = all.find((other) => exportsOf(other).includes(name));
    assert.ok(from !== undefined, `${file} exports no ${name}`);
    return originOf(`${from} ${name}`);
  };
  const exportsOf = (file: string): string[] => {
    const { own, reExports, all } = load(file);
    return [...own, ...reExports.keys(), ...all.flatMap(exportsOf)];
  };

  const importable = new Set(exportsOf(entry).map((name) => originOf(`${entry} ${name}`)));
  const missing = new Set<string>();
  const visit = (place: Place): void => {
    const [file, declared] = place.split(" ");
    const { statements, imports } = load(file);
    // Of private members there is nothing but the name.
    const text = statements.get(declared)!.replace(/"[^"\n]*"/g, "");
    for (const [name] of text.matchAll(/[A-Za-z_$][\w$]*/g)) {
      const named = imports.has(name) ? originOf(imports.get(name)!) : `${file} ${name}`;
      if (name === declared || importable.has(named) || (!imports.has(name) && !statements.has(name))) continue;
      // What a class extends has a name of its own where it is an expression; nobody needs that.
      if (name === `${declared}_base`) visit(named);
      else missing.add(`${name}, in the declaration of ${declared}`);
    }
  };
  for (const place of importable) visit(place);
  return [...missing];
}

/** The files of declarations that a compiler reads for an entry, by whatever way it comes to them. */
function filesFrom(entry: string, read: Reader, found = new Set<string>()): Set<string> {
  if (found.has(entry)) return found;
  found.add(entry);
  for (const [, , from] of read(entry).matchAll(/(\bfrom |\bimport\()"(\.[^"]+)"/g))
    filesFrom(path.posix.join(path.posix.dirname(entry), from.replace(/\.[jt]s$/, ".d.ts")), read, found);
  return found;
}

/** The names of the members that an object has at run time, from its class and from those that this extends. */
function membersOf(Class: { readonly prototype: object }): Set<string> {
  const names = new Set<string>();
  for (
    let object = Class.prototype;
    object !== null && object !== Object.prototype && object !== Error.prototype;
    object = Object.getPrototypeOf(object) as object
  )
    for (const name of Object.getOwnPropertyNames(object)) names.add(name);
  return names;
}

test("the reader of declarations sees the names that a file exports, and their members", () => {
  const { own, reExports } = readDeclarations(`
export { A, type B } from "./a.ts";
export type * from "./b.ts";
/** Documented. */
export declare class One<T> extends Two implements Three<number> {

    #private;
    /** Documented. */
    readonly field: string;
    /**
     * Several lines:
     *     readonly looksLike: member;
     */
    method(): void;
    method(argument: {
        readonly nested: string;
    }): void;
    static count: number;
    get [Symbol.iterator](): string;
    constructor(a: string);
}
export declare const FOUR: string;
export type Five = {
    readonly not: "a member";
};
`);
  assert.deepEqual(reExports, [
    { from: "./a.ts", names: ["A", "B"] },
    { from: "./b.ts", names: "*" },
  ]);
  assert.deepEqual([...own.keys()], ["One", "FOUR", "Five"]);
  const { bases, members } = own.get("One")!;
  assert.deepEqual(bases, ["Two", "Three"]);
  assert.deepEqual(
    members.map(({ name, isPublic }) => (isPublic ? name : `${name} of the class`)),
    ["field", "method", "method", "count of the class", "[Symbol.iterator]", "constructor of the class"],
  );
  assert.deepEqual(own.get("Five")!.members, []);
});

test("the walk sees a type that cannot be imported, and no other", () => {
  const files: Record<string, string> = {
    "mod.d.ts": `
/** A package. */
export { One, type Two } from "./a.ts";
export type * from "./b.ts";
`,
    "a.d.ts": `
/// <reference types="node" />
import type { Buffer } from "node:buffer";
import type { Three } from "./b.ts";
import { type Hidden as Renamed } from "./c.ts";
/** Names Unmentioned in a comment, and "Local" in a string. */
export declare class One extends One_base implements Two {
    #private;
    /** {@link Unmentioned} */
    method(argument: {
        readonly nested: Renamed | "Unmentioned";
    }): Promise<Buffer>;
    private local;
}
declare const One_base: Base<Three>;
type Base<T> = new () => T;
export interface Two {
    readonly two: Local[];
}
interface Local {
    readonly unreached: Unmentioned;
}
interface Unmentioned {
}
export {};
`,
    "b.d.ts": `
export type Three = readonly Three[] | {
    readonly three: Four;
};
export interface Four {
}
`,
    "c.d.ts": `
export interface Hidden {
}
`,
  };
  const read = (file: string): string => files[file];
  assert.deepEqual(unreachable("mod.d.ts", read), [
    "Base, in the declaration of One_base",
    "Renamed, in the declaration of One",
    "Local, in the declaration of Two",
  ]);
  files["mod.d.ts"] = `export { One } from "./a.ts";`;
  assert.deepEqual(unreachable("mod.d.ts", read), [
    "Base, in the declaration of One_base",
    "Three, in the declaration of One_base",
    "Two, in the declaration of One",
    "Renamed, in the declaration of One",
  ]);
});

// Declarations are there when it is built.
if (!fromSources) {
  const read = (file: string): string => readFileSync(path.join(root, "dist/src", file), "utf8");

  for (const [name, file] of [
    ["plinth", "mod.d.ts"],
    ["plinth/protocol", "protocol/mod.d.ts"],
  ]) {
    test(`every type in a public signature of "${name}" can be imported from "${name}"`, () => {
      assert.deepEqual(unreachable(file, read), []);
    });

    test(`what a compiler reads for "${name}" has nothing in it that is for this package alone`, () => {
      const files = [...filesFrom(file, read)];
      assert.ok(files.length > 5);
      // A mixin, or a class without a name, cannot be declared over a class that has private or protected members, #private among them.
      const hidden = /@internal|^ +(?:(?:private|protected) .*|#private;)$/m;
      assert.deepEqual(
        files.filter((file) => hidden.test(read(file))),
        [],
      );
    });
  }

  test("a class has no member by a name that its declaration keeps back: a user's class may have one of that name", () => {
    const declared = exportsOf("mod.d.ts");
    const namesOf = (name: string): string[] => {
      const { members, bases } = declared.get(name) ?? { members: [], bases: [] };
      return [...members.map((member) => member.name), ...bases.flatMap(namesOf)];
    };
    const classes = Object.entries(plinth).filter(([, value]) => /^class\b/.test(String(value)));
    assert.ok(classes.length >= 9);
    for (const [name, Class] of classes as [string, { readonly prototype: object }][]) {
      // What this one extends is an expression, of which the declaration gives the type.
      const base = /^Threading(HTTPS?Server)$/.exec(name)?.[1];
      const known = base === undefined ? namesOf(name) : [base, "ThreadingServer"].flatMap(namesOf);
      const hidden = [...membersOf(Class)].filter((member) => member !== "constructor" && !known.includes(member));
      assert.deepEqual(hidden, [], name);
    }
  });
}
