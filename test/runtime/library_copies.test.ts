/** Two copies of this library in one process: the one that is tested, and a bundle of the same. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import * as ours from "plinth";
import { fromSources, root } from "../support/places.ts";
import { sharesPorts } from "../support/runtime.ts";
import { runProgram } from "../threads/support.ts";

let folder: string;
let file: string;
let other: typeof ours;

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "plinth-copies-"));
  file = path.join(folder, "copy.mjs");
  await build({
    entryPoints: [path.join(root, fromSources ? "src/mod.ts" : "dist/src/mod.js")],
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: file,
    keepNames: true,
    logLevel: "silent",
  });
  other = (await import(pathToFileURL(file).href)) as typeof ours;
});

after(() => rmSync(folder, { recursive: true, force: true }));

/** Serves one request by a function. @returns the response, and the lines of the log */
async function serve(run: (this: ours.BaseHTTPRequestHandler) => unknown, request: ours.InjectedRequest = {}) {
  class Handler extends ours.BaseHTTPRequestHandler {
    async do_GET() {
      await run.call(this);
    }
  }
  const log: string[] = [];
  const httpd = new ours.HTTPServer(["127.0.0.1", 0], Handler, { log: (line) => log.push(line) });
  const response = await httpd.inject(request).catch((error: unknown) => error as Error);
  await httpd.shutdown();
  return { response, log };
}

test("an HTTPError of another copy becomes the response that it says", async () => {
  class TeapotError extends other.HTTPError {
    constructor() {
      super(418, "Teapot", { detail: "short and stout", headers: { "X-Spout": "here" }, problem: { handle: 1 } });
    }
  }
  const { response, log } = await serve(() => {
    throw new TeapotError();
  });
  assert.ok(!(response instanceof Error));
  assert.deepEqual([response.status, response.reason, response.headers.get("X-Spout")], [418, "Teapot", "here"]);
  assert.deepEqual(response.json(), { title: "Teapot", status: 418, detail: "short and stout", handle: 1 });
  assert.match(log[0], /code 418, message Teapot$/);
  assert.equal(log.length, 2);
});

test("a PeerGoneError of another copy, when the client has gone, is no fault of the handler's", async () => {
  const client = new AbortController();
  const { log } = await serve(
    async function () {
      client.abort();
      await new Promise((resolve) => this.signal.addEventListener("abort", resolve));
      assert.ok(this.signal.reason instanceof other.PeerGoneError);
      throw new other.PeerGoneError({ kind: "closed" });
    },
    { signal: client.signal },
  );
  assert.deepEqual(
    log.map((line) => line.replace(/^.*\] /, "")),
    ['"GET / HTTP/1.1" - - closed'],
  );
});

test("errors of one copy are instances of the other's classes, and of nothing that extends them", () => {
  const copies: readonly [typeof ours, typeof ours] = [ours, other];
  const errors = {
    HTTPError: (copy: typeof ours) => new copy.HTTPError(400),
    PeerGoneError: (copy: typeof ours) => new copy.PeerGoneError({ kind: "closed" }),
    ResponseCutError: (copy: typeof ours) => new copy.ResponseCutError(undefined),
  };
  for (const [name, make] of Object.entries(errors) as [keyof typeof errors, (copy: typeof ours) => Error][]) {
    const Class = copies[0][name];
    const Other = copies[1][name];
    class Special extends (Class as new (...args: any[]) => Error) {}
    for (const one of [make(ours), make(other)]) {
      assert.ok(one instanceof Class && one instanceof Other, name);
      assert.ok(!(one instanceof Special), name);
      for (const another of Object.keys(errors) as (keyof typeof errors)[]) {
        const Another = copies[0][another];
        assert.equal(one instanceof Another, another === name);
      }
    }
    const special =
      name === "HTTPError"
        ? new Special(400)
        : name === "PeerGoneError"
          ? new Special({ kind: "closed" })
          : new Special();
    assert.ok(special instanceof Special && special instanceof Class && special instanceof Other);
    for (const none of [new Error(name), null, undefined, name, {}, { name }]) assert.ok(!(none instanceof Class));
  }
});

