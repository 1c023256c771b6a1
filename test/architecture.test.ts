/** The arrows between the parts: who may import whom. docs/ARCHITECTURE.md draws them. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { root } from "./support/places.ts";

interface Import {
  /** The file that imports, from the root on: "src/server/server.ts". */
  readonly from: string;
  /** What it names; a relative one from the root on. */
  readonly to: string;
  /** Nothing of it is left at run time. */
  readonly typeOnly: boolean;
}

const { importsUnder, folderOf, graphOf } = (await import(
  pathToFileURL(path.join(root, "scripts", "imports.mjs")).href
)) as {
  importsUnder(folder: string): Promise<Import[]>;
  folderOf(file: string): string;
  graphOf(imports: readonly Import[]): { folders: Map<string, Set<string>>; back: string[] };
};

function filesUnder(folder: string): string[] {
  const entries = readdirSync(path.join(root, folder), { withFileTypes: true, recursive: true });
  return entries
    .filter(
      (entry) =>
        entry.isFile() &&
        /\.[cm]?[jt]sx?$/.test(entry.name) &&
        !/[/\\]dist\b/.test(entry.parentPath.slice(root.length)),
    )
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
    .filter((file) => !/\/(?:dist|node_modules)\//.test(file))
    .sort();
}

function readSource(file: string): string {
  return readFileSync(path.join(root, file), "utf8");
}

const sources = filesUnder("src");
const imports = await importsUnder("src");

/** Fails with all imports that `isFine` says no to. */
function allow(list: readonly Import[], isFine: (one: Import) => boolean): void {
  assert.ok(list.length > 0);
  const wrong = list.filter((one) => !isFine(one));
  assert.deepEqual(
    wrong.map(({ from, to, typeOnly }) => `${from} imports ${typeOnly ? "types of " : ""}${to}`),
    [],
  );
}

function importsOfFolder(folder: string): Import[] {
  return imports.filter(({ from }) => from.startsWith(`${folder}/`));
}

const inside = (folder: string, { to }: Import) => to.startsWith(`${folder}/`);
const ofNode = ({ to }: Import) => to.startsWith("node:");

test("the reader of imports finds them all", () => {
  assert.ok(sources.includes("src/mod.ts") && sources.includes("src/protocol/http1/connection.ts"));
  const of = (file: string, to: string) => imports.find((one) => one.from === file && one.to === to);
  assert.equal(of("src/server/server.ts", "#transport")?.typeOnly, false);
  assert.equal(of("src/server/server.ts", "src/transport/transport.ts")?.typeOnly, true);
  assert.equal(of("src/protocol/http1/exchange.ts", "src/protocol/http1/body_reader.ts")?.typeOnly, false);
  assert.equal(of("src/threads/worker/main.ts", "src/threads/worker/handler_thread.ts")?.typeOnly, false, "import()");
  assert.equal(of("src/mod.ts", "src/loop/log.ts")?.typeOnly, true);
  assert.equal(of("src/mod.ts", "src/server/server.ts")?.typeOnly, false);
});

/** Which other folders the files of each folder may import, types included; each comes behind those that it stands on. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  src: [],
  protocol: ["src"],
  runtime: ["src"],
  transport: ["protocol", "runtime"],
  loop: ["src", "protocol"],
  handler: ["src", "protocol", "runtime", "loop"],
  routing: ["src", "runtime", "handler"],
  program: ["src", "runtime", "transport", "loop", "handler"],
  server: ["src", "protocol", "runtime", "transport", "loop", "handler", "program"],
  "threads/shared": ["src", "protocol", "handler", "program", "server"],
  "threads/main": ["protocol", "loop", "handler", "program", "threads/shared"],
  threads: [
    "src",
    "protocol",
    "runtime",
    "transport",
    "handler",
    "program",
    "server",
    "threads/shared",
    "threads/main",
  ],
  "threads/worker": ["protocol", "loop", "handler", "program", "server", "threads/shared", "threads"],
};

test("each folder imports only those that it may, and no arrow leads back", () => {
  const { folders, back } = graphOf(imports);
  assert.deepEqual(back, []);
  const names = Object.keys(MAY);
  for (const [folder, others] of folders) {
    if (folder === "mod.ts") continue;
    const may = MAY[folder];
    assert.ok(may !== undefined, `${folder} has no rule here`);
    for (const one of others) assert.ok(may.includes(one), `${folder} imports ${one}`);
    for (const one of may) assert.ok(names.indexOf(one) < names.indexOf(folder), `${folder} may import ${one}`);
  }
  assert.deepEqual(
    names.filter((name) => !folders.has(name)),
    [],
    "folders that are not there",
  );
});

test("no folder knows a runtime's transport: package.json picks one, and the server has it", () => {
  const theirs = imports.filter(({ to }) => to === "#transport" || to.startsWith("src/transport/"));
  allow(theirs, (one) => {
    if (inside("src/transport", { ...one, to: one.from }) || one.from === "src/mod.ts") return true;
    if (one.to === "src/transport/transport.ts") return one.typeOnly;
    if (one.to === "src/transport/memory.ts") return one.from === "src/server/inject.ts";
    return one.to === "#transport" && one.from === "src/server/server.ts";
  });
});

test("protocol imports nothing from outside itself; what it needs of Buffer is in bytes.ts and bytes/", () => {
  allow(importsOfFolder("src/protocol"), (one) => {
    if (one.to === "#buffer") return one.from === "src/protocol/bytes.ts";
    if (one.to === "node:buffer") {
      if (one.from === "src/protocol/bytes.ts" || inside("src/protocol/bytes", { ...one, to: one.from })) return true;
      return one.from === "src/protocol/send_buffer.ts" && one.typeOnly;
    }
    return inside("src/protocol", one) || folderOf(one.to) === "src";
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
  allow(outside, ({ from, to }) => {
    // A response's fields cross between threads as lines.
    if (to === "src/protocol/http1/field_writer.ts") return from.startsWith("src/threads/");
    return ["src/server/server.ts", "src/server/response_reader.ts", "src/protocol/mod.ts"].includes(from);
  });
});

test("a transport knows what transports share, types of the protocol, and its runtime", () => {
  allow(importsOfFolder("src/transport"), (one) => {
    if (inside("src/protocol", one)) return one.typeOnly;
    const isOwn = inside("src/transport", one) || ofNode(one) || one.to === "src/runtime/lazy_modules.ts";
    return one.from !== "src/transport/transport.ts" && isOwn;
  });
});

test("mod.ts re-exports and never imports an extra; nobody imports mod.ts", () => {
  const ofMod = imports.filter(({ from }) => from === "src/mod.ts");
  allow(ofMod, (one) => one.to.startsWith("src/") && folderOf(one.to) !== "extras");
  const text = readSource("src/mod.ts").replace(/\/\*[^]*?\*\//g, "");
  for (const statement of text.split(";").map((line) => line.trim())) assert.match(statement, /^(export |$)/);
  allow(imports, ({ to }) => to !== "src/mod.ts");
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

/** Each a workspace of the project. */
const APPS = ["apps/addition"];
const importsOfApps = await importsUnder("apps");
const importsOfExamples = await importsUnder("examples");

test("an app is a package of its own: it imports its own files, the library by name, and what its package.json names", () => {
  for (const folder of APPS) {
    const { dependencies } = JSON.parse(readSource(`${folder}/package.json`)) as { dependencies: object };
    const theirs = importsOfApps.filter(({ from }) => from.startsWith(`${folder}/`));
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
  allow(importsOfExamples, (one) => one.to === "plinth" || ofNode(one) || inside("examples", one));
});

test("nothing is loaded by require", () => {
  // These ask what the command line names, and load nothing so; the addition loads zod so, and imports its types.
  const asking = ["src/program/main_module.ts", "src/program/class_loader.ts", "apps/addition/zod.ts"];
  for (const file of [...sources, ...filesUnder("apps"), ...filesUnder("examples")])
    if (!asking.includes(file)) assert.doesNotMatch(readSource(file), /\brequire\(|\bcreateRequire\b/, file);
});

test("relative imports name files that are there, by their real names", () => {
  const relative = [...imports, ...importsOfApps, ...importsOfExamples].filter(({ to }) =>
    /^(src|apps|examples)\//.test(to),
  );
  allow(relative, ({ to }) => to.endsWith(".ts") && existsSync(path.join(root, to)));
});

test("files stay small", () => {
  for (const file of sources) {
    const lines = readSource(file).split("\n").length;
    assert.ok(lines < 450, `${file} has ${lines} lines`);
  }
});
