/** Handlers that run while their server is shut down, or shut it down. */
import { BaseHTTPRequestHandler, type PeerGoneError } from "plinth";
import { type Act, act, nextTurn } from "./common.ts";

const acts: Record<string, Act> = {
  "/quick": (handler) => handler.sendText("quick"),
  /** Answers with its content, when that has come. */
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
};

export class Stopping extends BaseHTTPRequestHandler {
  do_GET(): void | Promise<void> {
    return act(this, acts);
  }

  do_POST(): void | Promise<void> {
    return act(this, acts);
  }
}
