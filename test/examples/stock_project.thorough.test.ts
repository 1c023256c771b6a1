/**
 * Every program of the documentation compiles in a project as its reader has one: in an empty folder, with the tsconfig.json that
 * `tsc --init` writes, and with the package installed as npm would install it.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, before } from "node:test";
import { exportsOf } from "../support/declarations.ts";
import { root } from "../support/places.ts";
import { testOnNode as test } from "../support/runtime.ts";
import { type Block, readBlocks } from "./pages.ts";

const PAGES = ["README.md", "docs/GUIDE.md", "docs/THREADS.md", "docs/RUNTIMES.md", "docs/PYTHON.md"];
const TSC = path.join(root, "node_modules/typescript/bin/tsc");

let folder: string;
let blocks: Block[];

/** Runs tsc in the project. @returns what it printed; "" where it found nothing wrong */
function tsc(...args: string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(process.execPath, [TSC, ...args], { cwd: folder, timeout: 100_000 }, (error, stdout, stderr) => {
      resolve(error === null ? "" : `${stdout}${stderr}${error.signal ?? ""}`);
    });
  });
}

/** A program whose functions give every public member of what the package exports: tsc must find a name for the type of each. */
function everyMember(): string {
  const lines = ['import type * as plinth from "plinth";'];
  for (const { name, members } of exportsOf("mod.d.ts").values())
    for (const { name: member, isPublic } of members) {
      if (!isPublic || !/^\w+$/.test(member)) continue;
      const line = `export const ${name}_${member} = (it: plinth.${name}) => it.${member};`;
      if (!lines.includes(line)) lines.push(line);
    }
  assert.ok(lines.length > 100, "the members are found");
  return lines.join("\n");
}

/** Puts the declarations of this package, and the packages that its programs import, where npm would put them. */
async function install(modules: string): Promise<void> {
  const own = path.join(modules, "plinth");
  await mkdir(own, { recursive: true });
  await cp(path.join(root, "package.json"), path.join(own, "package.json"));
  const isWanted = (file: string): boolean => !path.basename(file).includes(".") || file.endsWith(".d.ts");
  await cp(path.join(root, "dist/src"), path.join(own, "dist/src"), { recursive: true, filter: isWanted });
  await mkdir(path.join(modules, "@types"));
  for (const name of ["@types/node", "undici-types", "rou3", "zod"])
    await symlink(path.join(root, "node_modules", name), path.join(modules, name), "dir");
}

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plinth-project-"));
  await install(path.join(folder, "node_modules"));
  await writeFile(path.join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  assert.equal(await tsc("--init"), "");
  blocks = (await Promise.all(PAGES.map(readBlocks))).flat();
  for (const { name, code } of blocks) {
    await mkdir(path.join(folder, path.dirname(name)), { recursive: true });
    await writeFile(path.join(folder, `${name}.ts`), code);
  }
  await writeFile(path.join(folder, "uses.ts"), USES);
  await writeFile(path.join(folder, "members.ts"), everyMember());
});

after(() => rm(folder, { recursive: true, force: true }));

/** What handlers do with content, by the types of the default library: web streams and fetch take no memory that is shared. */
const USES = `
import { BaseHTTPRequestHandler, HTTPServer } from "plinth";

export class Handler extends BaseHTTPRequestHandler {
  static bufferedBody = 1000;

  async do_POST() {
    const content = await this.bytes();
    await crypto.subtle.digest("SHA-256", content);
    await fetch("http://127.0.0.1:9000/", { method: "POST", body: content, signal: this.signal });
    for (const part of [content, this.rfile.readSync(), await this.rfile.read(5)]) void new Blob([part]).size;
    for await (const chunk of this.rfile) new DataView(chunk.buffer).getUint8(0);
    await new Response(this.rfile.stream()).formData();
    const text = this.rfile.stream().pipeThrough(new TextDecoderStream()).pipeThrough(new TextEncoderStream());
    await text.pipeTo(this.wfile.stream(), { signal: this.signal });
    const { body } = await fetch("http://127.0.0.1:9000/");
    await body?.pipeThrough(new CompressionStream("gzip")).pipeTo(this.wfile.stream());
    for await (const chunk of this.rfile.stream()) await this.wfile.write(chunk);
  }
}

export async function probe(httpd: HTTPServer): Promise<Response> {
  const response = await httpd.inject({ method: "POST", body: new Uint8Array(1) });
  return new Response(response.body, { status: response.status });
}
`;

/** What `tsc --init` writes does not say this: programs import each other by the names of their files. */
const COMMON = ["--noEmit", "--allowImportingTsExtensions"];

test("every program of the documentation compiles with the tsconfig.json of tsc --init", async () => {
  assert.equal(await tsc(...COMMON), "");
});

test("so it does with the declarations of the package checked too", async () => {
  assert.equal(await tsc(...COMMON, "--skipLibCheck", "false"), "");
});

test("so it does with the library and the types that tsc --init proposes for Node", async () => {
  const config = await readFile(path.join(folder, "tsconfig.json"), "utf8");
  const forNode = config.replace(/^ *"types": \[\],\n/m, "").replace(/^( *)\/\/ ("lib"|"types")/gm, "$1$2");
  assert.match(forNode, /^ *"lib": \["esnext"\],$/m, "tsc --init proposes a library");
  assert.match(forNode, /^ *"types": \["node"\],$/m, "tsc --init proposes types");
  await writeFile(path.join(folder, "tsconfig.node.json"), forNode);
  assert.equal(await tsc("-p", "tsconfig.node.json", ...COMMON), "");
});

test("a mistake in a program is found", async () => {
  const wrong = path.join(folder, "wrong.ts");
  await writeFile(wrong, blocks[0].code.replace("HTTPServer(", "HTTPServer(5, "));
  const said = await tsc(...COMMON);
  await rm(wrong);
  assert.match(said, /^wrong\.ts\(\d+,\d+\): error TS/);
});
