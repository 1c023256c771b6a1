/** Handlers whose client leaves. What they saw of it they log: there is nobody left to answer. */
import { setTimeout as sleep } from "node:timers/promises";
import { BaseHTTPRequestHandler, HTTPError, PeerGoneError } from "plinth";
import { type Act, act, begin, nextTurn } from "./common.ts";

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
  "/write": async (handler) => {
    begin(handler);
    const chunk = Buffer.alloc(MUCH);
    let waits = 0;
    for (let i = 0; i < 100; i++) {
      const wait = handler.wfile.write(chunk);
      if (wait !== undefined && ++waits === 1) handler.logMessage("begun");
      await wait;
    }
    handler.wfile.flush();
    handler.logMessage("written to the end, %s", String(handler.signal.aborted));
  },
  /** Writes on and on, whether anybody is there or not; it only notes that nobody is. It would never end, were there no clock. */
  "/endless": async (handler) => {
    begin(handler);
    const { signal } = handler;
    const chunk = Buffer.alloc(64 * 1024);
    let waits = 0;
    for (let end = Infinity; performance.now() < end;) {
      const wait = handler.wfile.write(chunk);
      if (wait !== undefined && ++waits === 1) handler.logMessage("begun");
      await wait;
      if (!signal.aborted || end < Infinity) continue;
      handler.logMessage("endless: alone");
      end = performance.now() + 1500;
    }
    handler.logMessage("endless: over");
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
  "/answers": async (handler) => {
    handler.logMessage("begun");
    await aborted(handler);
    handler.sendInformational(103);
    handler.sendJson({ to: "nobody" });
    await nextTurn();
    handler.sendTrailer("X-A", "1");
  },
  "/answers-not": async (handler) => {
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
