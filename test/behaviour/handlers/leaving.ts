/** Handlers whose client leaves. What they saw of it they log: there is nobody left to respond to. */
import { setTimeout as sleep } from "node:timers/promises";
import { BaseHTTPRequestHandler, HTTPError, PeerGoneError } from "plinth";
import { type Act, act, begin, failureOf, nextTurn } from "./common.ts";

/** What a peer that has gone is known by: "PeerGoneError closed". */
function show(error: unknown): string {
  return error instanceof PeerGoneError ? `${error.name} ${error.reason}` : String(error);
}

/** Resolves when the signal has aborted. */
async function aborted({ signal }: BaseHTTPRequestHandler): Promise<void> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

/** Reads all there is, and says what that fails with. */
async function readToFailure(handler: BaseHTTPRequestHandler): Promise<string> {
  try {
    await handler.rfile.read();
    return "nothing";
  } catch (error) {
    return show(error);
  }
}

/** Why the signal has aborted; "nothing" where it has not. */
function reasonOf({ signal }: BaseHTTPRequestHandler): string {
  return signal.aborted ? show(signal.reason) : "nothing";
}

/** Writes pieces of so many bytes for as long as that goes. */
async function writeOn(handler: BaseHTTPRequestHandler, size: number): Promise<void> {
  const chunk = Buffer.alloc(size);
  handler.logMessage("begun");
  for (;;) await handler.wfile.write(chunk);
}

const MUCH = 1024 * 1024;

