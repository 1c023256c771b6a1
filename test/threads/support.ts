/** What the tests of threads share: programs of their own, servers whose handlers are in handlers.ts, and words to hold those by. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import {
  MemoryTransport,
  type RequestHandlerClass,
  ThreadingHTTPServer,
  type ThreadingHTTPServerOptions,
} from "plinth";
import { type ReceivedResponse, MemoryClient, request, until } from "../server/support.ts";
import { fromSources, root } from "../support/places.ts";
import { runtime } from "../support/runtime.ts";
import { GO, WORDS } from "./handlers.ts";

/** How long a program may take, in milliseconds: much longer than any does. */
const PATIENCE = 40_000;

/** Texts of files, by their names. */
export type Files = Readonly<Record<string, string>>;

/** Writes files to a folder in which "plinth" is found, as a user's program would be there. It is gone after the test. */
export function folderWith(t: Pick<TestContext, "after">, files: Files): string {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  installPlinth(folder);
  for (const [name, text] of Object.entries({ "package.json": '{ "type": "module" }', ...files }))
    writeFileSync(path.join(folder, name), text);
  return folder;
}

/** The package itself; where the tests are sources, so is what is found. */
function installPlinth(folder: string): void {
  const place = path.join(folder, "node_modules", "plinth");
  mkdirSync(path.dirname(place));
  if (!fromSources) return symlinkSync(root, place, "junction");
  const sources = path.join(root, "src");
  if (runtime === "deno") {
    // It does not take a link inside a package for what it leads to.
    const { imports } = JSON.parse(readFileSync(path.join(root, "deno.json"), "utf8")) as {
      imports: Record<string, string>;
    };
    for (const [name, file] of Object.entries(imports))
      imports[name] = new URL(file, pathToFileURL(root + path.sep)).href;
    return writeFileSync(path.join(folder, "deno.json"), JSON.stringify({ nodeModulesDir: "manual", imports }));
  }
  mkdirSync(place);
  symlinkSync(sources, path.join(place, "src"), "junction");
  writeFileSync(path.join(place, "package.json"), '{ "name": "plinth", "exports": "./src/mod.ts" }');
}

export interface Ended {
  readonly status: number | null;
  /** The lines that it has written to stdout. */
  readonly lines: string[];
  readonly stderr: string;
}

/** Runs the runtime in a folder, to its end. */
export async function runIn(
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: PATIENCE,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [status] = (await once(child, "close")) as [number | null];
  return { status, lines: stdout.split("\n").slice(0, -1), stderr };
}

/** Runs main.js, which must end well and say nothing to stderr. @returns the lines that it has written */
export async function runProgram(t: TestContext, files: Files, args: readonly string[] = []): Promise<string[]> {
  const { status, lines, stderr } = await runIn(folderWith(t, files), ["main.js", ...args]);
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" }, `it has written ${JSON.stringify(lines)}`);
  return lines;
}

export interface Threaded {
  readonly httpd: ThreadingHTTPServer;
  /** The lines of its log. */
  readonly log: string[];
  /** What its handlers see as well. */
  readonly words: Int32Array;
  readonly transport: MemoryTransport;
  /** Another client. */
  connect(): MemoryClient;
  /** Sends a request on a connection of its own, and waits for the response. */
  get(path: string): Promise<ReceivedResponse>;
  /** Lets so many handlers go on that are held; all of them, and all that follow, without a number. */
  release(count?: number): void;
  /** Waits until a word has come to a value. */
  wordIs(word: number, value: number): Promise<void>;
  /** Forgets what the words said. */
  reset(): void;
}

/**
 * Serves handlers of handlers.ts in threads, to clients in memory: what those have not taken nobody else holds for them.
 * @param owner whose `after` ends the server: a test, or node:test itself for all tests of a file
 */
export async function serve(
  owner: { after(task: () => unknown): unknown },
  Handler: RequestHandlerClass,
  options: ThreadingHTTPServerOptions = {},
): Promise<Threaded> {
  const log: string[] = [];
  const words = new Int32Array(new SharedArrayBuffer(4 * WORDS));
  const transport = new MemoryTransport();
  const all = { log: (line: string) => log.push(line), transport, threadData: words, ...options };
  const httpd = new ThreadingHTTPServer(["memory", 80], Handler, all);
  owner.after(async () => {
    httpd.serverClose();
    await httpd.shutdown();
  });
  await httpd.serverActivate();
  const connect = (): MemoryClient => new MemoryClient(transport);
  return {
    httpd,
    log,
    words,
    transport,
    connect,
    get: (path) => connect().ask(request("GET", path)),
    release(count = -1) {
      if (count < 0) Atomics.store(words, GO, -1);
      else Atomics.add(words, GO, count);
      Atomics.notify(words, GO);
    },
    wordIs: (word, value) => until(() => Atomics.load(words, word) === value, `word ${word} to be ${value}`),
    reset: () => void words.fill(0),
  };
}
