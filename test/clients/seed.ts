/** The servers that clients are set on: examples/seed.ts as its own program, and one of the same kind in this process. */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import type { TestContext } from "node:test";
import { BaseHTTPRequestHandler, HTTPServer } from "plinth";
import { freePort } from "../support/free_port.ts";
import { programFile } from "../support/places.ts";

const PROGRAM = programFile("examples/seed");

export interface Seed {
  readonly port: number;
  /** What it has written to stderr. */
  log(): string;
}

/** Starts examples/seed.ts; it ends with the test. */
export async function startSeed(t: TestContext): Promise<Seed> {
  for (let tries = 1; ; tries++) {
    const port = await freePort();
    const seed = spawn(process.execPath, [PROGRAM], {
      env: { ...process.env, PORT: String(port) },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let log = "";
    seed.stderr.setEncoding("utf8").on("data", (text: string) => (log += text));
    t.after(async () => {
      if (seed.exitCode !== null || seed.signalCode !== null) return;
      seed.kill("SIGKILL");
      await once(seed, "exit");
    });
    if (await responses(port, seed)) return { port, log: () => log };
    // Somebody may have taken the port in between.
    assert.ok(tries < 3, `examples/seed.ts does not start: ${log}`);
  }
}

/** Waits until the program accepts connections, or has ended. */
async function responses(port: number, seed: ChildProcess): Promise<boolean> {
  for (let i = 0; i < 1000 && seed.exitCode === null; i++) {
    const socket = net.connect(port, "127.0.0.1");
    const connected = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    if (connected) return seed.exitCode === null;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}

/** What the seed's handler does, and more that clients can do. */
class AddingHandler extends BaseHTTPRequestHandler {
  async do_GET(): Promise<void> {
    const content = await this.rfile.read();
    const { val_a, val_b } = JSON.parse(content.toString("utf8")) as { val_a: number; val_b: number };
    this.sendResponse(200);
    this.sendHeader("Content-Type", "application/json");
    this.endHeaders();
    this.wfile.write(JSON.stringify({ sum: val_a + val_b }));
  }

  async do_POST(): Promise<void> {
    await this.do_GET();
  }

  do_HEAD(): void {
    this.sendResponse(200);
    this.sendHeader("Content-Length", 9);
    this.endHeaders();
  }

  do_RICKROLL(): void {
    this.sendResponse(200);
    this.endHeaders();
    this.wfile.write("Never gonna give you up\n");
  }

  /** Says what came, as a stream with a trailer, behind a hint for those who can take one. */
  async do_PUT(): Promise<void> {
    if (this.headers.has("X-Hint")) this.sendInformational(103, { Link: "</style.css>; rel=preload" });
    this.sendResponse(200);
    this.sendHeader("Trailer", "Length");
    this.endHeaders();
    let length = 0;
    for (let bytes; (bytes = await this.rfile.read(10_000)).length > 0; length += bytes.length) {
      await this.wfile.write(bytes);
    }
    this.sendTrailer("Length", length);
    if (this.trailers !== undefined) this.sendTrailer("Came-With", [...this.trailers].join("; "));
  }
}

/** Serves in this process until the test ends. */
export async function startAdder(t: TestContext): Promise<{ port: number; log: string[] }> {
  const log: string[] = [];
  const options = { log: (line: string) => log.push(line), informational: "always" } as const;
  const httpd = new HTTPServer(["127.0.0.1", 0], AddingHandler, options);
  await httpd.serverActivate();
  t.after(() => httpd.serverClose());
  return { port: httpd.serverAddress[1], log };
}

/** Runs a program to its end. */
export function run(
  file: string,
  args: readonly string[],
  input?: string,
): Promise<{ stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = execFile(file, args, { timeout: 60_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${file} has failed: ${error.message}\n${stdout}${stderr}`));
      else resolve({ stdout, stderr });
    });
    child.stdin!.end(input);
  });
}
