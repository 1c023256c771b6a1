/** Handlers that run while their server is shut down, or shut it down. */
import { AsyncLocalStorage } from "node:async_hooks";
import { getEventListeners } from "node:events";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { BaseHTTPRequestHandler, HTTPError, type PeerGoneError } from "plinth";
import { type Act, act, nextTurn, thrownBy } from "./common.ts";

const LONG = 60_000;
const storage = new AsyncLocalStorage<string>();

async function failsWith(handler: BaseHTTPRequestHandler, make: (cause: unknown) => Error): Promise<void> {
  handler.logMessage("begun");
  await sleep(LONG, undefined, { signal: handler.signalWith(handler.server.stopping) }).catch((error: unknown) => {
    throw make(error);
  });
}

const acts: Record<string, Act> = {
  "/quick": (handler) => handler.sendText("quick"),
  /** Responds with its content, when that has come. */
  "/hold": async (handler) => {
    handler.logMessage("begun");
    handler.sendText(await handler.text());
  },
  /** Waits for its client to leave, which it does not. */
  "/stay": async (handler) => {
    const { signal } = handler;
    handler.logMessage("begun");
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    handler.logMessage("signal: %s", (signal.reason as PeerGoneError).reason);
  },
  /** Does not look at its signal, and never settles. */
  "/stay/deaf": (handler) => {
    handler.logMessage("begun");
    return new Promise(() => {});
  },
  "/down": async (handler) => {
    await handler.server.shutdown();
    handler.sendText("down");
  },
  "/down/later": async (handler) => {
    await nextTurn();
    handler.logMessage("begun");
    await handler.rfile.read();
    await Promise.all([handler.server.shutdown(), handler.server.shutdown()]);
    handler.sendText("down");
  },
  "/down/unawaited": async (handler) => {
    await handler.rfile.read();
    void handler.server.shutdown();
    await nextTurn();
    handler.sendText("down");
  },
  "/down/dispose": async (handler) => {
    await handler.server[Symbol.asyncDispose]();
    handler.sendText("down");
  },
  "/down/now": async (handler) => {
    await handler.rfile.read();
    handler.server.serverClose();
    handler.sendText("down");
  },
  /** Streams until the server stops, and says how it ends. */
  "/events": async (handler) => {
    handler.sendResponse(200);
    handler.endHeaders();
    const over = handler.signalWith(handler.server.stopping);
    for (let i = 1; !over.aborted; i++) {
      await handler.wfile.write(`event ${i}\n`);
      await sleep(LONG, undefined, { signal: over }).catch(() => {});
    }
    handler.wfile.write("bye\n");
  },
  /** Waits for something that does not come, with as many listeners as there may be. */
  "/poll": async (handler) => {
    storage.enterWith("the poll's");
    const { stopping } = handler.server;
    const before = stopping.aborted;
    const heard = Array.from({ length: 30 }, () => {
      return new Promise((resolve) => stopping.addEventListener("abort", () => resolve(storage.getStore())));
    });
    handler.logMessage("begun");
    const [context] = await Promise.all(heard);
    const { reason } = stopping as { reason: DOMException };
    const isKnown = reason instanceof DOMException && stopping instanceof AbortSignal;
    const same = stopping === handler.server.stopping && thrownBy(() => stopping.throwIfAborted()) === "AbortError";
    const late = [handler.signalWith(stopping).aborted, handler.signalWith(stopping).reason === reason];
    handler.sendJson({
      before,
      name: reason.name,
      message: reason.message,
      isKnown,
      same,
      late,
      context: context ?? "",
    });
  },
  /** Passes on what the stop makes fail. */
  "/poll/throws": async (handler) => {
    handler.logMessage("begun");
    await sleep(LONG, undefined, { signal: handler.signalWith(handler.server.stopping) });
  },
  /** Fails in another way when the server stops. */
  "/poll/fails": async (handler) => {
    handler.logMessage("begun");
    await sleep(LONG, undefined, { signal: handler.signalWith(handler.server.stopping) }).catch(() => {});
    throw new Error("broken");
  },
  /** Fails because of the stop, in words or with a status of its own. */
  "/poll/502": (handler) => failsWith(handler, (cause) => new HTTPError(502, { detail: "no news", cause })),
  "/poll/wraps": (handler) => failsWith(handler, (cause) => new Error("rollback failed", { cause })),
  /** Is cut, and hears of it by either signal. */
  "/stay/stopping": async (handler) => {
    const { stopping } = handler.server;
    handler.logMessage("begun");
    await new Promise((resolve) => stopping.addEventListener("abort", resolve));
    handler.logMessage("stopping: %s", stopping.aborted);
  },
  /** Shuts the server down from a context of its own. */
  "/down/context": async (handler) => {
    storage.enterWith("the shutdown's");
    await handler.server.shutdown();
    handler.sendText("down");
  },
  /** Many signals of one, in a request and behind it. Says how many listeners that one has. */
  "/with/many": async (handler) => {
    const warnings: string[] = [];
    const warned = (warning: Error): unknown => warnings.push(warning.name);
    process.on("warning", warned);
    const { signal } = new AbortController();
    for (let i = 0; i < 20; i++) handler.signalWith(signal);
    const during = getEventListeners(signal, "abort").length;
    setTimeout(() => {
      handler.signalWith(signal);
      handler.logMessage("listeners: %d, %d; %s", during, getEventListeners(signal, "abort").length, warnings.join());
      process.off("warning", warned);
    }, 20);
    handler.sendText("sent");
  },
  /** Signals of its own. */
  "/with": async (handler) => {
    const [one, two] = [new AbortController(), new AbortController()];
    const signal = handler.signalWith(one.signal, two.signal);
    const none = handler.signalWith();
    const before = signal.aborted;
    const seen: unknown[] = [];
    signal.addEventListener("abort", () => seen.push(signal.reason));
    two.abort("two");
    one.abort("one");
    await nextTurn();
    const wrong = [undefined, null, {}, 5, [one.signal]].map((what) =>
      thrownBy(() => handler.signalWith(what as never)),
    );
    handler.sendJson({
      before,
      seen,
      late: handler.signalWith(one.signal).reason as unknown,
      none: none.aborted,
      wrong,
    });
  },
};

export class Stopping extends BaseHTTPRequestHandler {
  do_GET(): void | Promise<void> {
    return act(this, acts);
  }

  do_POST(): void | Promise<void> {
    return act(this, acts);
  }
}
