/** Programs that are not run as they are written: through tsx, and out of a bundler. Threads find them, or the error says what to do. */
import assert from "node:assert/strict";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test, type TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import { build, type BuildOptions } from "esbuild";
import { startThread } from "../../src/program/start_thread.ts";
import { root } from "../support/places.ts";
import { runsTypeScript, sharesPorts, testOnNode } from "../support/runtime.ts";
import { type Ended, type Files, folderWith, runIn } from "./support.ts";

/** TypeScript that Node itself does not run: an enum, and a file that is imported by the name of what is made of it. */
const CLASS = `
import { BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer } from "plinth";
import { isMainThread, threadId } from "node:worker_threads";
import { greeting } from "./greeting.js";
enum Response { All = 42 }
class Handler extends BaseHTTPRequestHandler {
  do_GET(): void { this.sendText(greeting(Response.All) + (isMainThread ? "" : " in a thread")); }
}
`;
const GREETING = "export const greeting = (response: number): string => `hello ${response}`;";

/** Asks until all responses of interest have come, says what they were, and ends. */
const ASK = `
const serve = async (httpd: HTTPServer): Promise<void> => {
  try {
    await httpd.serverActivate();
    const said = new Set<string>();
    for (let i = 0; i < 30; i++) {
      const url = "http://127.0.0.1:" + httpd.serverAddress[1];
      said.add(await (await fetch(url, { headers: { Connection: "close" } })).text());
    }
    console.log([...said].sort().join());
  } catch (error) {
    console.log((error as Error).message.replaceAll("\\n", " "));
  }
  await httpd.shutdown();
};
`;

const THREADS = 'new ThreadingHTTPServer(["127.0.0.1", 0], Handler, { threads: 2, log: "none" })';
const LISTENERS = 'new HTTPServer(["127.0.0.1", 0], Handler, { listeners: 2, log: "none" })';
const ONE_LOOP = 'new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" })';

/** @param waits an ES module may wait at its top level; in CommonJS it may not */
const program = (server: string, waits = true): string =>
  `${CLASS}${ASK}const httpd = ${server};\n${waits ? "await" : "void"} serve(httpd);`;

/** A folder in which tsx is installed as well. */
function folderOf(t: TestContext, files: Files): string {
  const folder = folderWith(t, { "greeting.ts": GREETING, ...files });
  symlinkSync(path.join(root, "node_modules", "tsx"), path.join(folder, "node_modules", "tsx"), "junction");
  return folder;
}

function outcome({ status, lines, stderr }: Ended): string {
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" }, lines.join("\n"));
  assert.equal(lines.length, 1, lines.join("\n"));
  return lines[0];
}

const env = { NODE_V8_COVERAGE: "" };
const TSX = path.join(root, "node_modules", "tsx", "dist", "cli.mjs");

describe("tsx", () => {
  const servers = { threads: THREADS, ...(sharesPorts ? { listeners: LISTENERS } : {}) };
  for (const [name, server] of Object.entries(servers)) {
    const both = name === "threads" ? "hello 42 in a thread" : /^hello 42(?:,hello 42 in a thread)?$/;
    const check = (ended: Ended): void =>
      typeof both === "string" ? assert.equal(outcome(ended), both) : assert.match(outcome(ended), both);

    testOnNode(`${name} of a program that tsx runs`, async (t) => {
      const folder = folderOf(t, { "main.ts": program(server) });
      check(await runIn(folder, [TSX, "main.ts"], env));
      check(await runIn(folder, ["--import", "tsx", "main.ts"], env));
      check(await runIn(folder, ["--import=tsx/esm", "main.ts"], env));
      check(await runIn(folder, ["main.ts"], { ...env, NODE_OPTIONS: "--import tsx" }));
    });

    testOnNode(`${name} of a class that names its own file, in TypeScript too`, async (t) => {
      const own = CLASS.replace("class Handler", "export class Handler").replace(
        "do_GET",
        "static module = import.meta.url;\n  do_GET",
      );
      const main = `import { HTTPServer, ThreadingHTTPServer } from "plinth";\nimport { Handler } from "./own.js";${ASK}`;
      const folder = folderOf(t, { "own.ts": own, "main.ts": `${main}\nawait serve(${server});` });
      check(await runIn(folder, [TSX, "main.ts"], env));
    });
  }

  testOnNode("in CommonJS, for which tsx loads this library a second time, the error says so", async (t) => {
    const counted = `import fs from "node:fs";\nfs.appendFileSync("imports.txt", "x");\n${program(THREADS, false)}`;
    const folder = folderOf(t, { "package.json": "{}", "main.ts": counted });
    const message = outcome(await runIn(folder, [TSX, "main.ts"], env));
    assert.match(
      message,
      /^a thread has not found the handlers\. .*a second copy of this library \(.*\), .* "type": "module"/,
    );
    // Once by the program, and once by each of its threads: these start none.
    assert.ok(readFileSync(path.join(folder, "imports.txt")).length <= 3);
  });
});

