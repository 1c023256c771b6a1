// The package as its users get it: packed, installed into an empty folder, run from JavaScript and type checked.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { root } from "./support/places.ts";
import { runsTypeScript } from "./support/runtime.ts";

let temporary: string;
let user: string;

before(async () => {
  temporary = await mkdtemp(path.join(tmpdir(), "plinth-package-"));
  user = path.join(temporary, "user");
  await mkdir(user);
});

after(() => rm(temporary, { recursive: true, force: true }));

/** Runs a program to its end and gives what it printed; if it fails, the error carries all of that. */
function run(file: string, args: string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { cwd, timeout: 100_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${file} ${args.join(" ")} (${error.signal ?? error.code})\n${stdout}${stderr}`));
      else resolve(stdout);
    });
  });
}

function npm(args: string[], cwd: string): Promise<string> {
  const running = process.env["npm_execpath"];
  // Where another package manager, or none, runs the tests, npm is a program in PATH.
  if (running?.endsWith("npm-cli.js"))
    return run(process.env["npm_node_execpath"] ?? process.execPath, [running, ...args], cwd);
  return run("npm", args, cwd);
}

interface Manifest {
  dependencies: Record<string, string>;
  exports: Record<string, string | Record<string, string>>;
  bin: Record<string, string>;
}

async function readManifest(): Promise<Manifest> {
  return JSON.parse(await readFile(path.join(root, "package.json"), "utf8")) as Manifest;
}

/** What a tarball would hold. What is not built yet is built first. */
async function packedFiles(): Promise<string[]> {
  const [packed] = JSON.parse(await npm(["pack", "--dry-run", "--json", "--silent"], root)) as [
    { files: { path: string }[] },
  ];
  return packed.files.map((file) => file.path);
}

test("little is needed at run time: types, the router's library, and those of the addition server; their versions are exact", async () => {
  const { dependencies } = await readManifest();
  assert.deepEqual(Object.keys(dependencies).sort(), ["@types/node", "lossless-json", "rou3", "zod"]);
  for (const version of Object.values(dependencies)) assert.match(version, /^[0-9]+\.[0-9]+\.[0-9]+$/);
});

test("the package holds what it names, and no tests, examples or scripts", async () => {
  const { exports, bin } = await readManifest();
  const files = await packedFiles();

  const targets = Object.values(exports).flatMap((target) =>
    typeof target === "string" ? target : Object.values(target),
  );
  for (const file of [...targets, ...Object.values(bin), "LICENSE", "README.md", "CHANGELOG.md"]) {
    assert.ok(files.includes(path.posix.normalize(file)), file);
  }

  const allowed = /^(dist\/(src|apps)\/|(src|apps|docs|deploy)\/|package\.json$|LICENSE$|README\.md$|CHANGELOG\.md$)/;
  assert.deepEqual(
    files.filter((file) => !allowed.test(file) || file.includes(".test.")),
    [],
  );
});

test("every source map in the package leads to a source in the package", async () => {
  const files = new Set(await packedFiles());
  const maps = [...files].filter((file) => file.endsWith(".map"));
  assert.ok(maps.length > 0);
  for (const map of maps) {
    const { sources } = JSON.parse(await readFile(path.join(root, map), "utf8")) as { sources: string[] };
    for (const source of sources) {
      assert.ok(files.has(path.posix.join(path.posix.dirname(map), source)), `${map} names ${source}`);
    }
  }
});

const program = `
import { BaseHTTPRequestHandler, HTTPServer } from "plinth";

class Handler extends BaseHTTPRequestHandler {
  do_GET() {
    const body = Buffer.from("hello from " + this.path);
    this.sendResponse(200);
    this.sendHeader("Content-Type", "text/plain");
    this.sendHeader("Content-Length", body.length);
    this.endHeaders();
    this.wfile.write(body);
  }
}

const httpd = new HTTPServer(["127.0.0.1", 0], Handler);
await httpd.serverActivate();
const [host, port] = httpd.serverAddress;
const served = httpd.serveForever();
const response = await fetch("http://" + host + ":" + port + "/there");
console.log(response.status, await response.text());
await httpd.shutdown();
await served;
`;

const everyKind = `
import { BaseHTTPRequestHandler, HTTPServer, Router, ThreadingHTTPServer } from "plinth";
import { isMainThread, threadId } from "node:worker_threads";

class Handler extends BaseHTTPRequestHandler {
  async do_POST() {
    const { val_a, val_b } = await this.json();
    this.sendJson({ sum: val_a + val_b, apart: !isMainThread });
  }
}

const servers = [
  new HTTPServer(["127.0.0.1", 0], new Router({ "/": Handler }), { log: "none" }),
  new ThreadingHTTPServer(["127.0.0.1", 0], Handler, { log: "none", threads: 1 }),
];
for (const httpd of servers) {
  await httpd.serverActivate();
  const response = await fetch("http://127.0.0.1:" + httpd.serverAddress[1] + "/", { method: "POST", body: '{"val_a":3,"val_b":4}' });
  console.log(response.status, await response.text());
  await httpd.shutdown();
}
`;

const typed = `
import { BaseHTTPRequestHandler, HTTPServer } from "plinth";

class Handler extends BaseHTTPRequestHandler {
  async do_GET() {
    const length: string | null = this.headers.get("Content-Length");
    const body = JSON.parse((await this.rfile.read(Number(length))).toString("utf-8"));
    const answer = Buffer.from(JSON.stringify({ sum: body.val_a + body.val_b }));
    this.sendResponse(200);
    this.sendHeader("Content-Length", answer.length);
    this.endHeaders();
    this.wfile.write(answer);
  }

  do_RICKROLL(): void {
    this.sendError(404);
  }
}

const httpd = new HTTPServer(["127.0.0.1", 0], Handler);
await httpd.serverActivate();
const [host, port] = httpd.serverAddress;
const served: Promise<void> = httpd.serveForever();
await httpd.shutdown();
await served;
console.log(\`http://\${host}:\${port}/\`);

// What is wrong must be told: were the types lost on the way, everything would be right.
export function wrong(): void {
  // @ts-expect-error There is no such method.
  httpd.serveForEver();
}
`;

test("the tarball installs into an empty folder, and works there", async (t) => {
  await npm(["pack", "--silent", "--pack-destination", temporary], root);
  const { version } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8")) as { version: string };
  await writeFile(path.join(user, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const tarball = path.join(temporary, `plinth-${version}.tgz`);
  await npm(["install", "--no-audit", "--no-fund", "--prefer-offline", tarball], user);

  await t.test("from JavaScript", async () => {
    await writeFile(path.join(user, "program.js"), program);
    assert.equal(await run(process.execPath, ["program.js"], user), "200 hello from /there\n");
  });

  await t.test("routed, and in threads", async () => {
    await writeFile(path.join(user, "kinds.js"), everyKind);
    assert.equal(
      await run(process.execPath, ["kinds.js"], user),
      '200 {"sum":7,"apart":false}\n200 {"sum":7,"apart":true}\n',
    );
  });

  await t.test("its program", async () => {
    const main = path.join("node_modules", "plinth", "dist", "apps", "addition", "main.js");
    assert.match(await run(process.execPath, [main, "--help"], user), /^usage: plinth /);
  });

  await t.test("from TypeScript, with tsc's own first tsconfig and the declarations checked too", async () => {
    const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
    await writeFile(path.join(user, "typed.ts"), typed);
    await run(process.execPath, [tsc, "--init"], user);
    await run(process.execPath, [tsc, "--noEmit", "--skipLibCheck", "false"], user);
    if (runsTypeScript)
      assert.match(await run(process.execPath, ["typed.ts"], user), /^http:\/\/127\.0\.0\.1:\d+\/\n$/);
  });
});
