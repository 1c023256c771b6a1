/** How programs with threads end: by themselves, when they should, and whatever runs. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "node:test";
import { sendSignal } from "../support/system.ts";
import { folderWith, runIn, runProgram } from "./support.ts";
import { thoroughly } from "../support/thorough.ts";

const PROGRAM = `import { BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer } from "plinth";
import { getEventListeners } from "node:events";
import { isMainThread } from "node:worker_threads";
export class Handler extends BaseHTTPRequestHandler {
  async do_GET() {
    const { threadData } = this.server;
    if (this.path === "/block") {
      Atomics.store(threadData, 0, 1);
      Atomics.notify(threadData, 0);
      Atomics.wait(threadData, 1, 0);
    }
    if (this.path === "/wait") {
      Atomics.store(threadData, 0, 1);
      await new Promise(() => {});
    }
    if (this.path.startsWith("/looks")) {
      let { stopping } = this.path === "/looks/late" ? {} : this.server;
      Atomics.store(threadData, 0, 1);
      while (this.path === "/looks" ? !stopping.aborted : threadData[1] === 0) Atomics.wait(threadData, 1, 0, 5);
      stopping ??= this.server.stopping;
      try { stopping.throwIfAborted(); } catch (error) { return this.sendText(error.message); }
    }
    if (this.path === "/shutdown") await this.server.shutdown();
    this.sendText("done");
  }
}
const words = new Int32Array(new SharedArrayBuffer(8));
const begun = async () => { while (words[0] === 0) await new Promise((resolve) => setTimeout(resolve, 1)); };
const options = { log: "none", threads: { min: 1, max: 2 }, shutdownTimeout: 100, threadData: words };
const make = (Server = ThreadingHTTPServer, more = {}) => new Server(["127.0.0.1", 0], Handler, { ...options, ...more });
const get = (httpd, path) => fetch("http://127.0.0.1:" + httpd.serverAddress[1] + path).then((response) => response.text(), () => "cut");
`;

describe("programs end", { concurrency: 2 }, () => {
  const programs: Record<string, [main: string, lines: string[]]> = {
    "behind an awaited shutdown, the rest of the program runs": [
      `const httpd = make();
       await httpd.serverActivate();
       console.log(await get(httpd, "/"));
       await httpd.shutdown();
       console.log("down", httpd.stats().threads);`,
      ["done", "down 0"],
    ],
    "behind serveForever, too": [
      `const httpd = make();
       void httpd.serverActivate().then(() => get(httpd, "/shutdown"));
       await httpd.serveForever();
       console.log("down");`,
      ["down"],
    ],
    "a server that is only injected into keeps no program": [`console.log((await make().inject()).text());`, ["done"]],
    "nor does one that is not even asked": [`make(); console.log("made");`, ["made"]],
    "shut down while its threads start, it is down, and nobody need await that": [
      `const httpd = make();
       const served = httpd.serveForever();
       void httpd.serverActivate();
       await new Promise((resolve) => setTimeout(resolve, 5)); // less than it takes
       await httpd.shutdown();
       await served;
       console.log("down", httpd.stats().threads);
       const other = make();
       void other.serveForever();
       other.serverClose();
       await other.shutdown();
       console.log("closed");`,
      ["down 0", "closed"],
    ],
    "shutdown ends what runs behind its deadline, blocked or not; who waits is cut off": [
      `for (const path of ["/block", "/wait"]) {
         const httpd = make();
         await httpd.serverActivate();
         words[0] = 0;
         const response = get(httpd, path);
         await begun();
         await httpd.shutdown();
         console.log(await response, httpd.stats().threads);
       }`,
      ["cut 0", "cut 0"],
    ],
    "a handler that blocks sees by stopping that its server stops, whenever it looks": [
      `for (const path of ["/looks", "/looks/throws", "/looks/late"]) {
         const httpd = make(undefined, { shutdownTimeout: 20_000 });
         await httpd.serverActivate();
         words.fill(0);
         const response = get(httpd, path);
         await begun();
         const down = httpd.shutdown();
         Atomics.store(words, 1, 1);
         console.log(path, await response);
         await down;
       }`,
      ["/looks", "/looks/throws", "/looks/late"].map((path) => `${path} The server is stopping.`),
    ],
    "an activation that fails leaves nothing that waits for the stop": [
      `const first = make();
       await first.serverActivate();
       const second = new ThreadingHTTPServer(first.serverAddress, Handler, options);
       for (let i = 0; i < 2; i++) await second.serverActivate().catch((error) => console.log(error.code));
       console.log(getEventListeners(second.stopping, "abort").length);
       await first.shutdown();`,
      ["EADDRINUSE", "EADDRINUSE", "0"],
    ],
    "serverClose does so at once": [
      `const httpd = make();
       void httpd.serveForever().then(() => console.log("served"));
       await httpd.serverActivate();
       const responses = [get(httpd, "/block"), get(httpd, "/block"), get(httpd, "/")];
       await begun();
       httpd.serverClose();
       console.log((await Promise.all(responses)).join());`,
      ["cut,cut,cut", "served"],
    ],
    "a handler that is blocked ends with a program that ends itself": [
      `const httpd = make();
       await httpd.serverActivate();
       void get(httpd, "/block");
       await begun();
       console.log("exit");
       process.exit(0);`,
      ["exit"],
    ],
  };
  // Each is a program of its own. The short run leaves out those whose parts other tests have.
  const long = [
    "behind serveForever, too",
    "nor does one that is not even asked",
    "serverClose does so at once",
    "a server that is only injected into keeps no program",
    "an activation that fails leaves nothing that waits for the stop",
  ];
  for (const [name, [main, lines]] of Object.entries(programs)) {
    (long.includes(name) ? thoroughly(test) : test)(name, async (t) => {
      const files = { "main.js": `${PROGRAM} if (isMainThread) { ${main} }` };
      assert.deepEqual((await runProgram(t, files)).sort(), lines.sort());
    });
  }

  thoroughly(test)("a program that a signal shuts down goes on behind serveForever", async (t) => {
    const main = `${PROGRAM}
      const httpd = make();
      process.on("SIGTERM", () => void httpd.shutdown());
      void httpd.serverActivate().then(() => console.log("serves"));
      await httpd.serveForever();
      console.log("down");`;
    const child = spawn(process.execPath, ["main.js"], {
      cwd: folderWith(t, { "main.js": main }),
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => child.kill("SIGKILL"));
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
      if (piece.includes("serves")) sendSignal(child, "SIGTERM");
    });
    const [status] = (await once(child, "close")) as [number | null];
    assert.deepEqual([status, text], [0, "serves\ndown\n"]);
  });

  test("an error that the main thread does not catch ends the program, threads and all", async (t) => {
    const main = `${PROGRAM}
      if (isMainThread) {
        const httpd = make();
        await httpd.serverActivate();
        void get(httpd, "/block");
        await begun();
        setTimeout(() => { throw new Error("of the main thread"); });
      }`;
    const { status, stderr } = await runIn(folderWith(t, { "main.js": main }), ["main.js"]);
    assert.deepEqual([status, /of the main thread/.test(stderr)], [1, true]);
  });
});