if (!runsTypeScript) {
  testOnNode("what lets Node understand TypeScript in the main thread only: the error says what to do", async (t) => {
    const hook = `export async function load(url, context, next) {
      if (!url.endsWith(".ts")) return next(url, context);
      return { format: "module", source: (await import("node:fs")).readFileSync(new URL(url)), shortCircuit: true };
    }`;
    const files = {
      "hook.js": hook,
      "register.js": `import { register } from "node:module";
        import { isMainThread } from "node:worker_threads";
        if (isMainThread) register("./hook.js", import.meta.url);`,
      "main.ts": `import { BaseHTTPRequestHandler, ThreadingHTTPServer } from "plinth";
        class Handler extends BaseHTTPRequestHandler {}
        const httpd = ${THREADS};
        await httpd.serverActivate().catch((error) => console.log(error.message));`,
    };
    const message = outcome(await runIn(folderWith(t, files), ["--import", "./register.js", "main.ts"], env));
    assert.match(message, /^a thread has failed to import file:.*main\.ts: .*Unknown file extension/);
    assert.match(message, /register it by node --import, which threads inherit; or build the program/);
  });
}

describe("a bundle", () => {
  async function bundle(folder: string, format: "esm" | "cjs", options: BuildOptions = {}): Promise<string> {
    const file = `bundle.${format === "esm" ? "mjs" : "cjs"}`;
    await build({
      absWorkingDir: folder,
      entryPoints: ["main.ts"],
      bundle: true,
      platform: "node",
      format,
      outfile: file,
      logLevel: "silent",
      ...options,
    });
    return file;
  }

  const advice =
    /cannot start a thread: .*A bundler has put .* Mark plinth as external, .*--external:plinth for esbuild; /;

  for (const format of ["esm", "cjs"] as const) {
    const waits = format === "esm";
    testOnNode(
      `of everything, as ${format}: one event loop serves, and where there are threads, the error says what to do`,
      async (t) => {
        const run = async (server: string): Promise<string> => {
          // A file of the user's that has the same name as ours is not taken for it.
          const folder = folderWith(t, {
            "greeting.ts": GREETING,
            "main.ts": program(server, waits),
            "worker.mjs": "",
            "worker.cjs": "",
          });
          return outcome(await runIn(folder, [await bundle(folder, format)], env));
        };
        assert.equal(await run(ONE_LOOP), "hello 42");
        assert.match(await run(THREADS), new RegExp(`^${advice.source}`));
        if (sharesPorts) assert.match(await run(LISTENERS), new RegExp(`^cannot listen on .*: ${advice.source}`));
      },
    );

    testOnNode(`that leaves this library out, as ${format}: threads find the program`, async (t) => {
      const folder = folderWith(t, { "greeting.ts": GREETING, "main.ts": program(THREADS, waits) });
      const file = await bundle(folder, format, { external: ["plinth"] });
      assert.equal(outcome(await runIn(folder, [file], env)), "hello 42 in a thread");
    });

    testOnNode(`whose import.meta.url is that of the library, as webpack's is, as ${format}`, async (t) => {
      const folder = folderWith(t, { "greeting.ts": GREETING, "main.ts": program(THREADS, waits) });
      const url = pathToFileURL(path.join(root, "dist", "src", "program", "start_thread.js")).href;
      const file = await bundle(folder, format, {
        define: { "import.meta.url": JSON.stringify(url) },
        sourcemap: true,
      });
      assert.match(outcome(await runIn(folder, ["--enable-source-maps", file], env)), new RegExp(`^${advice.source}`));
    });
  }

  testOnNode("in an eval, as webpack has each module while one develops: the error says what to do", async (t) => {
    const folder = folderWith(t, { "greeting.ts": GREETING, "main.ts": program(THREADS, false) });
    const url = pathToFileURL(path.join(root, "dist", "src", "program", "start_thread.js")).href;
    const file = await bundle(folder, "cjs", { define: { "import.meta.url": JSON.stringify(url) } });
    const text = `${readFileSync(path.join(folder, file), "utf8")}\n//# sourceURL=bundler:///main.ts`;
    writeFileSync(path.join(folder, "eval.cjs"), `eval(${JSON.stringify(text)});`);
    const message = outcome(await runIn(folder, ["eval.cjs"], env));
    assert.match(message, new RegExp(`^${advice.source}`));
    assert.match(message, /not beside bundler:\/\/\/main\.ts\. /);
  });

  testOnNode("into which the place of a class was written where it was made: the error says so", async (t) => {
    const main = program(THREADS).replace("do_GET", 'static module = "file:///nowhere/handlers.js";\n  do_GET');
    const folder = folderWith(t, { "greeting.ts": GREETING, "main.ts": main });
    const message = outcome(await runIn(folder, [await bundle(folder, "esm", { external: ["plinth"] })], env));
    assert.match(
      message,
      /^file:\/\/\/nowhere\/handlers\.js, which Handler names .* does not exist\. .* leave static module out/,
    );
  });
});

test("no thread begins with a file that is not this library's own, or is not there", () => {
  for (const url of ["file:///app/bundle.js", "file:///app/src/other.ts", "file:///nowhere/program/start_thread.js"]) {
    assert.throws(() => startThread("threads/worker/main", {}, url), {
      name: "Error",
      message: new RegExp(`^cannot start a thread: .* not beside ${url}\\. .*--external:plinth for esbuild; `),
    });
  }
});
