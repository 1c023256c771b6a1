/** Handlers that fail in every way there is, a path each; and what runs around a handler. */
import { BaseHTTPRequestHandler, HTTPError } from "plinth";
import { type Act, act, begin, nextTurn, thrownBy } from "./common.ts";

/** What no client may ever see. */
const SECRET = "the password is swordfish";

/** What every response that is taken back would have said. */
function prepare(handler: BaseHTTPRequestHandler): void {
  handler.sendResponse(200);
  handler.sendHeader("X-Prepared", SECRET);
  handler.endHeaders();
  handler.wfile.write(SECRET);
}

/** Sends some content, and resolves once the client has said that it has it. */
async function sendPart(handler: BaseHTTPRequestHandler, length?: number): Promise<void> {
  handler.sendResponse(200);
  if (length !== undefined) handler.sendHeader("Content-Length", length);
  handler.endHeaders();
  handler.wfile.write("part");
  await handler.rfile.read();
}

const thrown: Record<string, Act> = {
  "/error": () => {
    throw new HTTPError(422, "Not Numbers", {
      detail: 'val_a is "<x>" & not a €',
      headers: { "X-A": "1", "Retry-After": 120 },
      problem: { type: "https://example.org/numbers", errors: [{ pointer: "#/val_a" }] },
      cause: new Error(SECRET),
    });
  },
  "/error/later": async (handler) => {
    await handler.rfile.read();
    await nextTurn();
    throw new HTTPError(403);
  },
  "/error/prepared": async (handler) => {
    prepare(handler);
    await Promise.resolve();
    throw new HTTPError(429, undefined, { headers: { "Retry-After": 1 } });
  },
  "/error/nested": async (handler) => {
    const deep = async (depth: number): Promise<void> => {
      if (depth === 0) throw new HTTPError(404, undefined, { detail: "deep" });
      await deep(depth - 1);
    };
    handler.sendTrailer("X-Prepared", SECRET);
    await deep(5);
  },
  "/error/title": () => {
    throw new HTTPError(409, "in\r\ntwo lines");
  },
  "/error/kept": () => {
    throw new HTTPError(404, { headers: { "cache-control": "max-age=60" } });
  },
  "/error/unregistered": () => {
    throw new HTTPError(499);
  },
  "/error/splits": () => {
    throw new HTTPError(400, undefined, { headers: { "X-A": "1\r\nX-Injected: 2" } });
  },
  "/error/frames": () => {
    throw new HTTPError(400, undefined, { headers: { "Content-Length": 3 } });
  },
  "/error/statuses": (handler) => {
    handler.sendJson([200, 399, 600, 404.5, NaN].map((status) => thrownBy(() => new HTTPError(status))));
  },

  "/bug/at once": () => {
    throw new Error(SECRET);
  },
  "/bug/later": async (handler) => {
    await handler.rfile.read();
    await nextTurn();
    throw new Error(SECRET);
  },
  "/bug/behind a head": (handler) => {
    handler.sendResponse(200);
    handler.sendHeader("X-Prepared", SECRET);
    handler.endHeaders();
    throw new Error(SECRET);
  },
  "/bug/behind a response": async (handler) => {
    prepare(handler);
    await Promise.resolve();
    throw new Error(SECRET);
  },
  "/bug/behind an announced response": (handler) => {
    handler.sendResponse(200);
    handler.sendHeader("Content-Length", SECRET.length);
    handler.endHeaders();
    handler.wfile.write(SECRET);
    throw new Error(SECRET);
  },
  "/bug/without a response": () => {},
  "/bug/without a response, later": () => nextTurn(),
  "/bug/without the end of a head": (handler) => {
    handler.sendResponse(200);
    handler.sendHeader("X-Prepared", SECRET);
  },
  "/bug/with too little": (handler) => {
    handler.sendResponse(200);
    handler.sendHeader("Content-Length", 100);
    handler.endHeaders();
    handler.wfile.write(SECRET);
  },
  "/bug/with a mistake": (handler) => handler.endHeaders(),
  "/bug/with null": () => Promise.reject(null),
  "/bug/with a string": () => Promise.reject(SECRET),

  "/cut/unknown": async (handler) => {
    await sendPart(handler);
    throw new Error(SECRET);
  },
  "/cut/counted": async (handler) => {
    await sendPart(handler, 100);
    throw new HTTPError(404);
  },
  "/cut/too little": (handler) => sendPart(handler, 100),
  "/cut/flushed": (handler) => {
    begin(handler);
    handler.wfile.write("part");
    handler.wfile.flush();
    throw new Error(SECRET);
  },
  "/cut/above": (handler) => {
    begin(handler);
    handler.wfile.write(Buffer.alloc(20 * 1024));
    throw new Error(SECRET);
  },

  "/send": (handler) => handler.sendError(404),
  "/send/all": (handler) => {
    prepare(handler);
    const options = { headers: { "X-A": 1 }, problem: { errors: ["one"] } };
    handler.sendError(422, "Not Numbers", "val_a is a <b>", options);
  },
  "/send/late": async (handler) => {
    await sendPart(handler);
    handler.wfile.write(`, ${thrownBy(() => handler.sendError(500))}`);
  },
};

