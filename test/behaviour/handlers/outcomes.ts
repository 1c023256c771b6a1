/** Handlers that say in the log how their requests ended, and add fields to every response. */
import { BaseHTTPRequestHandler, HTTPError, type RequestOutcome } from "plinth";
import { type Act, act } from "./common.ts";

const read: Act = async (handler) => {
  handler.sendText(String((await handler.rfile.read()).length));
};

const acts: Record<string, Act> = {
  "/": (handler) => handler.sendText("hello"),
  "/empty": (handler) => handler.sendText("", 204),
  "/error": () => {
    throw new HTTPError(422, { detail: "no" });
  },
  "/bug": () => {
    throw new Error("a bug");
  },
  "/taken-back": (handler) => {
    handler.sendResponse(200);
    handler.sendHeader("X-Old", "1");
    handler.endHeaders();
    handler.wfile.write("old");
    throw new HTTPError(409);
  },
  "/late-bug": async (handler) => {
    handler.sendResponse(200);
    handler.endHeaders();
    await handler.wfile.write("begun");
    handler.wfile.flush();
    throw new Error("a late bug");
  },
  "/endless": async (handler) => {
    handler.sendResponse(200);
    handler.endHeaders();
    while (!handler.signal.aborted) await handler.wfile.write(Buffer.alloc(10_000));
  },
  "/read": read,
  "/read/own": read,
  "/read/larger": read,
};

/** As a class with CORS does, adds a field where headers end; says how each request ended, once. */
export class Outcomes extends BaseHTTPRequestHandler {
  override endHeaders(): void {
    this.sendHeader("Access-Control-Allow-Origin", "*");
    super.endHeaders();
  }

  override setup(): void {
    if (this.headers.has("X-Guarded")) throw new HTTPError(401);
  }

  override requestEnded(outcome: RequestOutcome): void {
    super.requestEnded(outcome);
    const { method, path, status, bytesReceived, bytesSent, duration, reason, code } = outcome;
    const timed = duration >= 0 && duration < 60_000;
    this.logMessage(
      "outcome %s",
      JSON.stringify({ method, path, status, bytesReceived, bytesSent, timed, reason, code }),
    );
  }

  do_GET(): void | Promise<void> {
    return act(this, acts);
  }

  do_POST(): void | Promise<void> {
    return act(this, acts);
  }
}

/** Limits of its own, in place of the server's. */
export class OwnLimits extends Outcomes {
  static maxBodySize = 2_000;
  static bodyTimeout = 150;
  static minBodyRate = 1_000_000;
}

/** What a class of limits extends keeps its own of the others. */
export class LargerLimits extends OwnLimits {
  static override maxBodySize = 100_000;
  static override bodyTimeout = 60_000;
}