const acts: Record<string, Act> = {
  "/signal": async (handler) => {
    const { signal } = handler;
    handler.logMessage("begun, %s", String(signal.aborted));
    await aborted(handler);
    handler.logMessage("signal: %s", show(signal.reason));
    handler.logMessage("first read: %s", await readToFailure(handler));
  },
  /** Reads nothing of its content. */
  "/unread": async (handler) => {
    const { signal } = handler;
    handler.logMessage("begun");
    await aborted(handler);
    handler.logMessage("unread: %s", show(signal.reason));
  },
  "/unread/asks": async (handler) => {
    handler.logMessage("begun");
    while (!handler.clientGone) await nextTurn();
    handler.logMessage("unread: %s", show(handler.signal.reason));
  },
  "/read": async (handler) => {
    handler.logMessage("begun, %s", String(await handler.rfile.read(2)));
    const first = await readToFailure(handler);
    // From here on nothing waits any more; and a signal that nobody has asked for is aborted as well.
    const second = await readToFailure(handler);
    handler.logMessage("reads: %s, %s; signal: %s", first, second, show(handler.signal.reason));
  },
  "/read/stream": async (handler) => {
    handler.logMessage("begun");
    try {
      for await (const piece of handler.rfile.stream()) handler.logMessage("piece: %s", String(piece));
    } catch (error) {
      handler.logMessage("reads: %s", show(error));
    }
  },
  "/unawaited": async (handler) => {
    void handler.rfile.read();
    begin(handler);
    for (let i = 0; i < 50; i++) void handler.wfile.write(Buffer.alloc(MUCH));
    handler.logMessage("begun");
    await aborted(handler);
    void handler.rfile.read();
    void handler.wfile.write("x");
    handler.wfile.flush();
  },
  /** The client leaves while a write waits. */
  "/write": async (handler) => {
    begin(handler);
    const first = await failureOf(() => writeOn(handler, MUCH));
    const second = await failureOf(async () => handler.wfile.write(""));
    handler.wfile.flush();
    handler.logMessage("writes: %s, %s; signal: %s", first, second, reasonOf(handler));
  },
  /** Writes on and on, and lets pass whatever comes of it. */
  "/endless": async (handler) => {
    begin(handler);
    await writeOn(handler, Number(handler.query.get("size")));
  },
  /** The same, with a status that comes without content. */
  "/endless/204": async (handler) => {
    begin(handler, 204);
    await writeOn(handler, 10_000);
  },
  "/endless/announced": async (handler) => {
    handler.sendResponse(200);
    handler.sendHeader("Content-Length", 1e12);
    handler.endHeaders();
    await writeOn(handler, 10_000);
  },
  "/endless/stream": async (handler) => {
    begin(handler);
    handler.logMessage("begun");
    const source = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024)) });
    await source.pipeTo(handler.wfile.stream());
  },
  /** Writes to a stream whose promises nobody looks at. */
  "/endless/writer": async (handler) => {
    begin(handler);
    const writer = handler.wfile.stream().getWriter();
    handler.logMessage("begun");
    while (!handler.signal.aborted) {
      void writer.write(new Uint8Array(64 * 1024));
      await nextTurn();
    }
    for (let i = 0; i < 5; i++) {
      void writer.write("to nobody");
      await nextTurn();
    }
    void writer.close();
  },
  /** Catches what a write rejects with, as any error, and responds with one. */
  "/endless/caught": async (handler) => {
    try {
      begin(handler);
      await writeOn(handler, 64 * 1024);
    } catch {
      if (handler.query.has("text")) handler.sendText("sorry", 500);
      else handler.sendError(500);
    }
  },
  /** Writes on and on for a while, whatever comes of it. */
  "/stubborn": async (handler) => {
    begin(handler);
    const { signal } = handler;
    const chunk = Buffer.alloc(64 * 1024);
    let waits = 0;
    let failures = 0;
    for (let end = Infinity; performance.now() < end;) {
      const wait = handler.wfile.write(chunk);
      if (wait !== undefined && ++waits === 1) handler.logMessage("begun");
      await wait?.catch(() => failures++);
      if (!signal.aborted || end < Infinity) continue;
      handler.logMessage("stubborn: alone");
      end = performance.now() + 1500;
    }
    handler.logMessage("stubborn: over, %s", failures > 1);
  },
  /** So much content, in pieces of at most 1,000 bytes, and what the signal and the writes say of it. */
  "/sized": async (handler) => {
    const size = Number(handler.query.get("size"));
    begin(handler);
    let failure = "nothing";
    for (let left = size; left > 0 && failure === "nothing"; left -= 1000)
      failure = await failureOf(async () => handler.wfile.write("x".repeat(Math.min(1000, left))));
    handler.logMessage("sized %d: %s, %s, %s", size, failure, handler.clientGone, reasonOf(handler));
  },
  /** A HEAD with content of its own, which can be read though nobody wants more of the response's. */
  "/reads-on": async (handler) => {
    begin(handler);
    const failure = await failureOf(() => writeOn(handler, 10_000));
    handler.logMessage("reads on: %s, %s", failure, await handler.text());
  },
  /** Fails behind much content that nobody gets. */
  "/late-error": async (handler) => {
    begin(handler);
    await failureOf(() => writeOn(handler, 10_000));
    throw new RangeError("a bug");
  },
  "/throws/signal": async (handler) => {
    handler.logMessage("begun");
    await aborted(handler);
    handler.signal.throwIfAborted();
  },
  "/throws/read": async (handler) => {
    handler.logMessage("begun");
    await handler.rfile.read();
  },
  "/throws/sleep": async (handler) => {
    handler.logMessage("begun");
    await sleep(60_000, null, { signal: handler.signal }); // its AbortError has the reason as its cause
  },
  "/throws/wrapped": async (handler) => {
    handler.logMessage("begun");
    await sleep(60_000, null, { signal: handler.signal }).catch((cause: unknown) => {
      throw new HTTPError(502, { cause }); // whose cause has a cause
    });
  },
  "/throws/bug": async (handler) => {
    handler.logMessage("begun");
    await aborted(handler);
    throw new RangeError("a bug");
  },
  "/responses": async (handler) => {
    handler.logMessage("begun");
    await aborted(handler);
    handler.sendInformational(103);
    handler.sendJson({ to: "nobody" });
    await nextTurn();
    handler.sendTrailer("X-A", "1");
  },
  "/responses-not": async (handler) => {
    handler.logMessage("begun");
    await aborted(handler);
  },

  /** Says why the signal has aborted, and much more, in later turns. */
  "/half": async (handler) => {
    handler.logMessage("begun");
    await aborted(handler);
    begin(handler);
    handler.wfile.write(show(handler.signal.reason));
    let waits = 0;
    for (let i = 0; i < 32; i++) {
      await nextTurn();
      const wait = handler.wfile.write(Buffer.alloc(MUCH, "x"));
      if (wait !== undefined && ++waits === 1) handler.logMessage("half waits");
      await wait;
    }
    handler.logMessage("half is written");
  },
  "/half/content": async (handler) => {
    handler.logMessage("begun");
    await aborted(handler);
    handler.sendText(await handler.text());
  },
  /** Lets the event loop go round, so that whatever does not wait as it should gets on. */
  "/quick": async (handler) => {
    for (let i = 0; i < 5; i++) await nextTurn();
    handler.sendText("quick");
  },
  "/echo": async (handler) => handler.sendText(await handler.text()),
};

export class Leaving extends BaseHTTPRequestHandler {
  do_GET(): void | Promise<void> {
    return act(this, acts);
  }

  do_POST(): void | Promise<void> {
    return act(this, acts);
  }

  /** The last that it does. */
  override finish(): void {
    if (this.path !== "/quick") this.logMessage("over");
  }
}
