/** Threads that go on though they were ended: on Deno those that compute, everywhere those that wait in what nobody can call them away from. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { request, until } from "../server/support.ts";
import { runtime } from "../support/runtime.ts";
import { thoroughly } from "../support/thorough.ts";
import { Stuck } from "./programs/stuck.ts";
import { folderWith, runIn, serve } from "./support.ts";

const GOES_ON =
  /\] thread \d goes on though it was ended: .* So do (\d) of (\d) threads, and no others take their place$/;

/** How long a handler may run here, and how long it does. In milliseconds. */
const ALLOWED = 1_000;
const TAKES = 6_000;

describe("a thread that goes on though it was ended", { concurrency: 3 }, () => {
  test("holds up neither its client nor others, keeps its place, and is counted", async (t) => {
    const own = await serve(t, Stuck, { threads: 1, handlerTimeout: ALLOWED, queue: 5 });
    const client = own.connect();
    const begun = performance.now();
    const late = await client.ask(request("GET", `/sleeps/${TAKES}`));
    const took = performance.now() - begun;
    assert.equal(late.status, 503);
    assert.ok(took >= ALLOWED - 5 && took < TAKES / 2, `${took} ms`);
    const waits = own.get("/quick"); // until it is known that no thread will come
    await until(() => own.httpd.stats().stuck === 1, "it to be found out");
    assert.equal((await waits).status, 503);
    const refused = await own.get("/quick");
    assert.equal(refused.status, 503);
    assert.match(refused.body, /All threads run handlers that have taken too long and cannot be ended/);
    assert.ok(Number(refused.get("retry-after")) >= 1);
    assert.deepEqual([own.httpd.stats().threads, own.httpd.stats().replaced], [0, 0]);
    assert.deepEqual(
      own.log.map((line) => GOES_ON.exec(line)?.slice(1, 3)).filter((found) => found !== undefined),
      [["1", "1"]],
    );
    // When it comes back at last, another takes its place.
    await until(() => own.httpd.stats().stuck === 0, "its end", 10_000);
    await until(() => own.httpd.stats().threads === 1, "another", 10_000);
    assert.equal((await own.get("/quick")).body, "quick");
    assert.equal(own.httpd.stats().replaced, 1);
  });

  thoroughly(test)("what it has to say when it is over reaches nobody", async (t) => {
    const own = await serve(t, Stuck, { threads: 3, handlerTimeout: ALLOWED });
    const late = [own.get(`/computes/${TAKES / 2}`), own.get(`/sleeps/${TAKES / 2}`)];
    for (const response of await Promise.all(late)) assert.equal(response.status, 503);
    const end = performance.now() + TAKES;
    for (let i = 0; performance.now() < end; i++) {
      const responses = await Promise.all([own.get(`/echo/a${i}`), own.get(`/echo/b${i}`)]);
      assert.deepEqual(
        responses.map(({ body }) => body),
        [`a${i}`, `b${i}`],
      );
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await until(() => own.httpd.stats().threads === 3, "all threads again", 10_000);
  });

  test("holds up no stop for longer than it takes to find that out", async (t) => {
    const own = await serve(t, Stuck, { threads: 1, handlerTimeout: ALLOWED, shutdownTimeout: 100 });
    assert.equal((await own.get(`/sleeps/${TAKES}`)).status, 503);
    const begun = performance.now();
    await own.httpd.shutdown();
    assert.ok(performance.now() - begun < TAKES - ALLOWED, `${performance.now() - begun} ms`);
  });

  const PROGRAM = `import { BaseHTTPRequestHandler, ThreadingHTTPServer } from "plinth";
    import process from "node:process";
    class Handler extends BaseHTTPRequestHandler {
      do_GET() {
        if (this.pathname === "/loop") for (;;);
        this.sendText("quick");
      }
    }
    const options = { handlerTimeout: 400, threads: { min: 1, max: 2 }, log: (line) => console.log(line), ...JSON.parse(process.env.OPTIONS) };
    const httpd = new ThreadingHTTPServer(["127.0.0.1", 0], Handler, options);
    await httpd.serverActivate();
    const responses = [];
    const ask = (path) => fetch("http://127.0.0.1:" + httpd.serverAddress[1] + path).then(({ status }) => responses.push(status), () => responses.push("cut"));
    for (let i = 0; i < 6; i++) await ask("/loop");
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await ask("/");
    console.log(JSON.stringify({ responses, stuck: httpd.stats().stuck }));
    process.exit();`;

  thoroughly(test)("loops without end take no more threads than there may be", async (t) => {
    const { status, lines } = await runIn(folderWith(t, { "main.js": PROGRAM }), ["main.js"], {
      OPTIONS: "{}",
      NODE_V8_COVERAGE: "",
    });
    assert.equal(status, 0);
    const deno = runtime === "deno";
    assert.deepEqual(JSON.parse(lines.at(-1) ?? ""), {
      responses: [503, 503, 503, 503, 503, 503, deno ? 503 : 200],
      stuck: deno ? 2 : 0,
    });
    if (!deno) return; // a thread may need long to end on a busy machine, but it ends
    const told = lines.map((line) => GOES_ON.exec(line)?.slice(1, 3)).filter((found) => found !== undefined);
    assert.deepEqual(told, [
      ["1", "2"],
      ["2", "2"],
    ]);
  });

  test("with more of them than maxStuckThreads the process ends itself", async (t) => {
    // Where loops are ended, what goes on waits for a process.
    const main =
      runtime === "deno"
        ? PROGRAM
        : `import { execFileSync } from "node:child_process"; ${PROGRAM.replace("for (;;);", 'execFileSync("sleep", ["20"]);')}`;
    const begun = performance.now();
    const files = { "main.js": main.replace("3000", "14000") };
    const { status, lines } = await runIn(folderWith(t, files), ["main.js"], {
      OPTIONS: '{ "maxStuckThreads": 1 }',
      NODE_V8_COVERAGE: "",
    });
    // Node's own exit would wait for the threads, and so for what they wait for.
    assert.equal(status, runtime === "node" ? null : 70, lines.join("\n"));
    assert.ok(performance.now() - begun < 14_000, `${performance.now() - begun} ms`);
    assert.ok(
      lines.at(-1)?.endsWith("more than 1 threads go on after they were ended (maxStuckThreads): ending the process"),
      lines.join("\n"),
    );
  });
});
