/** The arrows between the parts: who may import whom. docs/ARCHITECTURE.md draws them. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { root } from "./support/places.ts";

interface Import {
  /** The file that imports, from the root on: "src/server/link.ts". */
  readonly from: string;
  /** What it names; a relative one from the root on. */
  readonly to: string;
  /** Nothing of it is left at run time. */
  readonly typeOnly: boolean;
}

function filesUnder(folder: string): string[] {
  const entries = readdirSync(path.join(root, folder), { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && /\.[cm]?[jt]sx?$/.test(entry.name))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
    .filter((file) => !/\/(?:dist|node_modules)\//.test(file))
    .sort();
}

function readSource(file: string): string {
  return readFileSync(path.join(root, file), "utf8");
}

/**
 * May say `require`: main_module.ts and loading.ts, which ask what the command line names and load nothing so, and the addition's
 * zod.ts, which loads zod and imports its types.
 */
const REQUIRING = ["src/server/main_module.ts", "src/server/loading.ts", "apps/addition/zod.ts"];

/** The imports of a file, in the form that our formatter gives them: a statement begins its line. */
function importsOf(file: string): Import[] {
  const text = readSource(file);
  const found: [string, boolean][] = [];
  for (const [, , type, names, to] of text.matchAll(/^(import|export) (type )?([^;"]*?)from "([^"]+)"/gm)) {
    const each = /^\{([^]*)\}\s*$/
      .exec(names)?.[1]
      .split(",")
      .filter((name) => name.trim() !== "");
    found.push([to, type !== undefined || each?.every((name) => name.trim().startsWith("type ")) === true]);
  }
  for (const [, to] of text.matchAll(/^import "([^"]+)"/gm)) found.push([to, false]);
  for (const [, to] of text.matchAll(/^(?! *(?:\*|\/\/)).*\bimport\(\s*"([^"]+)"/gm)) found.push([to, false]);
  // What this reader does not understand must not pass unseen.
  const statements = text.match(/^(import\b(?!\()|export (?:type )?[{*])/gm)?.length ?? 0;
  assert.ok(found.length >= statements, `${file} has an import in another form`);
  if (!REQUIRING.includes(file)) assert.doesNotMatch(text, /\brequire\(|\bcreateRequire\b/, file);
  return found.map(([to, typeOnly]) => {
    const resolved = to.startsWith(".") ? path.posix.join(path.posix.dirname(file), to) : to;
    return { from: file, to: resolved, typeOnly };
  });
}

/** Each a workspace of the project. */
const APPS = ["apps/addition"];

const sources = filesUnder("src");
const imports = sources.flatMap(importsOf);

/** Fails with all imports that `isFine` says no to. */
function allow(list: readonly Import[], isFine: (one: Import) => boolean): void {
  assert.ok(list.length > 0);
  const wrong = list.filter((one) => !isFine(one));
  assert.deepEqual(
    wrong.map(({ from, to, typeOnly }) => `${from} imports ${typeOnly ? "types of " : ""}${to}`),
    [],
  );
}

function importsUnder(folder: string): Import[] {
  return imports.filter(({ from }) => from.startsWith(`${folder}/`));
}

const inside = (folder: string, { to }: Import) => to.startsWith(`${folder}/`);
const ofNode = ({ to }: Import) => to.startsWith("node:");

test("the reader of imports finds them all", () => {
  assert.ok(sources.includes("src/mod.ts") && sources.includes("src/protocol/http1/connection.ts"));
  const of = (file: string, to: string) => imports.find((one) => one.from === file && one.to === to);
  assert.equal(of("src/server/server.ts", "#transport")?.typeOnly, false);
  assert.equal(of("src/server/server.ts", "src/transport/transport.ts")?.typeOnly, true);
  assert.equal(of("src/protocol/http1/exchange.ts", "src/protocol/http1/body.ts")?.typeOnly, false);
  assert.equal(of("src/mod.ts", "src/server/log.ts")?.typeOnly, true);
  assert.equal(of("src/mod.ts", "src/server/server.ts")?.typeOnly, false);
});

test("protocol imports nothing from outside itself; what it needs of Buffer is in bytes.ts and runtime/", () => {
  allow(importsUnder("src/protocol"), (one) => {
    if (one.to === "#buffer") return one.from === "src/protocol/bytes.ts";
    if (one.to === "node:buffer") {
      if (one.from === "src/protocol/bytes.ts" || inside("src/protocol/runtime", { ...one, to: one.from })) return true;
      return one.from === "src/protocol/output.ts" && one.typeOnly;
    }
    return inside("src/protocol", one);
  });
});

test("protocol has no timers, promises, clock or runtime of its own", () => {
  const foreign =
    /\b(?:process|globalThis|console|performance|Promise|async|await|setTimeout|setInterval|setImmediate|queueMicrotask)\b|\bDate[.(]/;
  for (const file of sources.filter((name) => name.startsWith("src/protocol/"))) {
    let code = readSource(file).replace(/\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm, "");
    // The seam's other side, the executor, is described there too.
    if (file === "src/protocol/exchange.ts") code = code.replaceAll("Promise<void>;", "");
    assert.equal(foreign.exec(code)?.[0], undefined, file);
  }
});

test("http1 is imported where connections are made, and nowhere else", () => {
  const outside = imports.filter(({ from, to }) => to.includes("/http1/") && !from.includes("/http1/"));
  allow(outside, ({ from }) =>
    ["src/server/server.ts", "src/server/response_reader.ts", "src/protocol/mod.ts"].includes(from),
  );
});

test("a transport knows what transports share, types of the protocol, and its runtime", () => {
  allow(importsUnder("src/transport"), (one) => {
    if (inside("src/protocol", one)) return one.typeOnly;
    return one.from !== "src/transport/transport.ts" && (inside("src/transport", one) || ofNode(one));
  });
});

test("server knows the protocol, and of transports their interface; package.json picks one", () => {
  allow(importsUnder("src/server"), (one) => {
    if (one.to === "src/transport/transport.ts") return one.typeOnly;
    if (one.to === "#transport") return one.from === "src/server/server.ts";
    if (one.to === "src/transport/memory.ts") return one.from === "src/server/inject.ts";
    return inside("src/server", one) || inside("src/protocol", one) || ofNode(one) || one.to === "src/version.ts";
  });
});

test("what lies beside the server stands on it, and not the other way round", () => {
  const beside = ["src/threads", "src/routing", "src/extras"];
  allow(imports, (one) => {
    const folder = beside.find((name) => inside(name, one));
    return (
      folder === undefined ||
      one.from.startsWith(`${folder}/`) ||
      (one.from === "src/mod.ts" && folder !== "src/extras")
    );
  });
});

test("mod.ts re-exports and never imports an extra; nobody imports mod.ts", () => {
  const ofMod = imports.filter(({ from }) => from === "src/mod.ts");
  allow(
    ofMod,
    (one) =>
      ["src/server", "src/threads", "src/routing", "src/protocol", "src/transport"].some((folder) =>
        inside(folder, one),
      ) || one.to === "src/version.ts",
  );
  const text = readSource("src/mod.ts").replace(/\/\*[^]*?\*\//g, "");
  for (const statement of text.split(";").map((line) => line.trim())) assert.match(statement, /^(export |$)/);
  allow(imports, ({ to }) => to !== "src/mod.ts");
});

test("every folder of src has its rule here", () => {
  const folders = new Set(sources.map((file) => file.split("/")[1]));
  for (const name of ["protocol", "transport", "server", "threads", "routing", "extras", "mod.ts", "version.ts"])
    folders.delete(name);
  assert.deepEqual([...folders], []);
});

test("of what src imports, only the router needs a package at run time", () => {
  allow(imports, (one) => {
    if (one.to === "rou3") return one.from === "src/routing/router.ts";
    return one.to.startsWith("src/") || ofNode(one) || one.to === "#transport" || one.to === "#buffer";
  });
});

test("what is loaded for its effects alone is named in package.json, so that bundlers leave out nothing else that is needed", () => {
  const { sideEffects } = JSON.parse(readSource("package.json")) as { sideEffects: string[] };
  const withoutExports = sources.filter((file) => file.endsWith(".ts") && !/^export /m.test(readSource(file)));
  assert.deepEqual(
    sideEffects.toSorted(),
    withoutExports.map((file) => `./dist/${file.replace(/\.ts$/, ".js")}`).toSorted(),
  );
  // A file that somebody needs for its effects, and that has exports, would be left out where nobody uses those.
  for (const file of sources) assert.doesNotMatch(readSource(file), /^import "/m, file);
});

test("an app is a package of its own: it imports its own files, the library by name, and what its package.json names", () => {
  for (const folder of APPS) {
    const { dependencies } = JSON.parse(readSource(`${folder}/package.json`)) as { dependencies: object };
    const theirs = filesUnder(folder).flatMap(importsOf);
    const packages = ["plinth", "plinth/protocol", ...Object.keys(dependencies)];
    allow(theirs, (one) => packages.includes(one.to) || ofNode(one) || inside(folder, one));
    // A dependency that no file imports is not one. (zod.ts requires zod, and imports its types.)
    for (const name of Object.keys(dependencies))
      assert.ok(
        theirs.some(({ to }) => to === name),
        `${folder} imports ${name}`,
      );
  }
});

test("examples import the library by name, and nothing else", () => {
  allow(filesUnder("examples").flatMap(importsOf), (one) => {
    return one.to === "plinth" || ofNode(one) || inside("examples", one);
  });
});

test("relative imports name files that are there, by their real names", () => {
  const all = [...imports, ...[...APPS, "examples"].flatMap(filesUnder).flatMap(importsOf)];
  const relative = all.filter(({ to }) => /^(src|apps|examples)\//.test(to));
  allow(relative, ({ to }) => to.endsWith(".ts") && existsSync(path.join(root, to)));
});

test("no file needs another that needs it", () => {
  const needs = new Map<string, string[]>();
  for (const { from, to, typeOnly } of imports) if (!typeOnly) needs.set(from, [...(needs.get(from) ?? []), to]);
  const done = new Set<string>();
  const walk = (file: string, way: readonly string[]): void => {
    assert.ok(!way.includes(file), `a circle: ${[...way, file].join(" → ")}`);
    if (done.has(file)) return;
    for (const next of needs.get(file) ?? []) walk(next, [...way, file]);
    done.add(file);
  };
  for (const file of sources) walk(file, []);
});

test("files stay small", () => {
  for (const file of sources) {
    const lines = readSource(file).split("\n").length;
    assert.ok(lines < 450, `${file} has ${lines} lines`);
  }
});
