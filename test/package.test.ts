// The packages as their users get them: packed, installed into an empty folder, run from JavaScript and type checked.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { root } from "./support/places.ts";
import { runsTypeScript } from "./support/runtime.ts";
import { sendSignal } from "./support/system.ts";

const ADDITION = path.join(root, "apps", "addition");

let temporary: string;

before(async () => {
  temporary = await mkdtemp(path.join(tmpdir(), "plinth-package-"));
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
  version: string;
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
  exports: Record<string, string | Record<string, string>>;
  bin?: Record<string, string>;
}

async function readManifest(folder = root): Promise<Manifest> {
  return JSON.parse(await readFile(path.join(folder, "package.json"), "utf8")) as Manifest;
}

/** The files that a tarball would hold. What is not built yet is built first. */
async function packedFiles(folder = root): Promise<string[]> {
  const [packed] = JSON.parse(await npm(["pack", "--dry-run", "--json", "--silent"], folder)) as [
    { files: { path: string }[] },
  ];
  return packed.files.map((file) => file.path);
}

test("the library needs types and the router's library; the program needs its own two, and the library of its version", async () => {
  const library = await readManifest();
  const addition = await readManifest(ADDITION);
  assert.deepEqual(Object.keys(library.dependencies), ["@types/node", "rou3"]);
  assert.deepEqual(Object.keys(addition.dependencies), ["lossless-json", "zod"]);
  for (const [name, version] of Object.entries({ ...library.dependencies, ...addition.dependencies }))
    // A user's own version of the types must do, whichever it is: with a second copy, a Buffer would be of two types.
    assert.match(version, name === "@types/node" ? /^>=20$/ : /^[0-9]+\.[0-9]+\.[0-9]+$/);
  assert.equal(addition.version, library.version);
  assert.deepEqual(addition.peerDependencies, { plinth: library.version });
});

test("the library's tarball holds what it names, and no app, test or script", async () => {
  const { exports, bin } = await readManifest();
  assert.equal(bin, undefined);
  const files = await packedFiles();

  const targets = Object.values(exports).flatMap((target) =>
    typeof target === "string" ? target : Object.values(target),
  );
  for (const file of [...targets, "LICENSE", "README.md", "CHANGELOG.md"]) {
    assert.ok(files.includes(path.posix.normalize(file)), file);
  }

  const allowed =
    /^(dist\/src\/|(src|docs|deploy|examples)\/|bench\/(README\.md|results\/chart\.svg)$|package\.json$|LICENSE$|[A-Z]+\.md$)/;
  assert.deepEqual(
    files.filter((file) => !allowed.test(file) || file.includes(".test.") || file.endsWith(".d.ts.map")),
    [],
  );
});

test("the program's tarball holds what was compiled, and nothing else", async () => {
  const files = await packedFiles(ADDITION);
  const { bin } = await readManifest(ADDITION);
  assert.deepEqual(bin, { "plinth-addition": "dist/main.js" });
  assert.ok(files.includes("dist/main.js") && files.includes("dist/handler.js") && files.includes("dist/LICENSE"));
  assert.deepEqual(
    files.filter((file) => !/^(?:dist\/(?:\w+\.js|LICENSE)|package\.json|README\.md)$/.test(file)),
    [],
  );
});

test("every link in the library's pages leads to a file in the tarball, or is absolute", async () => {
  const files = await packedFiles();
  const pages = files.filter((file) => file.endsWith(".md"));
  assert.ok(pages.includes("README.md") && pages.includes("docs/GUIDE.md"));
  let links = 0;
  for (const page of pages) {
    const text = (await readFile(path.join(root, page), "utf8")).replace(/^```[^]*?^```/gm, "");
    for (const [, inText, inTag] of text.matchAll(/\]\(([^)\s]+)\)|\b(?:src|href)="([^"]+)"/g)) {
      const [target] = (inText ?? inTag).split("#");
      if (target === "" || /^[a-z]+:/.test(target)) continue;
      links++;
      const file = path.posix.join(path.posix.dirname(page), target).replace(/\/$/, "");
      assert.ok(
        files.some((one) => one === file || one.startsWith(`${file}/`)),
        `${page} links to ${target}`,
      );
    }
  }
  assert.ok(links > 30, `${links} links`);
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
    const response = Buffer.from(JSON.stringify({ sum: body.val_a + body.val_b }));
    this.sendResponse(200);
    this.sendHeader("Content-Length", response.length);
    this.endHeaders();
    this.wfile.write(response);
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

