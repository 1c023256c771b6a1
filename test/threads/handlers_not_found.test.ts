/** Programs whose threads do not find their handlers: the error says what to write, at once, and nothing stays open. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BaseHTTPRequestHandler, ThreadingHTTPServer } from "plinth";
import { runtime } from "../support/runtime.ts";
import { runs, thoroughly } from "../support/thorough.ts";
import { folderWith, type Files, runIn } from "./support.ts";

const IMPORTS = `import { BaseHTTPRequestHandler, HTTPServer, Router, ThreadingHTTPServer } from "plinth";
import { isMainThread } from "node:worker_threads";
`;

const CLASS = `class Handler extends BaseHTTPRequestHandler {
  do_GET() { this.sendText("found"); }
}
`;

/** Tries to serve, says why not, and must end by itself. */
const TRY = `
await httpd.serverActivate().then(
  () => console.log("it serves"),
  (error) => console.log(error instanceof Error ? error.message.replaceAll("\\n", " ") : "no error"),
);
await httpd.shutdown();
`;

const server = (handler = "Handler"): string =>
  `const httpd = new ThreadingHTTPServer(["127.0.0.1", 0], ${handler}, { log: "none", threads: { min: 2, max: 4 } });`;

async function run(files: Files, args = ["main.js"], env?: Record<string, string>): Promise<string> {
  const context = { files: [] as (() => void)[], after: (task: () => void) => void context.files.push(task) };
  const folder = folderWith(context, files);
  try {
    // Threads end in the middle of things here: where it is asked what they have covered, Node may say on stderr that it cannot tell.
    const { status, lines, stderr } = await runIn(folder, args, { ...env, NODE_V8_COVERAGE: "" });
    // Deno says itself what ends a thread.
    const said =
      runtime === "deno" ? stderr.replaceAll(/^error: Uncaught \(in worker .*\n(?: {4}at .*\n)*/gm, "") : stderr;
    assert.deepEqual({ status, said }, { status: 0, said: "" }, lines.join("\n"));
    assert.equal(lines.length, 1, lines.join("\n"));
    return lines[0].replaceAll(/file:\/\/\S*\//g, "file:///");
  } finally {
    for (const task of context.files) task();
  }
}

/** What to write, where the program's main file has not constructed the server. */
const advice = (what: string, names = "Handler"): string => {
  const several = names.includes(",");
  return (
    `a thread has not found the handlers. As every thread does, it imported ${what} and waited for a server to be constructed there with ` +
    `${names}. Construct it at the top level of the program's main file, before any server is activated there; or export ` +
    `${several ? "the classes" : names} from that file; or put ${several ? "each class" : names} into a file of its own, which exports it and ` +
    "serves nothing, with static module = import.meta.url"
  );
};

/** The same, where no file is the program. */
const NO_FILE =
  /^a thread has not found the handlers\. The process was (?:given its program on the command line, not in a file|started with \S*, which is no file), so there is no file that a thread could import: put Handler into a file of its own, which exports it and serves nothing, with static module = import\.meta\.url$/;

describe("programs without handlers", { concurrency: 2 }, () => {
  test("a class in a program that constructs its server only in the main thread; a little late is not too late", async () => {
    const only = `${IMPORTS}${CLASS} if (isMainThread) { ${server()} ${TRY} }`;
    assert.equal(await run({ "main.js": only }), advice("file:///main.js"));
    const late = `${IMPORTS}${CLASS}
      async function main() {
        await new Promise((resolve) => setTimeout(resolve, 5));
        ${server()}
        ${TRY}
      }
      main();`;
    assert.equal(await run({ "main.js": late }), "it serves");
  });

  thoroughly(test)("a program that does at once, in a thread as well, what only one can do", async () => {
    const main = `${IMPORTS}${CLASS}
      import http from "node:http";
      const other = http.createServer().listen(isMainThread ? 0 : Number(process.env.PLINTH_OF_TEST), "127.0.0.1", async () => {
        process.env.PLINTH_OF_TEST = String(other.address().port);
        ${server()} ${TRY}
        other.close();
      });
      if (!isMainThread) { ${server().replace("httpd", "same")} }`;
    const why = await run({ "main.js": main });
    assert.match(why, runtime === "bun" ? /: Failed to start server\. Is port [0-9]+ in use/ : /: listen EADDRINUSE/);
    assert.match(
      why,
      /^a thread has ended while it started: .* Each thread imports the program as well, .* only if isMainThread/,
    );
  });

  thoroughly(test)("a program whose top level never ends in a thread", async () => {
    const options = 'startTimeout: 300, threads: 1, log: "none"';
    const own = server().replace('log: "none", threads: { min: 2, max: 4 }', options);
    const late = `${IMPORTS}${CLASS} if (!isMainThread) await new Promise((resolve) => setInterval(resolve, 2 ** 30)); ${own} ${TRY}`;
    assert.equal(await run({ "main.js": late }), advice("file:///main.js"));
    const loop = `${IMPORTS}${CLASS} if (!isMainThread) for (;;); ${own} ${TRY.replace("await httpd.shutdown();", "process.exit();")}`;
    assert.match(
      await run({ "main.js": `import process from "node:process"; ${loop}` }),
      /^the thread was not ready within 300 ms \(startTimeout\): the top level of what it imports does not end\. Each thread imports/,
    );
  });

  thoroughly(test)("of several classes, all are named", async () => {
    const main = `${IMPORTS}${CLASS} class Other extends Handler {}
      if (isMainThread) { ${server('new Router({ "/": Handler, "/other": Other })')} ${TRY} }`;
    assert.equal(await run({ "main.js": main }), advice("file:///main.js", "Handler, Other"));
  });

  thoroughly(test)("a program that begins to serve with another server first", async () => {
    const main = `${IMPORTS}${CLASS}
      const plain = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" });
      await plain.serverActivate();
      ${server()}
      await plain.shutdown();
      ${TRY}`;
    assert.equal(await run({ "main.js": main }), advice("file:///main.js"));
  });

  test("a program that is no file, as with --eval; a class in a file of its own is found there even so", async () => {
    const light = `import { BaseHTTPRequestHandler } from "plinth";
      export class Light extends BaseHTTPRequestHandler { static module = import.meta.url; }`;
    const files = { "light.js": light, "other.js": "" };
    const eval_ = runtime === "deno" ? ["eval"] : ["--input-type=module", "--eval"];
    const own = `${IMPORTS}${CLASS}${server()}${TRY}`;
    assert.match(await run(files, [...eval_, own]), NO_FILE);
    assert.match(await run(files, [...eval_, own, "other.js"]), NO_FILE);
    assert.equal(
      await run(files, [...eval_, `${IMPORTS}import { Light } from "./light.js"; ${server("Light")}${TRY}`]),
      "it serves",
    );
  });

  thoroughly(test)(
    "a program that cannot be imported once more: what it has thrown is told, whatever that is",
    async () => {
      const thrown = {
        'new RangeError("only once")': "RangeError: only once",
        'Object.assign(new Error("own"), { help() {} })': "Error: own",
        'new Error("why", { cause: { help() {} } })': "Error: why",
        "{ help() {} }": "{ help: [Function: help] }",
        "{ toString: null }": "{ toString: null }",
        undefined: "undefined",
      };
      for (const [expression, told] of Object.entries(thrown).slice(0, runs(6, 2))) {
        const main = `${IMPORTS}${CLASS} if (!isMainThread) throw ${expression}; ${server()}${TRY}`;
        const why = await run({ "main.js": main });
        assert.ok(why.startsWith(`a thread has failed to import file:///main.js: ${told}. Each thread imports`), why);
      }
      const injected = `${IMPORTS}${CLASS} if (!isMainThread) process.exit(3); ${server()}${TRY}`;
      assert.match(await run({ "main.js": injected }), /exit code 3/);
    },
  );

  test("a file that a class names, and that does not have it", async () => {
    const light = `import { BaseHTTPRequestHandler } from "plinth";
      class Light extends BaseHTTPRequestHandler { static module = import.meta.url; }
      export { Light as Other };`;
    const main = `${IMPORTS}import { Other } from "./light.js"; ${server("Other")}${TRY}`;
    assert.equal(
      await run({ "main.js": main, "light.js": light }),
      "file:///light.js, which Light names as its module, does not export it: write export class Light",
    );
  });

  thoroughly(test)(
    "what failed to begin may be tried again, and what is only injected into responds 503 meanwhile",
    async () => {
      const main = `${IMPORTS}${CLASS}
      if (!isMainThread && process.env.PLINTH_OF_TEST !== "good") throw new Error("not yet");
      export { Handler };
      if (isMainThread) {
        const log = [];
        const httpd = new ThreadingHTTPServer(["127.0.0.1", 0], Handler, { log: (line) => log.push(line), threads: 2 });
        const said = [];
        for (let i = 0; i < 2; i++) await httpd.serverActivate().catch((error) => said.push(/not yet/.exec(error.message)[0]));
        const { status, headers } = await httpd.inject();
        said.push(status, headers.get("retry-after"), log.some((line) => line.includes("not yet")));
        process.env.PLINTH_OF_TEST = "good";
        said.push((await httpd.inject()).status);
        await httpd.serverActivate();
        said.push((await fetch("http://127.0.0.1:" + httpd.serverAddress[1])).status);
        await httpd.shutdown();
        console.log(said.join());
      }`;
      assert.equal(await run({ "main.js": main }), "not yet,not yet,503,1,true,200,200");
    },
  );

  thoroughly(test)("threads end when the address is taken", async () => {
    const main = `${IMPORTS}${CLASS}
      const plain = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" });
      if (isMainThread) await plain.serverActivate();
      const httpd = new ThreadingHTTPServer(plain.serverAddress, Handler, { log: "none", threads: 1 });
      const why = await httpd.serverActivate().catch((error) => error.code);
      const { threads } = httpd.stats();
      await plain.shutdown();
      await httpd.serverActivate();
      console.log(why, threads, httpd.stats().threads, (await httpd.inject()).text());
      await httpd.shutdown();`;
    assert.equal(await run({ "main.js": main }), "EADDRINUSE 0 1 found");
  });
});

class Handler extends BaseHTTPRequestHandler {}

test("what is no file's URL, and data that no thread can be given, are refused at once", () => {
  class Wrong extends BaseHTTPRequestHandler {
    static module = "./handlers.js";
  }
  assert.throws(() => new ThreadingHTTPServer(["", 0], Wrong), {
    name: "TypeError",
    message: `Wrong's static module must be the URL of a file, not "./handlers.js": write static module = import.meta.url`,
  });
  const clone = runtime === "bun" ? "can not be cloned" : "could not be cloned";
  for (const threadData of [() => 1, { deep: [Symbol("s")] }, { socket: new WeakMap() }]) {
    assert.throws(() => new ThreadingHTTPServer(["", 0], Handler, { threadData }), {
      name: "TypeError",
      message: new RegExp(
        `^cannot give threadData to a thread: .* ${clone}\\. It must be what structuredClone can copy`,
      ),
    });
  }
  const shared = new SharedArrayBuffer(8);
  assert.equal(new ThreadingHTTPServer(["", 0], Handler, { threadData: shared }).threadData, shared);
});

test("options are checked when the server is constructed", () => {
  const wrong: [options: object, message: RegExp][] = [
    [{ threads: 0 }, /^threads must be a whole number from 1 to 192, not 0$/],
    [{ threads: 1.5 }, /^threads must be a whole number from 1 to 192, not 1\.5$/],
    [{ threads: "4" }, /^threads must be a number, or \{ min, max \}, not "4"$/],
    [{ threads: null }, /^threads must be a number, or/],
    [{ threads: { max: 1000 } }, /^threads\.max must be a whole number from 1 to 192, not 1000$/],
    [{ threads: { min: 3, max: 2 } }, /^threads\.min must be a whole number from 1 to 2, not 3$/],
    [{ threads: { min: 0 } }, /^threads\.min must be a whole number from 1 to/],
    [{ threads: { most: 2 } }, /^there is no threads\.most; there are min, max$/],
    [{ queue: -1 }, /^queue must be a whole number, 0 or more \(Infinity for no limit\), not -1$/],
    [{ queue: NaN }, /^queue must be a whole number/],
    [{ handlerTimeout: "5 s" }, /^handlerTimeout must be a number/],
    [{ handlerTimeout: 0 }, /^handlerTimeout must be a number of milliseconds above 0/],
    [{ replacementRate: 0 }, /^replacementRate must be a number of threads a second above 0/],
    [{ threadBuffer: 2 ** 25 }, /^threadBuffer must be a whole number of bytes from 0 to 16777216, not 33554432$/],
    [{ threadBuffer: 0.5 }, /^threadBuffer must be a whole number/],
    [{ thread: 4 }, /^there is no option thread; there are log, .*maxBodySize.* threads, queue/],
  ];
  for (const [options, message] of wrong)
    assert.throws(() => new ThreadingHTTPServer(["", 0], Handler, options), { message }, JSON.stringify(options));
  const fine = [
    { threads: 1 },
    { threads: { min: 20 } },
    { threads: { max: 1 } },
    { queue: Infinity },
    { threadBuffer: 0 },
    { replacementRate: Infinity },
  ];
  for (const options of fine) new ThreadingHTTPServer(["", 0], Handler, options);
});
