/** Every public name has a docstring: what the package exports, and each public member of it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fromSources, root } from "./support/places.ts";

interface Member {
  readonly name: string;
  readonly doc: string | null;
}

/** What a file of declarations says of one name. */
interface Declaration extends Member {
  /** Classes and interfaces that it extends or implements. */
  readonly bases: readonly string[];
  readonly members: readonly Member[];
}

/** What a file exports from others, by "*" or by name. */
interface ReExport {
  readonly from: string;
  readonly names: readonly string[] | "*";
}

interface Declarations {
  readonly own: ReadonlyMap<string, Declaration>;
  readonly reExports: readonly ReExport[];
}

const DECLARED =
  /^export (?:declare )?(?:abstract )?(?:class|interface|type|function|const|let) ([\w$]+)(?:<[^{]*?>)?(?: (?:extends|implements) ([^{]+))?/;
const MEMBER =
  /^(?:(?:readonly|static|abstract|declare|get|set|async|protected|private) )*([\w$]+|"[^"]+"|\[[^\]]+\]|#private)/;

/** Reads declarations as tsc writes them: a statement begins its line, a member stands four spaces in. */
function read(text: string): Declarations {
  const own = new Map<string, { name: string; doc: string | null; bases: string[]; members: Member[] }>();
  const reExports: ReExport[] = [];
  let open: { bases: string[]; members: Member[] } | null = null;
  let doc: string | null = null;
  let comment: string | null = null;
  for (const line of text.split("\n")) {
    const bare = line.trim();
    if (comment !== null || bare.startsWith("/**")) {
      comment = `${comment ?? ""}${bare}\n`;
      if (!bare.endsWith("*/")) continue;
      doc = comment;
      comment = null;
      continue;
    }
    const indent = line.length - line.trimStart().length;
    if (indent === 0) {
      const [, names, all, from] = /^export (?:type )?(?:\{([^}]*)\}|(\*)) from "([^"]+)"/.exec(line) ?? [];
      if (from !== undefined) {
        const each = (names ?? "").split(",").map((name) => name.trim().replace(/^type /, ""));
        reExports.push({ from, names: all === undefined ? each.filter((name) => name !== "") : "*" });
      }
      const [, name, bases = ""] = DECLARED.exec(line) ?? [];
      open = null;
      // Each says what it means in its own message, which docs/ERRORS.md shows.
      if (/^export declare const [A-Z_]+: ProtocolError;/.test(line)) doc = "/** A row of PROTOCOL_ERRORS. */";
      if (name !== undefined) {
        const known = own.get(name); // of a function or method with several signatures, one is enough
        const found = {
          name,
          doc: known?.doc ?? doc,
          bases: bases
            .replace(/ implements /, ",")
            .split(",")
            .map((base) => base.trim().replace(/<.*/, "")),
          members: known?.members ?? [],
        };
        own.set(name, found);
        if (line.endsWith("{") && !line.startsWith("export type ")) open = found;
      }
    } else if (indent === 4 && open !== null) {
      const name = MEMBER.exec(bare)?.[1];
      if (name !== undefined && name !== "#private" && !bare.startsWith("private ")) open.members.push({ name, doc });
    }
    if (bare !== "") doc = null;
  }
  return { own, reExports };
}

const files = new Map<string, Declarations>();

function fileOf(name: string): Declarations {
  let declarations = files.get(name);
  if (declarations === undefined)
    files.set(name, (declarations = read(readFileSync(path.join(root, "dist/src", name), "utf8"))));
  return declarations;
}

/** Everything that a file exports, its own and others', by name. */
function exportsOf(file: string): Map<string, Declaration> {
  const { own, reExports } = fileOf(file);
  const found = new Map(own);
  for (const { from, names } of reExports) {
    const there = exportsOf(path.posix.join(path.posix.dirname(file), from.replace(/\.[jt]s$/, ".d.ts")));
    for (const name of names === "*" ? there.keys() : names) {
      const declaration = there.get(name);
      assert.ok(declaration !== undefined, `${file} exports ${name} from ${from}, where this reader does not see it`);
      found.set(name, declaration);
    }
  }
  return found;
}

