/** What puts the load on, and what is looked at meanwhile. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import https from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import type { TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { selfSignedCertificate } from "plinth";
import { requireProgram } from "../support/system.ts";
import { importBench } from "./import.ts";
import { testOnNode as test } from "../support/runtime.ts";

const wrkProgram = requireProgram("wrk");
const onLinux = process.platform === "linux" ? false : "reads Linux's /proc";

const { wrk } = await importBench<{
  wrk(server: object, what: object): Promise<Record<"perSecond" | "responseBytes" | "loadBusy" | "broken", number>>;
}>("lib/wrk.mjs");
const { writeRequests } = await importBench<{ writeRequests(requests: readonly Uint8Array[]): string }>(
  "lib/requests_file.mjs",
);
const { cpuBetween, mostFiles } = await importBench<{
  cpuBetween(before: object, after: object): number;
  mostFiles(limits: string): number;
}>("lib/usage.mjs");

async function serve(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const ask = (target: string) => Buffer.from(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);

test("wrk sends ready-made requests in turns, and several at once", { skip: onLinux || wrkProgram.skip }, async (t) => {
  const targets = new Map<string, number>();
  const port = await serve(t, ({ url = "" }, response) => {
    targets.set(url, (targets.get(url) ?? 0) + 1);
    response.end("right");
  });
  const server = { name: "it", pid: process.pid, port };
  const file = writeRequests([ask("/a"), ask("/b")]);
  const found = await wrk(server, { file, connections: 2, seconds: 1 });
  assert.ok(found.perSecond > 0 && found.broken === 0, JSON.stringify(found));
  assert.ok(found.loadBusy > 0 && found.loadBusy < 1.1, `busy: ${found.loadBusy}`);
  assert.ok(found.responseBytes > 100 && found.responseBytes < 250, `${found.responseBytes} bytes`);
  const [a = 0, b = 0] = [targets.get("/a"), targets.get("/b")];
  assert.ok(a > 0 && Math.abs(a - b) <= 4, `${a} and ${b}`);

  const many = writeRequests([Buffer.concat([ask("/c"), ask("/c"), ask("/c")])]);
  const { responseBytes } = await wrk(server, { file: many, connections: 2, seconds: 1 });
  // It counts three responses for a piece.
  assert.ok(Math.abs(responseBytes / found.responseBytes - 1) < 0.05, `${responseBytes} and ${found.responseBytes}`);
});

test(
  "a server that ends connections unannounced is forgiven only if it shall",
  { skip: onLinux || wrkProgram.skip },
  async (t) => {
    const port = await serve(t, (_request, response) => {
      response.removeHeader("Connection");
      response.socket?.end("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7");
    });
    const server = { name: "it", pid: process.pid, port };
    const what = { file: writeRequests([ask("/")]), connections: 2, seconds: 1 };
    const { perSecond } = await wrk(server, { ...what, ends: true });
    assert.ok(perSecond > 0, `${perSecond}`);
    await assert.rejects(wrk(server, what), /connections failed/);
  },
);

const SIZE = 3_000_000;

const loadFile = (name: string): string =>
  fileURLToPath(new URL(`bench/load/${name}`, import.meta.resolve("plinth/package.json")));

/** Runs load/transfer.mjs until it has told its result. */
async function transfer(port: number, direction: string, seconds = 0, ca?: string) {
  const orders = { port, ca, direction, size: SIZE, seconds };
  const child = spawn(process.execPath, [loadFile("transfer.mjs"), JSON.stringify(orders)]);
  const [output] = await Promise.all([text(child.stdout), once(child, "close")]);
  return JSON.parse(output) as { passes?: number; chunked?: boolean; error?: string };
}

test("a download is read to its end, by its length or in chunks, and one of another size is refused", async (t) => {
  const port = await serve(t, (_request, response) => {
    response.writeHead(200, { "Content-Length": SIZE }).end(Buffer.alloc(SIZE, "p"));
  });
  const { passes, chunked } = await transfer(port, "download", 0.05);
  assert.ok(passes !== undefined && passes >= 1 && chunked === false);

  const coded = await serve(t, (_request, response) => {
    // More than the size is there before the end is, since chunks have frames.
    for (let i = 0; i < 30; i++) response.write(Buffer.alloc(SIZE / 30, "p"));
    setImmediate(() => response.end());
  });
  const again = await transfer(coded, "download", 0.1);
  assert.equal(again.error, undefined);
  assert.ok(again.passes !== undefined && again.passes >= 1 && again.chunked === true, JSON.stringify(again));

  const short = await serve(t, (_request, response) => {
    response.end("p");
  });
  assert.match((await transfer(short, "download")).error ?? "", /announces 1 bytes, not 3000000/);
});

