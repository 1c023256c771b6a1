/** A client that leaves in the middle of its content: whoever had begun to read hears of it, and nobody else has to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BaseHTTPRequestHandler, HTTPServer, MemoryTransport, PeerGoneError } from "plinth";
import { z } from "zod";
import { beside } from "../server/support.ts";

type Run = (this: BaseHTTPRequestHandler) => unknown;

function serverOf(run: Run, lines: string[] = []): { httpd: HTTPServer; transport: MemoryTransport } {
  class Handler extends BaseHTTPRequestHandler {
    async do_POST(): Promise<void> {
      await run.call(this);
    }
  }
  const transport = new MemoryTransport();
  return { transport, httpd: new HTTPServer(["memory", 1], Handler, { transport, log: (line) => lines.push(line) }) };
}

/** What nobody heard of while a client left in the middle of its content. */
async function unheardWhenTheClientLeaves(run: Run, lines: string[] = []): Promise<unknown[]> {
  const unheard: unknown[] = [];
  const listener = (error: unknown) => unheard.push(error);
  process.on("unhandledRejection", listener);
  const { httpd, transport } = serverOf(run, lines);
  await httpd.serverActivate();
  const client = transport.connect();
  await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
  client.destroy();
  await sleep(20);
  await httpd.shutdown();
  await sleep(20);
  process.off("unhandledRejection", listener);
  return unheard;
}

const readers: Record<string, (handler: BaseHTTPRequestHandler) => Promise<unknown>> = {
  "rfile.read": (handler) => handler.rfile.read(),
  bytes: (handler) => handler.bytes(),
  text: (handler) => handler.text(),
  json: (handler) => handler.json(),
  "json with a schema": (handler) => handler.json(z.any()),
  "the iterator": async (handler) => {
    const chunks = handler.rfile[Symbol.asyncIterator]();
    await chunks.next();
    void chunks.next();
  },
};
for (const [name, read] of Object.entries(readers)) {
  test(`${name}, begun and awaited only later, brings nothing down when the client leaves in between`, async () => {
    const unheard = await unheardWhenTheClientLeaves(async function () {
      const content = read(this);
      await sleep(10); // such as a look into a database
      await content;
    });
    assert.deepEqual(unheard, []);
  });
}

test("an error whose cause is that a read found no client is not logged", async () => {
  const lines: string[] = [];
  await unheardWhenTheClientLeaves(async function () {
    await this.rfile.read().catch((cause: unknown) => {
      assert.ok(cause instanceof PeerGoneError);
      throw new Error("cannot store it", { cause });
    });
  }, lines);
  assert.deepEqual(beside(lines), []);
});
