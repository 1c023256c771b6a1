/** Every public name has a docstring: what the package exports, and each public member of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Declaration, exportsOf, read } from "./support/declarations.ts";
import { fromSources } from "./support/places.ts";

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
  for (const file of [...modules, "transport/transport.d.ts", "transport/memory.d.ts", "handler/dispatcher.d.ts"])
    for (const [name, declaration] of exportsOf(file)) everywhere.set(name, declaration);

  test("the reader finds the names of this package", () => {
    const names = exportsOf("mod.d.ts");
    const members = ["BaseHTTPRequestHandler", "HandledRequest"].flatMap((name) => names.get(name)!.members);
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
