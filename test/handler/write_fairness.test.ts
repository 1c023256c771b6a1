/** A handler that awaits its writes lets others run, however fast its client reads. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseHTTPRequestHandler, HTTPServer } from "plinth";
import { Gate } from "../server/support.ts";

const LINE = "x".repeat(1023) + "\n";

test("a stream does not keep the event loop to itself", async () => {
  for (const length of [undefined, 40_000 * LINE.length]) {
    let written = 0;
    let stop = false;
    class Stream extends BaseHTTPRequestHandler {
      async do_GET(): Promise<void> {
        this.sendResponse(200);
        if (length !== undefined) this.sendHeader("Content-Length", length);
        this.endHeaders();
        setImmediate(() => (stop = true)); // as another connection's request would come
        for (; !stop && written < 40_000; written++) await this.wfile.write(LINE);
      }
    }
    const httpd = new HTTPServer(["127.0.0.1", 0], Stream, { log: "none" });
    await httpd.inject().catch((error: unknown) => assert.ok(length !== undefined, String(error))); // it was cut short
    assert.ok(stop && written < 2000, `${written} lines were written before anything else could run`);
  }
});

test("nor does one that is sent to nobody, as a HEAD's, whose writes reject before long", async () => {
  let written = 0;
  const ended = new Gate();
  class Stream extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      try {
        for (; written < 40_000; written++) await this.wfile.write(LINE);
      } finally {
        ended.open();
      }
    }
  }
  await new HTTPServer(["127.0.0.1", 0], Stream, { log: "none" }).inject({ method: "HEAD" });
  await ended.opened;
  assert.equal(written, 64);
});

test("a writer is asked to wait once in a while, and not for every write", async () => {
  let waits = 0;
  const ended = new Gate();
  class Stream extends BaseHTTPRequestHandler {
    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      for (let written = 0; written < 4096; written++) {
        const room = this.wfile.write(LINE);
        if (room !== undefined) waits++;
        await room;
      }
      ended.open();
    }
  }
  await new HTTPServer(["127.0.0.1", 0], Stream, { log: "none" }).inject();
  await ended.opened;
  assert.ok(waits >= 10 && waits <= 100, `${waits} waits in 4 MiB`);
});
