/**
 * "Behind a proxy" in docs/GUIDE.md: its program behind a real nginx and a real HAProxy, each with the very configuration that the page
 * prints, but for the ports. Whatever a client sends, the program knows its address.
 */
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import process from "node:process";
import { test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { freePort } from "../support/free_port.ts";
import { fromSources, root } from "../support/places.ts";
import { readResponses } from "../support/responses.ts";
import { requireProgram } from "../support/system.ts";
import { until } from "../server/support.ts";
import { type Program, startProgram } from "./programs.ts";

const [, section] = /^### The client's address\n([^]*?)\n##/m.exec(
  readFileSync(path.join(root, "docs/GUIDE.md"), "utf8"),
)!;

/** The only block of a language in the section. */
function blockOf(language: string): string {
  const blocks = [...section.matchAll(/^```(\w+)\n([^]*?)^```/gm)].filter(([, name]) => name === language);
  assert.equal(blocks.length, 1, language);
  return blocks[0][2];
}

/** Replaces what must be there, once. */
function replaceOne(text: string, wanted: string, by: string): string {
  assert.equal(text.split(wanted).length, 2, `${wanted} in ${text}`);
  return text.replace(wanted, () => by);
}

/** A folder inside the package, where the name "plinth" means it; if it is ever left behind, scripts/prepare.mjs clears it away. */
function folderOf(t: TestContext): string {
  const folder = path.join(root, `.aside-proxies-${process.pid}`);
  mkdirSync(folder);
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts the program of the page, on a free port. */
async function startHandler(t: TestContext, folder: string): Promise<Program> {
  const code = replaceOne(blockOf("ts"), ", 8000]", ", 0]");
  const said = "console.log(`http://127.0.0.1:${httpd.serverAddress[1]}/`);";
  const told = replaceOne(code, "await httpd.serve", `await httpd.serverActivate();\n${said}\nawait httpd.serve`);
  const file = path.join(folder, "server.ts");
  writeFileSync(file, told);
  if (fromSources) return startProgram(t, file);
  const compiler = path.join(root, "node_modules/typescript/bin/tsc");
  const options = "--ignoreConfig --module nodenext --target es2022 --lib es2023 --types node".split(" ");
  await promisify(execFile)(process.execPath, [compiler, ...options, file], { cwd: folder });
  return startProgram(t, path.join(folder, "server.js"));
}

/** Starts a proxy, which stays in the foreground, and waits until it listens. It ends with the test. */
async function startProxy(t: TestContext, file: string, args: readonly string[], port: number): Promise<void> {
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  const ended = once(child, "close");
  t.after(async () => {
    child.kill("SIGTERM");
    await ended;
  });
  let listens = false;
  const look = (): void => {
    const socket = net.connect(port, "127.0.0.1", () => {
      listens = true;
      socket.destroy();
    });
    socket.on("error", () => setTimeout(look, 20));
  };
  look();
  await until(() => listens || child.exitCode !== null, `${file} to listen`, 20_000);
  assert.equal(child.exitCode, null, output);
}

/** Changes a page's configuration. */
type Change = (configuration: string) => string;

async function startNginx(
  t: TestContext,
  file: string,
  folder: string,
  backend: number,
  change: Change,
): Promise<number> {
  const port = await freePort();
  const page = replaceOne(change(blockOf("nginx")), "listen 80;", `listen 127.0.0.1:${port};`);
  writeFileSync(path.join(folder, "plinth.conf"), replaceOne(page, "127.0.0.1:8000", `127.0.0.1:${backend}`));
  // What stands around such a file where nginx is installed, but nothing outside of the folder, and one process.
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  writeFileSync(
    path.join(folder, "nginx.conf"),
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr;
    events {}
    http {
      access_log off;
      ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}
      include ${folder}/plinth.conf;
    }`,
  );
  await startProxy(t, file, ["-e", "stderr", "-p", folder, "-c", `${folder}/nginx.conf`], port);
  return port;
}

async function startHAProxy(
  t: TestContext,
  file: string,
  folder: string,
  backend: number,
  change: Change,
): Promise<number> {
  const port = await freePort();
  const page = replaceOne(change(blockOf("haproxy")), "bind :80", `bind 127.0.0.1:${port}`);
  const config = path.join(folder, "haproxy.cfg");
  writeFileSync(config, replaceOne(page, "127.0.0.1:8000", `127.0.0.1:${backend}`));
  await startProxy(t, file, ["-db", "-f", config], port);
  return port;
}

/** Where the clients are: not where the proxies are. */
const CLIENT = "127.0.0.2";
const INVENTED = "192.0.2.7";

/** Sends a request with these lines, and gives all that comes: one response. */
async function ask(port: number, lines: readonly string[], content = ""): Promise<string> {
  const socket = net.connect({ port, host: "127.0.0.1", localAddress: CLIENT });
  const head = ["GET / HTTP/1.1", "Host: a", ...lines, "Connection: close", "", ""];
  socket.write(Buffer.from(head.join("\r\n") + content, "latin1"));
  let text = "";
  socket.setEncoding("latin1").on("data", (piece: string) => (text += piece));
  await once(socket, "close");
  assert.equal(readResponses(text, ["GET"], true, "any server").length, 1);
  return text;
}

const spoofs: readonly (readonly string[])[] = [
  [],
  ...["X-Forwarded-For", "x-forwarded-for", "X-FORWARDED-FOR", "X-Real-IP", "X-Client-IP", "X_Forwarded_For"].map(
    (name) => [`${name}: ${INVENTED}`],
  ),
  [`Forwarded: for=${INVENTED}`, `Forwarded: for="${INVENTED}";by=${INVENTED}`],
  [`X-Forwarded-For: ${INVENTED}`, `X-Forwarded-For: ${INVENTED}, ${INVENTED}`, `x-forwarded-for: ${INVENTED}`],
  [`X-Forwarded-For: ${INVENTED},`, "X-Forwarded-For: ,,"],
  ["X-Forwarded-For: "],
  // Quotation marks that would take in what a proxy appends.
  [`X-Forwarded-For: "${INVENTED}`, 'X-Forwarded-For: "'],
  [`X-Forwarded-For: "${INVENTED}\\`],
  // Fields that would go no further than to the next server.
  [`X-Forwarded-For: ${INVENTED}`, "Connection: X-Forwarded-For", "Connection: keep-alive, x-forwarded-for"],
  ["Connection: x-forwarded-for, x-real-ip, forwarded", `X-Real-IP: ${INVENTED}`],
];

const asPrinted: Change = (configuration) => configuration;

for (const { name, start, adding } of [
  {
    name: "nginx",
    start: startNginx,
    adding: (configuration: string) =>
      replaceOne(configuration, "X-Forwarded-For $remote_addr", "X-Forwarded-For $proxy_add_x_forwarded_for"),
  },
  {
    name: "haproxy",
    start: startHAProxy,
    adding: (configuration: string) =>
      replaceOne(configuration, "http-request set-header X-Forwarded-For %[src]", "option forwardfor"),
  },
] as const) {
  const proxy = requireProgram(name);
  test(`the program of the guide behind ${name} knows its clients, whatever they send`, proxy, async (t) => {
    const folder = folderOf(t);
    const program = await startHandler(t, folder);
    for (const [what, change] of Object.entries({ "as printed": asPrinted, "adding the address": adding })) {
      const port = await start(t, proxy.path, folder, program.port, change);
      for (const lines of spoofs) {
        const response = await ask(port, lines);
        assert.match(response, /^HTTP\/1\.1 200 OK\r\n/, lines.join("\n"));
        assert.ok(response.endsWith(`Hello ${CLIENT}\n`), `${what}: ${lines.join("\n")}\n\n${response}`);
      }
      const trailers = await ask(port, ["Transfer-Encoding: chunked"], `0\r\nX-Forwarded-For: ${INVENTED}\r\n\r\n`);
      assert.match(trailers, new RegExp(`Hello ${CLIENT}\n`));
      // A name that is cut in two must not come through as the field.
      assert.doesNotMatch(await ask(port, [`X-Forwarded-For : ${INVENTED}`]), new RegExp(INVENTED));
    }

    // Without the proxy, anybody is believed: so the above has shown something.
    assert.ok((await ask(program.port, spoofs[1])).endsWith(`Hello ${INVENTED}\n`));
    await until(() => program.log().includes(`\n${INVENTED} `), "its line in the log");
    const clients = new Set(Array.from(program.log().matchAll(/^\S+/gm), ([client]) => client));
    assert.deepEqual([...clients], [CLIENT, INVENTED], "and so the log says");
  });
}
