/** Programs with the default log, and what stands on the other side of stderr: nobody any more, somebody who does not read, a full disk. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { runtime, sharesPorts, testOn } from "../support/runtime.ts";
import { folderWith } from "../threads/support.ts";
import { thoroughly } from "../support/thorough.ts";

/** Where the handlers of a server run, and how it is constructed. */
const servers: Record<string, string> = {
  "the event loop": 'new HTTPServer(["127.0.0.1", 0], Handler)',
  threads: 'new ThreadingHTTPServer(["127.0.0.1", 0], Handler, { threads: 2 })',
  ...(sharesPorts ? { listeners: 'new HTTPServer(["127.0.0.1", 0], Handler, { listeners: 2 })' } : {}),
};

/** A program that asks its own server, and says on stdout how often it was served. It goes on when it is told to, by a line on stdin. */
const program = (server: string, then: string): string => `
  import { once } from "node:events";
  import { writeSync } from "node:fs";
  import { BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer } from "plinth";

  class Handler extends BaseHTTPRequestHandler {
    do_GET() { this.sendText("served"); }
    /** Logs more than a pipe holds. */
    do_POST() {
      for (let i = 0; i < 16; i++) this.logMessage("%s", "x".repeat(16_000));
      this.sendText("served");
    }
    do_PUT() { throw new Error("thrown"); }
  }

  const httpd = ${server};
  await httpd.serverActivate();
  const ask = async (method) => {
    const url = "http://127.0.0.1:" + httpd.serverAddress[1] + "/";
    return (await fetch(url, { method, headers: { Connection: "close" } })).status;
  };
  const askOften = async (method, count) => {
    const statuses = new Map();
    for (let i = 0; i < count; i++) {
      const status = await ask(method);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      await pause(2);
    }
    return [...statuses].map((pair) => pair.join(" x ")).join();
  };
  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  // Not by console.log: what is told here is not what is tested.
  const say = (text) => writeSync(1, text + "\\n");
  const told = () => once(process.stdin, "data");
  ${then}
  await httpd.shutdown();
  say("ended");
  process.exit(0);`;

/** A run that takes longer is ended. In milliseconds. */
const PATIENCE = 60_000;

function start(folder: string, stderr: "pipe" | number) {
  const child = spawn(process.execPath, [...(runtime === "deno" ? ["run", "-A"] : []), "main.js"], {
    cwd: folder,
    env: { ...process.env, NODE_V8_COVERAGE: "" },
    stdio: ["pipe", "pipe", stderr],
    timeout: PATIENCE,
    killSignal: "SIGKILL",
  });
  let output = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => (output += text));
  return {
    child,
    /** Waits until the program has said something. */
    async says(text: string): Promise<void> {
      while (!output.includes(text)) {
        const ended = await Promise.race([once(child.stdout!, "data"), once(child, "close").then(() => "ended")]);
        if (ended === "ended" && !output.includes(text)) assert.fail(`it has ended, and said ${output}`);
      }
    },
    tell: () => child.stdin!.write("go on\n"),
    /** Waits for the program's end. @returns its exit status and the lines that it has said */
    async end(): Promise<{ status: number | null; lines: string[] }> {
      if (child.exitCode === null && child.signalCode === null) await once(child, "close");
      return { status: child.exitCode, lines: output.split("\n").slice(0, -1) };
    },
  };
}