test("an upload is sent again and again, also to a server that ends the connection behind each", async (t) => {
  for (const closes of [false, true]) {
    let connections = 0;
    const port = await serve(t, (request, response) => {
      connections++;
      let length = 0;
      request.on("data", (chunk: Buffer) => (length += chunk.length));
      request.on("end", () => {
        const body = JSON.stringify({ length });
        response.shouldKeepAlive = !closes;
        response.writeHead(200, { "Content-Length": body.length }).end(body);
      });
    });
    const { passes, error } = await transfer(port, "upload", 0.1);
    assert.equal(error, undefined);
    assert.equal(passes, connections);
  }
  const wrong = await serve(t, (request, response) => {
    request.resume().on("end", () => response.writeHead(200, { "Content-Length": 12 }).end('{"length":1}'));
  });
  assert.match((await transfer(wrong, "upload")).error ?? "", /responded \{"length":1\} to 3000000 bytes/);
});

const { cert, key } = selfSignedCertificate(["127.0.0.1"]);

/** Serves over TLS, and notes of each connection what was agreed on. */
async function serveTls(t: TestContext, listener: RequestListener): Promise<{ port: number; agreed: string[] }> {
  const agreed: string[] = [];
  const server = https.createServer({ cert, key }, listener);
  server.on("secureConnection", (socket: TLSSocket) => {
    agreed.push(`${socket.getProtocol()} ${socket.getCipher().name}${socket.isSessionReused() ? ", resumed" : ""}`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, agreed };
}

/** What the load offers, which is the same for all servers. */
const OFFERED = "TLSv1.3 TLS_AES_128_GCM_SHA256";

const preloads = requireProgram("gcc");

test(
  "over TLS, wrk makes a whole handshake for each connection that the server ends",
  { skip: onLinux || wrkProgram.skip || preloads.skip },
  async (t) => {
    const { port, agreed } = await serveTls(t, (_request, response) => response.end("right"));
    const server = { name: "it", pid: process.pid, port, ca: cert };
    await wrk(server, { file: writeRequests([ask("/")]), connections: 2, seconds: 1 });
    assert.deepEqual(agreed, [OFFERED, OFFERED]);

    agreed.length = 0;
    const closing = Buffer.from("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const { perSecond } = await wrk(server, { file: writeRequests([closing]), connections: 2, seconds: 1, ends: true });
    assert.ok(perSecond > 0 && agreed.length > 2, `${perSecond}, ${agreed.length}`);
    assert.deepEqual([...new Set(agreed)], [OFFERED]);
  },
);

test("contents go over TLS in both directions, to the server whose certificate is trusted", async (t) => {
  const { port, agreed } = await serveTls(t, (request, response) => {
    if (request.method === "GET") return response.writeHead(200, { "Content-Length": SIZE }).end(Buffer.alloc(SIZE));
    let length = 0;
    request.on("data", (chunk: Buffer) => (length += chunk.length));
    request.on("end", () => {
      const body = JSON.stringify({ length });
      response.writeHead(200, { "Content-Length": body.length }).end(body);
    });
  });
  for (const direction of ["upload", "download"]) {
    const { passes, error } = await transfer(port, direction, 0.1, cert);
    assert.equal(error, undefined);
    assert.ok(passes !== undefined && passes >= 1);
  }
  assert.deepEqual(agreed, [OFFERED, OFFERED]);
  const other = selfSignedCertificate(["127.0.0.1"]).cert;
  assert.match((await transfer(port, "download", 0, other)).error ?? "", /self-signed/);
});

test("connections stall that say nothing, or half of a ClientHello", async (t) => {
  const sockets = new Set<Socket>();
  const said: Buffer[] = [];
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("data", (bytes: Buffer) => said.push(bytes)).on("error", () => {});
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  for (const kind of ["silent", "half"]) {
    said.length = 0;
    const child = spawn(process.execPath, [loadFile("stalled.mjs"), JSON.stringify({ port, connections: 3, kind })]);
    try {
      const [line] = (await once(createInterface(child.stdout), "line")) as [string];
      assert.deepEqual(JSON.parse(line), { open: 3, failures: {} });
      while (kind === "half" && said.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
      for (const bytes of said) {
        assert.equal(bytes[0], 22, "a record of a handshake");
        assert.ok(bytes.length > 9 && bytes.length < bytes.readUInt16BE(3), "of which a part is missing");
      }
      assert.equal(said.length, kind === "half" ? 3 : 0);
    } finally {
      child.kill("SIGKILL");
    }
  }
});

test("a thread that has come and gone between two looks is counted with its process", { skip: onLinux }, () => {
  const look = (ticks: number, ...threads: [string, number][]) => ({ ticks, threads: new Map(threads) });
  const before = look(100, ["1", 5e8]);
  assert.equal(cpuBetween(before, look(151, ["1", 1e9])), 0.5);
  assert.equal(cpuBetween(before, look(150, ["1", 8e8], ["2", 2e8])), 0.5);
  // A second's work, of which the threads that are left have done half.
  assert.equal(cpuBetween(before, look(200, ["1", 1e9])), 1);
  assert.equal(cpuBetween(before, look(150, ["2", 1e9])), 0.5);
});

test("the limit of open files is read", () => {
  const limits =
    "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n";
  assert.equal(mostFiles(limits), 1024);
  assert.equal(mostFiles(limits.replace("1024", "unlimited")), Infinity);
});
