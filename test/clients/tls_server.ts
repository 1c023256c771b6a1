/** What the judges of TLS share: servers that speak HTTPS until their test ends, certificates, and runs of programs. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import tls from "node:tls";
import type { TestContext } from "node:test";
import {
  BaseHTTPRequestHandler,
  HTTPSServer,
  type HTTPSServerOptions,
  type RequestHandlerClass,
  selfSignedCertificate,
  type SelfSignedCertificate,
} from "plinth";
import { until } from "../server/support.ts";
import { runtime } from "../support/runtime.ts";

/** For node:test's `skip` option: these judges look at what `node:tls` does. Other runtimes have test/server/https.test.ts. */
export const elsewhere: string | false = runtime !== "node" && "it judges the TLS of Node";

/** The certificate of servers that are given no other. */
export const own: SelfSignedCertificate = selfSignedCertificate(["localhost", "127.0.0.1"]);

/** A certificate whose time is over. */
export function expiredCertificate(): SelfSignedCertificate {
  const { now } = Date;
  Date.now = () => now() - 365 * 24 * 60 * 60 * 1000;
  try {
    return selfSignedCertificate(["expired.example"]);
  } finally {
    Date.now = now;
  }
}

/** How large the content of /big is, in bytes. */
export const BIG = 3_000_001;
export const big = Buffer.alloc(BIG, "0123456789abcdef\n");
export const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** What a handler says of a request. */
export interface Said {
  readonly scheme: string;
  readonly serverName: string | null;
  /** The subject of the client's certificate. */
  readonly client: string | null;
}

/** Says what TLS has found out, and what content has come. */
export class Judged extends BaseHTTPRequestHandler {
  static module = import.meta.url;

  async do_GET(): Promise<void> {
    if (this.pathname === "/big") {
      this.sendResponse(200);
      this.sendHeader("Content-Length", BIG);
      this.endHeaders();
      return void (await this.wfile.write(big));
    }
    const { scheme, serverName } = this;
    const said: Said = { scheme, serverName, client: this.clientCertificate?.subject ?? null };
    this.sendJson(said);
  }

  async do_POST(): Promise<void> {
    const content = await this.rfile.read();
    this.sendText(`${content.length} ${hashOf(content)}`);
  }
}

export interface ServedTls {
  readonly httpd: HTTPSServer;
  readonly port: number;
  readonly log: string[];
}

/** Serves until the test ends. */
export async function serveTls(
  t: TestContext,
  options: HTTPSServerOptions = {},
  Handler: RequestHandlerClass = Judged,
): Promise<ServedTls> {
  const log: string[] = [];
  const { cert, key } = own;
  const certificate = "cert" in options || "certfile" in options ? {} : { cert, key };
  const all = { ...certificate, log: (line: string) => void log.push(line), ...options };
  const httpd = new HTTPSServer(["127.0.0.1", 0], Handler, all);
  t.after(() => httpd.serverClose());
  await httpd.serverActivate();
  return { httpd, port: httpd.serverAddress[1], log };
}

/** The lines of a log that say why a handshake has failed. */
export function failuresIn(log: readonly string[]): string[] {
  return log.filter((line) => line.includes("the TLS handshake has failed"));
}

/** Waits for a line that says why a handshake has failed; it must be the only one, and for this reason. Forgets the log. */
export async function expectFailure(log: string[], why: RegExp): Promise<void> {
  await until(() => failuresIn(log).length > 0, `a line in the log: ${why}`);
  assert.equal(failuresIn(log).length, 1, log.join("\n"));
  assert.match(log.join("\n"), why);
  log.length = 0;
}

/** A request on a connection of its own, by a client without faults. */
export async function askTls(port: number, options: tls.ConnectionOptions = {}): Promise<Said> {
  const socket = tls.connect({ port, host: "127.0.0.1", servername: "localhost", ca: own.cert, ...options });
  await once(socket, "secureConnect");
  let text = "";
  socket.on("data", (data: Buffer) => (text += data.toString("latin1")));
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  await once(socket, "end");
  socket.destroy();
  assert.match(text, /^HTTP\/1\.1 200 /);
  return JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4)) as Said;
}

/** A folder with files, until the test ends. @returns gives the path of a file by its name */
export function folderOf(t: TestContext, files: Readonly<Record<string, string>> = {}): (name: string) => string {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-tls-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  return (name) => path.join(folder, name);
}

export interface Ran {
  readonly status: number | null;
  /** What it has written to stdout, and to stderr. */
  readonly output: string;
}

/** Runs a program to its end, however that is. */
export async function runAnyhow(file: string, args: readonly string[], input = "", env = {}): Promise<Ran> {
  const child = spawn(file, args, { env: { ...process.env, ...env }, timeout: 60_000, killSignal: "SIGKILL" });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("latin1").on("data", (text: string) => (output += text));
  child.stdin.on("error", () => {}); // it may end before it has read this
  child.stdin.end(input);
  const [status] = (await once(child, "close")) as [number | null];
  return { status, output };
}