for (const [where, server] of Object.entries(servers)) {
  // The short run has all of it on the event loop.
  const testHere = where === "the event loop" ? test : thoroughly(test);
  describe(`on ${where}`, () => {
    testHere("who reads stderr goes away, and the server goes on", async (t) => {
      const then = `
        say(await ask("GET"));
        await told();
        say(await askOften("GET", 30));
        say(await askOften("POST", 2));
        say(await askOften("PUT", 3));`;
      const run = start(folderWith(t, { "main.js": program(server, then) }), "pipe");
      await once(run.child.stderr!, "data");
      run.child.stderr!.destroy();
      run.tell();
      assert.deepEqual(await run.end(), { status: 0, lines: ["200", "200 x 30", "200 x 2", "500 x 3", "ended"] });
    });

    thoroughly(test)("the other side of a pipe in a shell, which has seen enough with its first line", async (t) => {
      const folder = folderWith(t, { "main.js": program(server, 'say(await askOften("GET", 50));') });
      const command = `${JSON.stringify(process.execPath)} ${runtime === "deno" ? "run -A " : ""}main.js`;
      const { stdout, stderr } = spawnSync("sh", ["-c", `exec 3>&1; ${command} 2>&1 >&3 3>&- | head -n 1 >&2`], {
        cwd: folder,
        encoding: "utf8",
        timeout: PATIENCE,
        env: { ...process.env, NODE_V8_COVERAGE: "" },
      });
      assert.equal(stdout, "200 x 50\nended\n");
      assert.match(stderr, /^127\.0\.0\.1 - - \[.*\] "GET \/ HTTP\/1\.1" 200 6\n$/);
    });

    const full = { skip: existsSync("/dev/full") ? false : "this system has no /dev/full" };
    thoroughly(test)("the disk is full, and the server goes on", full, async (t) => {
      const then = 'say(await askOften("GET", 30)); say(await askOften("POST", 2));';
      const disk = openSync("/dev/full", "w");
      t.after(() => closeSync(disk));
      const run = start(folderWith(t, { "main.js": program(server, then) }), disk);
      run.tell();
      assert.deepEqual(await run.end(), { status: 0, lines: ["200 x 30", "200 x 2", "ended"] });
    });

    // Deno waits for the reader, as Python does.
    (where === "the event loop" ? testOn("node", "bun") : thoroughly(testOn("node", "bun")))(
      "who reads stderr stands still: lines wait up to a bound, others are dropped and counted, and it goes on",
      async (t) => {
        const then = `
          say(await ask("GET"));
          say(await askOften("POST", 60));
          say(process.stderr.writableLength < 3 * 1024 * 1024 ? "little waits" : process.stderr.writableLength);
          await told();
          while (process.stderr.writableLength > 0) await pause(5);
          await pause(100);
          say(await ask("GET"));`;
        const run = start(folderWith(t, { "main.js": program(server, then) }), "pipe");
        await run.says("little waits");
        let text = "";
        run.child.stderr!.setEncoding("utf8").on("data", (more: string) => (text += more));
        run.tell();
        assert.deepEqual(await run.end(), { status: 0, lines: ["200", "200 x 60", "little waits", "200", "ended"] });
        const lines = text.split("\n").slice(0, -1);
        const notes = lines.filter((line) => line.includes("lines of the log were lost"));
        assert.equal(notes.length, 1, `${lines.length} lines`);
        const [, dropped] = /^- - - \[.*\] (\d+) lines of the log were lost: /.exec(notes[0])!;
        // A line for each request, and sixteen more for those that log much.
        assert.equal(lines.length - 1 + Number(dropped), 62 + 60 * 16);
        assert.ok(text.length > 1024 * 1024 && text.length < 4 * 1024 * 1024, `${text.length} characters`);
        // Whole lines, in their order: first those that were kept, then the note, then what came behind it.
        for (const line of lines)
          assert.match(line, /^(127\.0\.0\.1|-) - - \[.{20}\] ("GET|"POST|x{16000}$|\d+ lines)/);
        assert.equal(lines.indexOf(notes[0]), lines.length - 2);
      },
    );
  });
}

testOn("deno")("who reads stderr stands still: the server waits for that reader, and loses nothing", async (t) => {
  const run = start(
    folderWith(t, { "main.js": program(servers["the event loop"], 'say("begins"); say(await askOften("POST", 10));') }),
    "pipe",
  );
  await run.says("begins");
  const ended = run.end().then((end) => end.lines);
  const wait = new Promise((resolve) => setTimeout(resolve, 1000, "it waits"));
  assert.equal(await Promise.race([ended, wait]), "it waits");
  let text = "";
  run.child.stderr!.setEncoding("utf8").on("data", (more: string) => (text += more));
  assert.deepEqual(await ended, ["begins", "200 x 10", "ended"]);
  assert.equal(text.split("\n").length - 1, 10 * 17);
});

testOn("node", "bun")("a named pipe that another reads later: what was lost is told to that one", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const pipe = path.join(folder, "pipe");
  if (spawnSync("mkfifo", [pipe]).status !== 0) return t.skip("this system has no named pipes");
  const then = `
    say(await ask("GET"));
    await told();
    say(await askOften("GET", 10));
    await told();
    say(await askOften("GET", 2));`;
  const main = folderWith(t, { "main.js": program(servers["the event loop"], then) });
  const reader = spawn("head", ["-n", "1", pipe], { stdio: ["ignore", "ignore", "inherit"] });
  t.after(() => reader.kill());
  const command = `exec ${JSON.stringify(process.execPath)} main.js 2>${JSON.stringify(pipe)}`;
  const child = spawn("sh", ["-c", command], { cwd: main, stdio: ["pipe", "pipe", "inherit"], timeout: PATIENCE });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (more: string) => (said += more));
  await once(reader, "close");
  child.stdin.write("go on\n");
  while (!said.includes("200 x 10")) await once(child.stdout, "data");
  const second = spawn("cat", [pipe], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => second.kill());
  let read = "";
  second.stdout.setEncoding("utf8").on("data", (more: string) => (read += more));
  await new Promise((resolve) => setTimeout(resolve, 300)); // so that it has opened the pipe
  child.stdin.write("go on\n");
  await Promise.all([once(child, "close"), once(second, "close")]);
  assert.equal(said, "200\n200 x 10\n200 x 2\nended\n");
  assert.match(read, /\] 10 lines of the log were lost: .*EPIPE/);
  assert.equal(read.match(/"GET/g)?.length, 2);
});

test("a log in a file is whole", async (t) => {
  const folder = folderWith(t, { "main.js": program(servers["the event loop"], 'say(await askOften("GET", 20));') });
  const file = path.join(folder, "log");
  const log = openSync(file, "a");
  const run = start(folder, log);
  assert.deepEqual(await run.end(), { status: 0, lines: ["200 x 20", "ended"] });
  closeSync(log);
  assert.equal(readFileSync(file, "utf8").match(/ "GET \/ HTTP\/1\.1" 200 6\n/g)?.length, 20);
});
