/** What puts the load on, and what is looked at meanwhile. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
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

/** Runs load/transfer.mjs until it has told its result. */
async function transfer(port: number, direction: string, seconds = 0) {
  const file = fileURLToPath(new URL("bench/load/transfer.mjs", import.meta.resolve("plinth/package.json")));
  const child = spawn(process.execPath, [file, JSON.stringify({ port, direction, size: SIZE, seconds })]);
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
