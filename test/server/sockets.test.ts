/** What concerns sockets: Unix sockets and their files, IPv6, connections half open. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { BaseHTTPRequestHandler, HTTPServer } from "plinth";
import { beside, connect, Gate, GET, onSocket, post, request, until } from "./support.ts";

class Handler extends BaseHTTPRequestHandler {
  do_GET(): void {
    this.sendResponse(200);
    this.endHeaders();
    this.wfile.write(JSON.stringify(this.clientAddress));
  }

  async do_POST(): Promise<void> {
    const content = await this.rfile.read();
    this.sendResponse(200);
    this.endHeaders();
    this.wfile.write(content);
  }
}

async function folder(t: TestContext): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), "plinth-"));
  t.after(() => rm(made, { recursive: true, force: true }));
  return made;
}

test("a server on a Unix socket", async (t) => {
  const file = path.join(await folder(t), "socket");
  const server = await onSocket(t, Handler, {}, file);
  assert.deepEqual(server.httpd.serverAddress, [file, 0]);
  const peer = await server.connect();
  assert.equal((await peer.ask(GET)).body, '["",0]');
  assert.equal((await peer.ask(post("hello"))).body, "hello");
  assert.match(server.log[0], /^- - - \[/);
  await peer.send("bad\r\n\r\n");
  await peer.endOfConnection();
  assert.match(server.log.at(-1)!, /^- - - \[.*\] - refused: METHOD_INVALID/);
  await peer.end();
  await server.httpd.shutdown();
  assert.equal(existsSync(file), false, "its file goes with it");
});

test("a Unix socket that somebody serves is in use", async (t) => {
  const file = path.join(await folder(t), "socket");
  const server = await onSocket(t, Handler, {}, file);
  const second = new HTTPServer(file, Handler, { log: "none" });
  await assert.rejects(second.serverActivate(), { code: "EADDRINUSE" });
  assert.equal((await (await server.connect()).ask(GET)).status, 200, "the first goes on");
});

test("the file that a killed server left behind is no hindrance", async (t) => {
  const file = path.join(await folder(t), "socket");
  const code = `require("node:net").createServer().listen(${JSON.stringify(file)}, () => console.log("ready"))`;
  const killed = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  await once(killed.stdout, "data");
  killed.kill("SIGKILL");
  await once(killed, "exit");
  assert.equal(existsSync(file), true);
  const server = await onSocket(t, Handler, {}, file);
  assert.equal((await (await server.connect()).ask(GET)).status, 200);
});

test("a file that is no socket is not removed", async (t) => {
  const file = path.join(await folder(t), "thesis.txt");
  await writeFile(file, "years of work");
  const httpd = new HTTPServer(file, Handler, { log: "none" });
  t.after(() => httpd.serverClose());
  await assert.rejects(httpd.serverActivate(), { code: "EADDRINUSE" });
  assert.equal(await readFile(file, "utf8"), "years of work");
});

test("a response cut short on a Unix socket, which knows no resets, ends the connection and nothing else", async (t) => {
  const gate = new Gate();
  class Failing extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write("partial");
      await gate.opened;
      throw new Error("no");
    }
  }
  const server = await onSocket(t, Failing, {}, path.join(await folder(t), "socket"));
  const peer = await server.connect();
  await peer.send(request("GET", "/", "1.0"));
  await until(() => peer.text.endsWith("partial"), "the first of the content");
  gate.open();
  await peer.endOfConnection();
});

const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === "::1"));

const NO_IPV6 = "this machine has no IPv6 address ::1";

test("a server on IPv6", { skip: !hasIPv6 && NO_IPV6 }, async (t) => {
  const server = await onSocket(t, Handler, {}, ["::1", 0]);
  assert.equal(server.httpd.serverAddress[0], "::1");
  const peer = await server.connect();
  const [host, port] = JSON.parse((await peer.ask(GET)).body) as unknown[];
  assert.deepEqual([host, port], ["::1", peer.socket.localPort]);
  const second = new HTTPServer(server.httpd.serverAddress, Handler, { log: "none" });
  await assert.rejects(second.serverActivate(), /^Error: cannot listen on \[::1\]:\d+: /);
});

test("an IPv4 client has an IPv4 address where IPv6 is served as well", { skip: !hasIPv6 && NO_IPV6 }, async (t) => {
  const server = await onSocket(t, Handler, {}, ["", 0]);
  for (const host of ["127.0.0.1", "::1"]) {
    const peer = await connect(t, [host, server.httpd.serverAddress[1]]);
    assert.deepEqual(JSON.parse((await peer.ask(GET)).body), [host, peer.socket.localPort]);
    assert.ok(server.log.at(-1)!.startsWith(`${host} - - [`), server.log.at(-1));
    await peer.send("bad\r\n\r\n");
    await peer.endOfConnection();
    assert.ok(server.log.at(-1)!.includes(`] ${host} refused: METHOD_INVALID`), server.log.at(-1));
  }
});

test("a client that was gone when it was accepted has a word in the log", async (t) => {
  const server = await onSocket(t, Handler);
  // Nothing is accepted here while another process connects, sends and ends.
  const [, port] = server.httpd.serverAddress;
  const code =
    `const client = require("node:net").connect(${port}, "127.0.0.1", () => ` +
    `client.write("bad\\r\\n\\r\\n", () => client.resetAndDestroy()));`;
  spawnSync(process.execPath, ["-e", code], { stdio: ["ignore", "ignore", "inherit"] });
  assert.equal((await (await server.connect()).ask(GET)).status, 200);
  for (const line of server.log) assert.match(line, /^127\.0\.0\.1 - - \[|^- - - \[.*\] - refused: /);
});

test("a client that ends its side at once, or in the middle, is let go", async (t) => {
  const server = await onSocket(t, Handler);
  for (const [text, status] of [
    ["", null],
    ["\r\n", null],
    ["GET / HT", 400],
    ["GET / HTTP/1.1\r\n", 400],
    ["GET / HTTP/1.1\r\nHost: a\r\n", 400],
    [post("hello").slice(0, -1), 400],
    [GET, 200],
    [`${GET}GET /`, 200],
  ] as const) {
    const peer = await server.connect();
    peer.socket.end(text);
    await until(() => peer.closed, `the end of the connection after ${JSON.stringify(text)}`);
    assert.equal(peer.error, undefined);
    assert.equal(peer.reading.responses[0]?.status ?? null, status, text);
  }
});

test("a refusal reaches a client that is still sending", async (t) => {
  const server = await onSocket(t, Handler, { maxBodySize: 1000 });
  const socket = net.connect(server.httpd.serverAddress[1], "127.0.0.1");
  t.after(() => socket.destroy());
  let text = "";
  socket.on("data", (data: Buffer) => (text += data.toString()));
  socket.on("error", () => {});
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${16 * 1024 * 1024}\r\n\r\n`);
  socket.end(Buffer.alloc(16 * 1024 * 1024));
  await once(socket, "close");
  assert.match(text, /^HTTP\/1\.1 413 [^]*BODY_TOO_LARGE/);
});

test("peers that break off at any point leave nothing behind", async (t) => {
  const server = await onSocket(t, Handler);
  const messages = [GET, post("x".repeat(50_000)), GET.repeat(200)];
  for (let i = 0; i < 150; i++) {
    const message = messages[i % messages.length];
    const peer = await connect(t, server.httpd.serverAddress);
    peer.socket.write(message.slice(0, Math.ceil((message.length * i) / 150)));
    if (i % 2 === 0) peer.socket.resetAndDestroy();
    else peer.destroy();
  }
  assert.equal((await (await server.connect()).ask(GET)).status, 200);
  assert.deepEqual(
    beside(server.log).filter((line) => !/ refused: | code 400, message Bad Request$/.test(line)),
    [],
  );
});
