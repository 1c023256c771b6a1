/** Programs in other people's processes: in clusters, behind launchers and process managers. No thread starts a program once more. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { runtime, sharesPorts, testOn } from "../support/runtime.ts";

import { type Files, folderWith, runIn } from "./support.ts";
import { thoroughly } from "../support/thorough.ts";

/** Each process and thread that runs the program's top level says so in a file. */
const IMPORTS = `import { appendFileSync } from "node:fs";
import process from "node:process";
import { isMainThread, threadId } from "node:worker_threads";
import { BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer } from "plinth";
appendFileSync("started", process.pid + " " + (isMainThread ? "process" : "thread") + "\\n");
`;

const CLASS = `class Handler extends BaseHTTPRequestHandler {
  do_GET() { this.sendText(String(threadId > 0)); }
}
`;

const THREADING = `new ThreadingHTTPServer(["127.0.0.1", 0], Handler, { log: "none", threads: 1 })`;
const LISTENERS = `new HTTPServer(["127.0.0.1", 0], Handler, { log: "none", listeners: 2 })`;

/** Serves, asks itself, and ends. */
const serve = (server = THREADING): string => `const httpd = ${server};
  try {
    await httpd.serverActivate();
    console.log(await (await fetch("http://127.0.0.1:" + httpd.serverAddress[1])).text());
    await httpd.shutdown();
  } catch (error) {
    console.log(error.message);
  }
  process.exit();
`;

interface Outcome {
  readonly lines: string[];
  readonly processes: number;
  readonly threads: number;
}

async function run(t: { after(task: () => void): void }, files: Files, args = ["main.js"], env = {}): Promise<Outcome> {
  const folder = folderWith(t, files);
  const { lines, stderr } = await runIn(folder, args, { NODE_V8_COVERAGE: "", ...env });
  if (runtime !== "deno") assert.equal(stderr, "");
  const started = readFileSync(path.join(folder, "started"), "utf8").trimEnd().split("\n");
  const processes = new Set(started.map((line) => line.split(" ")[0])).size;
  return { lines, processes, threads: started.filter((line) => line.endsWith("thread")).length };
}

describe("no thread starts the program once more", { concurrency: 2 }, () => {
  for (const [what, server] of [
    ["threads", THREADING] as const,
    ...(sharesPorts ? [["listeners", LISTENERS] as const] : []),
  ])
    test(`in a worker of node:cluster, ${what} see that they are in one`, async (t) => {
      const main = `${IMPORTS}import cluster, { isPrimary, isWorker } from "node:cluster";
        ${CLASS}
        if (cluster.isPrimary) cluster.fork().on("exit", () => process.exit());
        else {
          appendFileSync("started", "");
          if (!isMainThread) console.log(isPrimary, isWorker, cluster.worker.id, process.env.NODE_UNIQUE_ID);
          ${serve(server)}
        }`;
      const { lines, processes, threads } = await run(t, { "main.js": main });
      if (runtime === "deno") {
        assert.match(
          lines.join(),
          /Deno starts no threads in a worker of node:cluster: use threads, or listeners, without a cluster/,
        );
        assert.deepEqual([processes, threads], [2, 0]);
        return;
      }
      assert.equal(lines[0], "false true 1 undefined");
      assert.match(lines[1], what === "threads" ? /^true$/ : /^(true|false)$/);
      assert.deepEqual([processes, threads], [2, 1]);
    });

  // Deno's threads say of themselves that they were started by another process, where the process was.
  testOn("node", "bun")("a program that starts itself where nobody has", async (t) => {
    for (const server of [THREADING, ...(sharesPorts ? [LISTENERS] : [])]) {
      const main = `${IMPORTS}import { fork } from "node:child_process";
        ${CLASS}
        if (process.send === undefined) fork("./main.js").on("exit", () => process.exit());
        else { ${serve(server)} }`;
      const { lines, processes } = await run(t, { "main.js": main });
      assert.equal(lines.length, 1);
      assert.match(
        lines[0],
        /a thread was about to start the program once more, as a process of its own: .*main\.js.* Move code that is not for threads behind serverActivate\(\), or run it only if isMainThread of node:worker_threads is true; or put the handlers into a file of their own, with static module = import\.meta\.url/,
      );
      assert.equal(processes, 2);
    }
  });

  thoroughly(test)("a handler may, and a program may start another", async (t) => {
    const main = `${IMPORTS}import { execFile, execFileSync } from "node:child_process";
      const start = (file) => new Promise((resolve) => execFile(process.execPath, [${runtime === "deno" ? '"run", "-A", ' : ""}file], { env: { ...process.env, CHILD: "1" } }, (_, out) => resolve(out)));
      class Handler extends BaseHTTPRequestHandler {
        async do_GET() { this.sendText(other.trim() + " " + (await start("main.js")).trim()); }
      }
      if (process.env.CHILD) { console.log("child"); process.exit(); }
      const other = await start("other.js");
      ${serve()}`;
    const { lines, processes } = await run(t, { "main.js": main, "other.js": 'console.log("other")' });
    assert.deepEqual(lines, ["other child"]);
    assert.equal(processes, 2);
  });
});

describe("threads import the program, not what has imported it", { concurrency: 2 }, () => {
  /** Runs a file that somebody else has made, in node_modules. */
  async function launch(
    t: { after(task: () => void): void },
    name: string,
    launcher: string,
    env = {},
  ): Promise<Outcome> {
    const app = `${IMPORTS}${CLASS}${serve()}`;
    const folder = folderWith(t, { "app.js": app });
    const place = path.join(folder, "node_modules", "launcher");
    mkdirSync(place);
    writeFileSync(path.join(place, "package.json"), '{ "type": "module" }');
    writeFileSync(path.join(place, name), launcher);
    const { lines } = await runIn(folder, [path.join(place, name)], {
      NODE_V8_COVERAGE: "",
      ...env,
      APP: path.join(folder, "app.js"),
    });
    const started = readFileSync(path.join(folder, "started"), "utf8").trimEnd().split("\n");
    return { lines, processes: started.length, threads: started.filter((line) => line.endsWith("thread")).length };
  }

  const LAUNCHER = `import { pathToFileURL } from "node:url";
    import process from "node:process";
    console.log("launched");
    await import(pathToFileURL(process.env.APP ?? process.env.pm_exec_path).href);`;

  thoroughly(test)("behind a launcher, such as a test runner: it is an installed package's", async (t) => {
    const { lines, threads } = await launch(t, "cli.js", LAUNCHER);
    assert.deepEqual([lines, threads], [["launched", "true"], 1]);
  });

  testOn("node", "bun")("under pm2, whose container imports what it is told", async (t) => {
    const folder = folderWith(t, {
      "ProcessContainerFork.js": LAUNCHER.replace("process.env.APP ?? ", ""),
      "app.js": `${IMPORTS}${CLASS}${serve()}`,
    });
    const { lines } = await runIn(folder, ["ProcessContainerFork.js"], {
      NODE_V8_COVERAGE: "",
      pm_exec_path: path.join(folder, "app.js"),
    });
    assert.deepEqual(lines, ["launched", "true"]);
  });
});