/** Names in the tables may have spaces, targets may not. */
const acts = Object.fromEntries(Object.entries(thrown).map(([path, run]) => [path.replaceAll(" ", "-"), run]));

/** The paths of those that fail before anything has left, and of those whose response is cut off. */
export const bugs: readonly string[] = Object.keys(acts).filter((path) => path.startsWith("/bug/"));
export const cuts: readonly string[] = Object.keys(acts).filter((path) => path.startsWith("/cut/"));

export class Failing extends BaseHTTPRequestHandler {
  do_GET(): void | Promise<void> {
    return act(this, acts);
  }

  do_POST(): void | Promise<void> {
    return act(this, acts);
  }

  /** Goes well. */
  do_FINE(): void {
    this.sendText("fine");
  }
}

/** Has an error page of its own. */
export class OwnPage extends Failing {
  override errorMessageFormat = "<h1>%(code)d %(message)s</h1>%(explain)s, 100%%";
}

/** Has one that is no HTML. */
export class OwnText extends Failing {
  override errorMessageFormat = "%(code)d|%(message)s|%(explain)s\n";
  override errorContentType = "text/plain; charset=utf-8";
}

/** Has words of its own for errors. */
export class OwnWords extends Failing {
  override sendError(code: number): void {
    this.sendResponse(code);
    this.endHeaders();
    this.wfile.write("my own words");
    if (this.path === "/bug/at-once") throw new Error(SECRET);
  }
}

/** Cannot always be constructed. */
export class Fragile extends BaseHTTPRequestHandler {
  readonly field = this.#make();

  #make(): string {
    if (this.path === "/fails") throw new Error(SECRET);
    return "made";
  }

  do_GET(): void {
    this.sendText(this.field);
  }
}

/** Says what ran, in which order, on this object alone. */
export class Around extends BaseHTTPRequestHandler {
  readonly #ran: string[] = [];
  count = 0;

  override async setup(): Promise<void> {
    this.#note("setup begins");
    await nextTurn();
    if (this.path === "/setup/throws") throw new HTTPError(401);
    this.#note("setup ends");
  }

  async do_GET(): Promise<void> {
    this.#note(`do_GET, ${++this.count}`);
    await nextTurn();
    if (this.path === "/throws") throw new HTTPError(402);
    this.sendResponse(200);
    if (this.path !== "/finish/throws") this.sendHeader("X-Method", this.method);
    this.endHeaders();
    this.#note("do_GET ends");
  }

  override async finish(): Promise<void> {
    this.#note("finish begins");
    if (this.path === "/finish/throws") throw new HTTPError(403);
    await nextTurn();
    this.#note("finish ends");
    this.logMessage("ran: %s", this.#ran.join("; "));
    if (this.path === "/writes") this.wfile.write(this.#ran.join("; "));
  }

  #note(what: string): void {
    this.#ran.push(what);
    if (this.path === "/setup/throws") this.logMessage(what);
  }
}
