/** The addition server as a program, for its tests. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { TestContext } from "node:test";
import tls from "node:tls";
import { connect, SocketClient, until } from "../../server/support.ts";
import { programFile } from "../../support/places.ts";
import { runtime } from "../../support/runtime.ts";

const PROGRAM = programFile("apps/addition/main");

/** The program, running. */
export class Program {
  readonly process: ChildProcess;
  stdout = "";
  stderr = "";
  readonly ended: Promise<{ status: number | null; signal: string | null }>;

  /** @param files the most files that it may have open; as many as this process where left out */
  constructor(args: readonly string[], files?: number) {
    const run = runtime === "deno" && files !== undefined ? ["run", "--allow-all"] : []; // Deno's own spawn adds them by itself
    const command = [process.execPath, ...run, PROGRAM, ...args];
    if (files !== undefined) command.unshift("sh", "-c", `ulimit -n ${files} && exec "$0" "$@"`);
    this.process = spawn(command[0], command.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
    this.process.stdout!.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.process.stderr!.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.ended = once(this.process, "close").then(([status, signal]) => ({ status, signal }) as never);
  }

  /** Waits until it has said where it is. */
  async start(): Promise<this> {
    await until(() => this.stdout.endsWith("\n\n") || this.process.exitCode !== null, "the program's start");
    assert.equal(this.process.exitCode, null, this.stderr);
    return this;
  }

  get url(): URL {
    return new URL(/^The addition server is at (https?:\S+) /.exec(this.stdout)![1]);
  }

  /** The file with the certificate that curl is told to trust. */
  get certificateFile(): string {
    return /CURL_CA_BUNDLE=(\S+)/.exec(this.stdout)![1];
  }

  async connect(t: TestContext): Promise<SocketClient> {
    const { protocol, hostname, port } = this.url;
    const client = await connect(t, [hostname.replace(/^\[|\]$/g, ""), Number(port)]);
    if (protocol === "http:") return client;
    client.socket.removeAllListeners("data");
    const ca = readFileSync(this.certificateFile);
    const secured = tls.connect({ socket: client.socket, ca, servername: "localhost", ALPNProtocols: ["http/1.1"] });
    await once(secured, "secureConnect");
    return new SocketClient(secured);
  }

  async stop(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.ended;
  }
}

/** Starts the program; it ends with the test. */
export async function start(t: TestContext, ...args: string[]): Promise<Program> {
  const program = new Program(args);
  t.after(() => program.stop());
  return program.start();
}