/** Makes an empty folder, with both packages' tarballs beside it. @returns the folder and the tarballs */
async function emptyFolder(name: string): Promise<{ folder: string; library: string; addition: string }> {
  const { version } = await readManifest();
  const tarball = async (packed: string, from: string): Promise<string> => {
    const file = path.join(temporary, `${packed}-${version}.tgz`);
    if (!existsSync(file)) await npm(["pack", "--silent", "--pack-destination", temporary], from);
    return file;
  };
  const library = await tarball("plinth", root);
  const addition = await tarball("plinth-addition", ADDITION);
  const folder = path.join(temporary, name);
  await mkdir(folder);
  await writeFile(path.join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  return { folder, library, addition };
}

const INSTALL = ["install", "--no-audit", "--no-fund", "--prefer-offline"];

test("the library's tarball installs into an empty folder, and works there", async (t) => {
  const { folder: user, library } = await emptyFolder("user");
  await npm([...INSTALL, library], user);

  await t.test("with nothing but what it needs", async () => {
    const installed = (await readdir(path.join(user, "node_modules"))).filter((name) => !name.startsWith("."));
    assert.deepEqual(installed.sort(), ["@types", "plinth", "rou3", "undici-types"]);
  });

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

  await t.test("from TypeScript, with tsc's own first tsconfig and the declarations checked too", async () => {
    const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
    await writeFile(path.join(user, "typed.ts"), typed);
    await run(process.execPath, [tsc, "--init"], user);
    await run(process.execPath, [tsc, "--noEmit", "--skipLibCheck", "false"], user);
    if (runsTypeScript)
      assert.match(await run(process.execPath, ["typed.ts"], user), /^http:\/\/127\.0\.0\.1:\d+\/\n$/);
  });
});

test("both tarballs install into an empty folder: the addition server starts, adds and stops", async (t) => {
  const { folder, library, addition } = await emptyFolder("program");
  await npm([...INSTALL, library, addition], folder);
  const main = path.join("node_modules", "plinth-addition", "dist", "main.js");

  await t.test("its command is installed, and says how it is called", async () => {
    assert.ok(existsSync(path.join(folder, "node_modules", ".bin", "plinth-addition")));
    assert.match(await run(process.execPath, [main, "--help"], folder), /^usage: plinth-addition /);
  });

  for (const flags of [[], ["--threads", "1"]]) {
    await t.test(["on", "port", "0", ...flags].join(" "), async () => {
      const args = [main, "--port", "0", "--log", "none", ...flags];
      const child = spawn(process.execPath, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
      const ended = once(child, "close") as Promise<[number | null]>;
      try {
        let stderr = "";
        child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
        let stdout = "";
        const url = await new Promise<string>((resolve, reject) => {
          child.stdout.setEncoding("utf8").on("data", (text: string) => {
            const [, found] = /^The addition server is at (\S+) [^]*\n\n$/.exec((stdout += text)) ?? [];
            if (found !== undefined) resolve(found);
          });
          child.on("close", () => reject(new Error(`it has ended: ${stderr}`)));
        });
        for (const [body, status, text] of [
          ['{"val_a": 3, "val_b": 4.5}', 200, '{"sum":7.5}\n'],
          [`{"val_a": ${"9".repeat(30)}, "val_b": 1}`, 200, `{"sum":1${"0".repeat(30)}}\n`],
          ['{"val_a": 3}', 422, /"pointer":"#\/val_b"/],
        ] as const) {
          const headers = { "Content-Type": "application/json", Connection: "close" };
          const response = await fetch(url, { method: "POST", body, headers });
          assert.equal(response.status, status);
          const content = await response.text();
          if (typeof text === "string") assert.equal(content, text);
          else assert.match(content, text);
        }
        sendSignal(child, "SIGTERM");
        assert.deepEqual([(await ended)[0], stderr], [0, ""]);
      } finally {
        child.kill("SIGKILL");
        await ended;
      }
    });
  }
});