test("a class of another copy is refused, in words that say which copies there are", () => {
  class Handler extends other.BaseHTTPRequestHandler {}
  const { HTTPServer, Router, ThreadingMixIn } = ours;
  const address = ["127.0.0.1", 0] as const;
  // As far as TypeScript sees, two copies of the same version have the same types.
  const wrong = Handler as unknown as ours.RequestHandlerClass;
  const routed = new other.Router({ "/": Handler }) as unknown as ours.RequestRouter;
  const has = (subject: string) => (error: Error) => {
    assert.equal(error.name, "TypeError");
    assert.match(error.message, new RegExp(`two copies of plinth are loaded, and ${subject} of `));
    assert.ok(error.message.includes(` of ${ours.VERSION} in ${file}, not on that of ${ours.VERSION} in ${root}.`));
    assert.match(error.message, /npm ls plinth .* npm dedupe .* bundle/);
    return true;
  };
  const handler = "Handler is based on the BaseHTTPRequestHandler";
  assert.throws(() => new HTTPServer(address, wrong), has(handler));
  assert.throws(() => new HTTPServer(address, routed), has(handler));
  assert.throws(() => new Router({ "/": wrong }), has(handler));
  assert.throws(() => new Router({}, { fallback: wrong }), has(handler));
  assert.throws(
    () => ThreadingMixIn(other.HTTPServer as unknown as typeof HTTPServer),
    has("HTTPServer is based on the HTTPServer"),
  );
  assert.throws(
    () => ThreadingMixIn(class {} as never),
    /^TypeError: ThreadingMixIn takes HTTPServer, or a class that extends it, not class/,
  );
  assert.throws(
    () => new HTTPServer(address, class {} as never),
    /^TypeError: the handler must be a class that extends BaseHTTPRequestHandler, or a Router, not class/,
  );
});

test("where a thread loads another copy, the program neither serves there nor starts threads, and the error says so", async (t) => {
  const servers = {
    threads: 'new ThreadingHTTPServer(["127.0.0.1", 0], Handler, { threads: 1, log: "none" })',
    ...(sharesPorts ? { listeners: 'new HTTPServer(["127.0.0.1", 0], Handler, { listeners: 2, log: "none" })' } : {}),
  };
  for (const [name, server] of Object.entries(servers)) {
    const main = `
      import { isMainThread } from "node:worker_threads";
      import fs from "node:fs";
      fs.appendFileSync("imports.txt", "x");
      const copy = ${JSON.stringify(pathToFileURL(file).href)};
      const { BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer } = await import(isMainThread ? "plinth" : copy);
      class Handler extends BaseHTTPRequestHandler {}
      const httpd = ${server};
      await httpd.serverActivate().catch((error) => console.log(error.message));
      await httpd.shutdown();
      console.log(fs.readFileSync("imports.txt", "latin1"));`;
    const [message, imports] = await runProgram(t, { "main.js": main });
    assert.match(
      message,
      /a thread has not found the handlers\. .* second copy of this library \(.* in .* and .* in .*copy\.mjs\), /,
    );
    assert.match(message, /npm ls plinth/);
    assert.equal(imports, "xx", name);
  }
});

test("a file that names a class of another copy in a thread is refused there in the same words", async (t) => {
  const own = `
    import { isMainThread } from "node:worker_threads";
    const copy = ${JSON.stringify(pathToFileURL(file).href)};
    const { BaseHTTPRequestHandler } = await import(isMainThread ? "plinth" : copy);
    export class Handler extends BaseHTTPRequestHandler { static module = import.meta.url; }`;
  const main = `
    import { ThreadingHTTPServer } from "plinth";
    import { Handler } from "./own.js";
    const httpd = new ThreadingHTTPServer(["127.0.0.1", 0], Handler, { threads: 1, log: "none" });
    await httpd.serverActivate().catch((error) => console.log(error.message));`;
  const [message] = await runProgram(t, { "own.js": own, "main.js": main });
  assert.match(
    message,
    /own\.js, which Handler names as its module, cannot be used: two copies of plinth are loaded, and Handler /,
  );
});
