/** Starts programs that serve, each in a process of its own. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { until } from "../server/support.ts";
import { programFile } from "../support/places.ts";
import { sendSignal } from "../support/system.ts";

/** A program that is running; it has said where. */
export interface Program {
  readonly port: number;
  /** Its origin, such as http://127.0.0.1:40001 */
  readonly origin: string;
  /** What it has written to stderr. */
  log(): string;
  /** Sends it SIGTERM. @returns its exit status */
  stop(): Promise<number | null>;
}

/** Starts a file of JavaScript with arguments; it ends with the test. */
export async function startProgram(t: TestContext, file: string, args: readonly string[] = []): Promise<Program> {
  const program: ChildProcess = spawn(process.execPath, [file, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  program.stdout!.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  const ended = once(program, "exit") as Promise<[number | null]>;
  program.stderr!.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  t.after(async () => {
    if (program.exitCode !== null || program.signalCode !== null) return;
    program.kill("SIGKILL");
    await ended;
  });
  const where = /http:\/\/127\.0\.0\.1:([0-9]+)\/\n/;
  await until(() => where.test(stdout) || program.exitCode !== null, `the start of ${file}`, 20_000);
  const [, port] = where.exec(stdout) ?? [];
  assert.ok(port !== undefined, `${file} has ended: ${stderr}`);
  const stop = async (): Promise<number | null> => {
    sendSignal(program, "SIGTERM");
    return (await ended)[0];
  };
  return { port: Number(port), origin: `http://127.0.0.1:${port}`, log: () => stderr, stop };
}

/** Starts examples/NAME.ts on a free port. */
export function startExample(t: TestContext, name: string): Promise<Program> {
  return startProgram(t, programFile(`examples/${name}`), ["0"]);
}
