/** What a bundle takes of this package: the parts that a program uses, and no server where it uses none. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import type { TestContext } from "node:test";
import { build } from "esbuild";
import { fromSources } from "./support/places.ts";
import { testOnNode as test } from "./support/runtime.ts";
import { folderWith, runIn } from "./threads/support.ts";

/** Bundles a program with esbuild. @returns the size in bytes, and the lines that the bundle prints when it runs */
async function bundle(t: TestContext, program: string): Promise<{ size: number; lines: string[] }> {
  const folder = folderWith(t, { "main.js": program });
  await build({
    absWorkingDir: folder,
    entryPoints: ["main.js"],
    bundle: true,
    minify: true,
    platform: "node",
    format: "esm",
    outfile: "bundle.mjs",
    logLevel: "silent",
  });
  const { status, lines, stderr } = await runIn(folder, ["bundle.mjs"], { NODE_V8_COVERAGE: "" });
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  return { size: readFileSync(path.join(folder, "bundle.mjs")).length, lines };
}

// Bundlers read package.json, which says it of what has been built.
if (!fromSources) {
  test("an error alone takes no server with it", async (t) => {
    const { size, lines } = await bundle(
      t,
      `import { HTTPError } from "plinth"; console.log(new HTTPError(404).message);`,
    );
    t.diagnostic(`${size} bytes`);
    assert.ok(size < 5_000, `${size} bytes`);
    assert.deepEqual(lines, ["Not Found"]);
  });

  test("handler classes take no server with them", async (t) => {
    const { size, lines } = await bundle(
      t,
      `import { BaseHTTPRequestHandler } from "plinth";
       class Handler extends BaseHTTPRequestHandler {}
       console.log(Handler.prototype.serverVersion.split("/")[0], Handler.prototype.errorContentType);`,
    );
    t.diagnostic(`${size} bytes`);
    assert.ok(size < 25_000, `${size} bytes`);
    assert.deepEqual(lines, ["Plinth text/html; charset=utf-8"]);
  });

  test("a server that is bundled has all that it needs", async (t) => {
    const { size, lines } = await bundle(
      t,
      `import { BaseHTTPRequestHandler, HTTPError, HTTPServer, Router } from "plinth";
       class Handler extends BaseHTTPRequestHandler {
         do_GET() { this.sendJson({ name: this.pathParams.get("name") }); }
         do_POST() { throw new HTTPError(422, { detail: "No." }); }
       }
       const httpd = new HTTPServer(["127.0.0.1", 0], new Router({ "/:name": Handler }), { log: "none" });
       await httpd.serverActivate();
       const url = "http://127.0.0.1:" + httpd.serverAddress[1] + "/it";
       const copies = globalThis[Symbol.for("plinth.copies")].length;
       for (const method of ["GET", "POST"]) console.log((await (await fetch(url, { method })).text()).trim());
       console.log((await httpd.inject({ path: "/other" })).text(), copies);
       await httpd.shutdown();`,
    );
    t.diagnostic(`${size} bytes`);
    assert.deepEqual(lines, [
      '{"name":"it"}',
      '{"title":"Unprocessable Content","status":422,"detail":"No."}',
      '{"name":"other"} 1',
    ]);
  });
}
