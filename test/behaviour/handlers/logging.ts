/** Handlers that log, and whose faults are logged. */
import { BaseHTTPRequestHandler, HTTPError } from "plinth";
import { type Act, act, nextTurn } from "./common.ts";

/** What a line would look like that somebody else made. */
export const FORGED = '127.0.0.1 - - [01/Jan/2026 00:00:00] "GET /admin HTTP/1.1" 200 -';

const acts: Record<string, Act> = {
  "/": (handler) => handler.sendText("hello"),
  "/made": (handler) => handler.sendText("", 201),
  "/missing": () => {
    throw new HTTPError(404);
  },
  "/error": (handler) => handler.sendError(422, "Not\r\nNumbers", "nothing of it is logged"),
  "/cause": () => {
    throw new HTTPError(503, undefined, { cause: new TypeError("the cause") });
  },
  "/bug": async () => {
    await nextTurn();
    throw new Error(`out\n${FORGED}`, { cause: new RangeError("in") });
  },
  "/messages": (handler) => {
    handler.logMessage("plain");
    handler.logMessage("%s and %d", "text", 7);
    handler.logError("wrong: %s", "x");
    handler.logMessage("%s", "a\r\nb\u001b[2J\u0000\u007f\u009b\\c\té");
    handler.logMessage("%s", decodeURIComponent(handler.query.get("said") ?? ""));
    handler.sendText("hello");
  },
  "/order/retracted": (handler) => begin(handler, 5),
  "/order/written": (handler) => {
    begin(handler, 5, "ab");
  },
  "/order/whole": (handler) => {
    handler.sendJson({ a: 1 });
    handler.logMessage("1");
    throw new HTTPError(503, "2");
  },
  "/order/later": async (handler) => {
    handler.logMessage("0");
    await nextTurn();
    await nextTurn();
    begin(handler, 5, "ab");
  },
  "/order/cut": async (handler) => {
    handler.logMessage("0");
    handler.sendResponse(200);
    handler.endHeaders();
    void handler.wfile.write("a");
    handler.logMessage("1");
    await new Promise((resolve) => setTimeout(resolve, 20));
    handler.logMessage("2");
    throw new HTTPError(503, "3");
  },
  "/order/large": async (handler) => {
    handler.logMessage("0");
    handler.sendResponse(200);
    handler.endHeaders();
    handler.logMessage("1");
    await handler.wfile.write("a".repeat(1_000_000));
    handler.logMessage("2");
    handler.logMessage("3");
  },
  "/forging/message": (handler) => {
    handler.logMessage("q=%s", said(handler));
    handler.logMessage(`q=${said(handler)}`);
    handler.logError("q=%s", said(handler));
    handler.logMessage("%o and %j", { q: said(handler) }, { q: said(handler) });
    handler.sendText("hello");
  },
  "/forging/title": (handler) => handler.sendError(422, said(handler)),
  "/forging/error": (handler) => {
    throw new HTTPError(422, said(handler));
  },
  "/forging/stack": (handler) => handler.sendText("hello", logStack(handler)),
  "/forging/thrown": (handler) => {
    throw new Error(said(handler), { cause: said(handler) });
  },
  "/forging/words": (handler) => {
    throw said(handler);
  },
  "/forging/object": (handler) => {
    throw { q: said(handler), stack: said(handler) };
  },
};

/** Begins a response that is taken back, and says so. */
function begin(handler: BaseHTTPRequestHandler, length: number, content = ""): never {
  handler.sendResponse(200);
  handler.sendHeader("Content-Length", length);
  handler.endHeaders();
  if (content !== "") void handler.wfile.write(content);
  handler.logMessage("1");
  throw new HTTPError(503, "2");
}

/** What the client would like to have in the log. */
function said(handler: BaseHTTPRequestHandler): string {
  return handler.query.get("said") ?? "";
}

function logStack(handler: BaseHTTPRequestHandler): number {
  const error = new RangeError(said(handler));
  handler.logError("%s, it says", error);
  handler.logError("%s", error.stack);
  return 200;
}

export class Logging extends BaseHTTPRequestHandler {
  do_GET(): void | Promise<void> {
    return act(this, acts);
  }
}

/** Logs in its own way. */
export class OwnLog extends Logging {
  override logRequest(code: number | string): void {
    this.logMessage("responds %s with %d", this.path, code);
  }

  override logError(message: string, ...args: unknown[]): void {
    super.logError(`mine: ${message}`, ...args);
  }

  override addressString(): string {
    return "somebody";
  }
}
