/** The units in deploy/: systemd takes them, they fit the server's defaults, and what systemd hands over is what the server listens on. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import { promisify } from "node:util";
import { programFile, root } from "./support/places.ts";
import { requireProgram, sendSignal } from "./support/system.ts";
import { until } from "./server/support.ts";

const UNITS = ["plinth.socket", "plinth.service"].map((name) => path.join(root, "deploy", name));
const [socketUnit, serviceUnit] = UNITS.map((file) => readFileSync(file, "utf8"));
const analyze = requireProgram("systemd-analyze");
const activate = requireProgram("systemd-socket-activate");

/** What a unit says for a name, once. */
function setting(unit: string, name: string): string {
  const values = [...unit.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))];
  assert.equal(values.length, 1, name);
  return values[0][1];
}

/** The default of an option, in the table of the guide. */
function defaultOf(option: string): number {
  const guide = readFileSync(path.join(root, "docs/GUIDE.md"), "utf8");
  const [, value] = new RegExp(`^\\| \`${option}\` +\\| [^|]+\\| ([0-9,]+)(?: m?s)? +\\|`, "m").exec(guide)!;
  return Number(value.replaceAll(",", ""));
}

test("systemd finds nothing to say against them", { skip: analyze.skip }, async () => {
  const { stdout, stderr } = await promisify(execFile)(analyze.path, ["verify", ...UNITS]);
  assert.deepEqual([stdout, stderr], ["", ""]);
});

test("their figures fit the server's defaults", () => {
  assert.equal(Number(setting(socketUnit, "Backlog")), defaultOf("requestQueueSize"));
  assert.ok(Number(setting(serviceUnit, "TimeoutStopSec")) > defaultOf("shutdownTimeout"));
  assert.ok(Number(setting(serviceUnit, "LimitNOFILE")) > defaultOf("maxConnections") + 500);
});

test("what the service starts is a file of a built project", () => {
  const [, file] = /^\/usr\/bin\/env node \/opt\/plinth\/(.+)$/.exec(setting(serviceUnit, "ExecStart"))!;
  const source = file.replace(/^dist\//, "").replace(/\.js$/, ".ts");
  assert.ok(existsSync(path.join(root, source)), source);
});

/** Asks by a Unix socket: a path is there a moment before somebody listens. */
async function askOnce(socketPath: string, target: string): Promise<http.IncomingMessage> {
  for (let i = 0; ; i++) {
    try {
      const request = http.get({ socketPath, path: target, agent: false });
      return ((await once(request, "response")) as [http.IncomingMessage])[0];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ECONNREFUSED" || i === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

test("systemd starts the addition server with a socket at the first connection", { skip: activate.skip }, async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const socketPath = path.join(folder, "socket");
  const command = [process.execPath, programFile("apps/addition/main"), "--log", "none"];
  const child = spawn(activate.path, ["--listen", socketPath, "--setenv", `PATH=${process.env["PATH"]}`, ...command], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = once(child, "close") as Promise<[number | null]>;
  t.after(() => child.exitCode === null && child.kill("SIGKILL"));
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
  await until(() => existsSync(socketPath), "the socket");
  // The first has been in the socket since before the server was there.
  for (const sum of [7, 8]) {
    const response = await askOnce(socketPath, `/?val_a=3&val_b=${sum - 3}`);
    let text = "";
    for await (const piece of response) text += String(piece);
    assert.deepEqual(JSON.parse(text), { sum });
  }
  assert.equal(said, "The addition server is on the socket that it was started with (Ctrl-C stops it).\n\n");
  sendSignal(child, "SIGTERM");
  assert.deepEqual(await ended, [0, null]);
});
