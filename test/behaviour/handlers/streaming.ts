/** Handlers that send while more is to come. What they wait for is their own content: the client says when. */
import { BaseHTTPRequestHandler } from "plinth";
import { type Act, act, begin, nextTurn } from "./common.ts";

/** Sends three words, the second and the third when a byte has come for each. */
async function words(handler: BaseHTTPRequestHandler): Promise<void> {
  handler.endHeaders();
  handler.wfile.write("first");
  await handler.rfile.read(1);
  handler.wfile.write("second");
  await handler.rfile.read(1);
  handler.wfile.write("third");
}

const MUCH = 1024 * 1024;

const acts: Record<string, Act> = {
  "/words": (handler) => {
    handler.sendResponse(200);
    return words(handler);
  },
  "/words/counted": (handler) => {
    handler.sendResponse(200);
    handler.sendHeader("Content-Length", "firstsecondthird".length);
    return words(handler);
  },
  "/head": async (handler) => {
    handler.sendResponse(200);
    handler.sendHeader("Content-Type", "text/event-stream");
    handler.endHeaders();
    await handler.rfile.read(1);
    handler.wfile.write("data: 1\n\n");
  },
  "/echo": async (handler) => {
    begin(handler);
    handler.flushHeaders();
    for await (const piece of handler.rfile) await handler.wfile.write(piece);
  },
  /** Waits for its content, then says it. */
  "/slow": async (handler) => {
    handler.logMessage("slow begins");
    const content = await handler.text();
    handler.sendText(content);
  },
  /** Lets the event loop go round, so that whatever does not wait as it should gets on. */
  "/quick": async (handler) => {
    for (let i = 0; i < 5; i++) await nextTurn();
    handler.sendText("quick");
  },
  /** Writes 32 MiB, and waits where it is asked to. */
  "/much": async (handler) => {
    begin(handler);
    const small: unknown = handler.wfile.write("x");
    handler.sendTrailer("X-Small", typeof small);
    const piece = Buffer.alloc(MUCH, "y");
    let waits = 0;
    for (let i = 0; i < 32; i++) {
      const wait = handler.wfile.write(piece);
      if (wait === undefined) continue;
      if (++waits === 1) {
        handler.sendTrailer("X-Promise", String(wait instanceof Promise));
        handler.logMessage("much waits");
      }
      await wait;
    }
    handler.logMessage("much is written");
  },
  "/reuse": (handler) => reuse(handler, 6000, false),
  "/reuse/counted": (handler) => reuse(handler, 6000, true),
  "/reuse/large": (handler) => reuse(handler, 100_000, false),
  "/reuse/large/counted": (handler) => reuse(handler, 100_000, true),
  "/reuse/later": (handler) => {
    // Who does not wait, but looks after the chunk when it may, though the handler has long settled.
    const chunk = Buffer.alloc(16 * 1024 * 1024, "x");
    handler.sendResponse(200);
    handler.sendHeader("Content-Length", chunk.length);
    handler.endHeaders();
    void handler.wfile.write(chunk)?.then(() => chunk.fill("-"));
  },
  "/turns": async (handler) => {
    begin(handler);
    for (let i = 0; i < 100; i++) {
      handler.wfile.write(`${i};`);
      if (i % 3 === 0) await nextTurn();
      if (i % 7 === 0) handler.wfile.flush();
    }
  },
};

/** Writes from one chunk, which holds other bytes as soon as it may. */
async function reuse(handler: BaseHTTPRequestHandler, size: number, counted: boolean): Promise<void> {
  handler.sendResponse(200);
  if (counted) handler.sendHeader("Content-Length", 64 * size);
  handler.endHeaders();
  const chunk = Buffer.alloc(size);
  for (let i = 0; i < 64; i++) {
    chunk.fill(65 + (i % 26));
    const wait = handler.wfile.write(chunk);
    if (wait !== undefined) await wait;
    chunk.fill("-");
  }
}

export class Streaming extends BaseHTTPRequestHandler {
  do_GET(): void | Promise<void> {
    return act(this, acts);
  }

  do_POST(): void | Promise<void> {
    return act(this, acts);
  }

  /** A tunnel to somebody who shouts back what he hears. */
  async do_CONNECT(): Promise<void> {
    if (this.path !== "a.example:443") return this.sendError(403);
    begin(this);
    for await (const piece of this.rfile) await this.wfile.write(String(piece).toUpperCase());
    this.wfile.write(".");
  }
}
