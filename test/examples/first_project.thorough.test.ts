/** "Your first project" in README.md: the block works as it is pasted into a shell, in an empty folder. */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../support/free_port.ts";
import { root } from "../support/places.ts";
import { runtime } from "../support/runtime.ts";
import { requireProgram } from "../support/system.ts";

const curl = requireProgram("curl");

/** The section: what is pasted, what is asked behind it, and its text. */
async function readSection(): Promise<{ pasted: string; asked: string; text: string }> {
  const readme = await readFile(path.join(root, "README.md"), "utf8");
  const [, text] = /^## Your first project\n([^]*?)^## /m.exec(readme)!;
  const [, pasted] = /^```sh\n([^]*?)^```/m.exec(text)!;
  const [, asked] = /^```console\n([^]*?)^```/m.exec(text)!;
  return { pasted, asked, text };
}

/** How the section says that each runtime starts the file. */
const START = { node: "node server.mjs", bun: "bun server.mjs", deno: "deno run --allow-net server.mjs" };

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => resolve(false));
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}

test("the first project of README.md works as it is pasted", { skip: curl.skip }, async (t) => {
  const { pasted, asked, text } = await readSection();
  const start = START[runtime];
  assert.ok(runtime === "node" || text.includes(`\`${start}\``), `the section says ${start}`);
  assert.ok(pasted.endsWith(`\n${START.node}\n`), "the block ends by starting the server");
  const folder = await mkdtemp(path.join(tmpdir(), "plinth-first-"));
  t.after(() => rm(folder, { recursive: true, force: true }));

  const port = await freePort();
  const runs = start.replace(/^\w+/, "exec $RUNTIME");
  const commands = pasted
    .replaceAll("~/plinth", '"$CHECKOUT"')
    .replaceAll("8000", `${port}`)
    .replace(`\n${START.node}\n`, `\n${runs}\n`);
  const shell = spawn("sh", ["-e", "-c", commands], {
    cwd: folder,
    env: { ...process.env, CHECKOUT: root, RUNTIME: process.execPath },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [shell.stdout, shell.stderr]) stream.setEncoding("utf8").on("data", (text) => (said += text));
  let ended = false;
  const exit = once(shell, "exit").then(() => (ended = true));
  t.after(async () => {
    if (!ended) shell.kill("SIGKILL");
    await exit;
  });
  const deadline = performance.now() + 100_000;
  while (!(await isListening(port))) {
    assert.ok(
      !ended && performance.now() < deadline,
      `no server listens; the shell ${ended ? "ended and " : ""}said:\n${said}`,
    );
    await sleep(50);
  }

  for (const [, command, output] of asked.matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm)) {
    const heard = await new Promise<string>((resolve) => {
      const env = { ...process.env, CURL_HOME: folder, NO_PROXY: "*" };
      execFile("sh", ["-c", command.replaceAll("8000", `${port}`)], { env }, (_, stdout) => resolve(stdout));
    });
    assert.equal(heard.trimEnd(), output.trimEnd(), command);
  }
  assert.deepEqual(
    (await readdir(folder)).filter((name) => !name.endsWith(".tgz")).sort(),
    ["node_modules", "package-lock.json", "package.json", "server.mjs"],
    "the folder was empty",
  );
});