/** The names that have no docstring. What an interface says of a member, a class that implements it need not repeat. */
function undocumented(names: Iterable<Declaration>, find: (name: string) => Declaration | undefined): string[] {
  const missing: string[] = [];
  for (const { name, doc, bases, members } of names) {
    if (!says(doc)) missing.push(name);
    const inherited = bases.flatMap((base) => find(base)?.members ?? []);
    const documented = new Set([...members, ...inherited].filter(({ doc }) => says(doc)).map(({ name }) => name));
    const unknown = new Set(members.map(({ name }) => name).filter((member) => !documented.has(member)));
    for (const member of unknown) missing.push(`${name}.${member}`);
  }
  return missing;
}

/** A docstring has words; @internal says that the name is not public. */
function says(doc: string | null): boolean {
  return doc !== null && (/@internal/.test(doc) || /[a-z]{2}/i.test(doc.replace(/@\w+/g, "")));
}

test("the reader of declarations sees what is there, and what is not", () => {
  const { own, reExports } = read(`
export { A, type B } from "./a.ts";
export type * from "./b.ts";
/** Documented. */
export declare class One extends Two implements Three<number> {
    #private;
    /** Documented. */
    readonly field: string;
    bare: number;
    /**
     * Several lines:
     *     readonly looksLike: member;
     */
    method(): void;
    method(argument: {
        readonly nested: string;
    }): void;
    /** @internal */
    hidden(): void;
    inherited(): void;
    get [Symbol.iterator](): string;
    constructor(a: string);
}
export interface Three<T> {
    /** Documented. */
    inherited(): void;
}
export declare const FOUR: string;
/** @source nowhere */
export type Five = {
    readonly not: "a member";
};
`);
  assert.deepEqual(reExports, [
    { from: "./a.ts", names: ["A", "B"] },
    { from: "./b.ts", names: "*" },
  ]);
  assert.deepEqual([...own.keys()], ["One", "Three", "FOUR", "Five"]);
  assert.deepEqual(
    undocumented(own.values(), (name) => own.get(name)),
    ["One.bare", "One.[Symbol.iterator]", "One.constructor", "Three", "FOUR"],
  );
});

// Declarations are there when it is built.
if (!fromSources) {
  const everywhere = new Map<string, Declaration>();
  const modules = ["mod.d.ts", "protocol/mod.d.ts"];
  for (const file of [...modules, "transport/transport.d.ts", "transport/memory.d.ts", "server/dispatch.d.ts"])
    for (const [name, declaration] of exportsOf(file)) everywhere.set(name, declaration);

  test("the reader finds the names of this package", () => {
    const names = exportsOf("mod.d.ts");
    const { members } = names.get("BaseHTTPRequestHandler")!;
    for (const name of ["do_", "json", "closeConnection", "errorMessageFormat", "constructor"])
      assert.ok(
        members.some((member) => member.name.includes(name)),
        name,
      );
    assert.ok(names.has("HTTPServerOptions") && names.has("VERSION"));
    assert.ok(exportsOf("protocol/mod.d.ts").has("METHOD_INVALID"), "what an asterisk exports");
  });

  for (const file of modules) {
    test(`every name in ${file} has a docstring`, () => {
      assert.deepEqual(
        undocumented(exportsOf(file).values(), (name) => everywhere.get(name)),
        [],
      );
    });
  }

  test("so has what public signatures name without exporting it", () => {
    const named = ["MemoryClient", "Transport", "Socket", "SocketHandler", "Listener", "ListenOptions"];
    assert.deepEqual(
      undocumented(
        named.map((name) => everywhere.get(name)!),
        (name) => everywhere.get(name),
      ),
      [],
    );
  });
}
