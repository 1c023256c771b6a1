/** Handlers that respond in every way there is, a path each. */
import { BaseHTTPRequestHandler } from "plinth";
import { type Act, act, begin, nextTurn, thrownBy } from "./common.ts";

/** What no field can have as its value, since it would end the field, or is no text of one byte a character. */
const BAD_VALUES = ["a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\rb", "a\r\n", "\r\n\r\n<html>", "a\0b", "\x7f", "€"];
/** What no field can have as its name. */
const BAD_NAMES = ["X-A\r\nX-Injected", "X A", "X:", ":", "", " ", "X\0", "X-€", "(x)", "a,b"];

/** Responds with so many bytes, in one write. */
function bytes(length: number): Act {
  return (handler) => {
    begin(handler);
    handler.wfile.write(Buffer.alloc(length, "x"));
  };
}

/** Responds with what calls threw. */
function mistakes(calls: (handler: BaseHTTPRequestHandler) => readonly (() => unknown)[]): Act {
  return (handler) => handler.sendJson(calls(handler).map(thrownBy));
}

/** Begins a response, and says as its content what was thrown by calls that are made then. */
function mistakesBehindHead(calls: (handler: BaseHTTPRequestHandler) => readonly (() => unknown)[]): Act {
  return (handler) => {
    handler.sendResponse(200);
    const thrown = calls(handler).map(thrownBy);
    handler.endHeaders();
    handler.wfile.write(JSON.stringify(thrown));
  };
}

const acts: Record<string, Act> = {
  "/fields": (handler) => {
    handler.sendResponse(201, "Made to Measure");
    handler.sendHeader("X-B", "1");
    handler.sendHeader("X-A", 1.5);
    handler.sendHeader("X-B", "");
    handler.sendHeader("x-latin", "caf\xe9\t!");
    handler.sendHeader("Content-Length", 5);
    handler.endHeaders();
    handler.wfile.write("hello");
  },
  "/length-as-text": (handler) => {
    handler.sendResponse(200);
    handler.sendHeader("content-length", "5");
    handler.endHeaders();
    handler.wfile.write("he");
    handler.wfile.write("llo");
  },
  "/bare": (handler) => {
    handler.sendResponseOnly(200);
    handler.endHeaders();
  },

  // Lengths that the handler leaves to others
  "/computed": (handler) => {
    begin(handler);
    for (const piece of ["hel", Buffer.from("lo"), " €", new Uint8Array([0x21]), ""]) handler.wfile.write(piece);
  },
  "/computed-later": async (handler) => {
    await nextTurn();
    begin(handler);
    for (let i = 0; i < 20; i++) {
      await Promise.resolve(); // of the same turn
      handler.wfile.write("x");
    }
  },
  "/empty": (handler) => begin(handler),
  "/below": bytes(15 * 1024),
  "/above": bytes(20 * 1024),
  "/turn": async (handler) => {
    begin(handler);
    handler.wfile.write("hel");
    await nextTurn();
    handler.wfile.write("");
    handler.wfile.write("lo");
  },
  "/flush": (handler) => {
    begin(handler);
    handler.wfile.write("hel");
    handler.wfile.flush();
    handler.wfile.write("lo");
  },
  "/flushHeaders": (handler) => {
    begin(handler);
    handler.flushHeaders();
    handler.wfile.write("hello");
  },
  "/flush-too-early": (handler) => {
    handler.wfile.flush();
    handler.sendResponse(200);
    handler.flushHeaders();
    handler.endHeaders();
    handler.wfile.write("hello");
  },

  // Mistakes
  "/mistakes-with-the-head": (handler) => {
    const thrown = [
      thrownBy(() => handler.wfile.write("x")),
      thrownBy(() => handler.sendHeader("X-A", "1")),
      thrownBy(() => handler.endHeaders()),
      ...[100, 199, 600, 0, NaN, 200.5, -1].map((status) => thrownBy(() => handler.sendResponse(status))),
    ];
    handler.sendResponse(200);
    thrown.push(thrownBy(() => handler.sendResponse(200)));
    thrown.push(thrownBy(() => handler.wfile.write("x")));
    handler.endHeaders();
    thrown.push(thrownBy(() => handler.endHeaders()));
    thrown.push(thrownBy(() => handler.sendHeader("X-A", "1")));
    thrown.push(thrownBy(() => handler.sendResponse(200)));
    handler.wfile.write(JSON.stringify(thrown));
  },
  "/mistakes-with-content": (handler) => {
    begin(handler);
    const chunks = [7, null, undefined, {}, [1], new ArrayBuffer(1)];
    handler.wfile.write(JSON.stringify(chunks.map((chunk) => thrownBy(() => handler.wfile.write(chunk as string)))));
  },
  "/too-much": (handler) => {
    handler.sendResponse(200);
    handler.sendHeader("Content-Length", 5);
    handler.endHeaders();
    handler.wfile.write("hel");
    const thrown = [thrownBy(() => handler.wfile.write("low"))];
    handler.wfile.write("lo");
    thrown.push(thrownBy(() => handler.wfile.write("!")));
    handler.logMessage("too much: %s", thrown.join());
  },
  "/after-the-end": (handler) => {
    begin(handler);
    handler.wfile.write("hello");
    const { wfile } = handler;
    setImmediate(() => {
      const thrown = [() => wfile.write("late"), () => wfile.write(""), () => handler.sendHeader("X-A", "1")];
      handler.logMessage("after the end: %s", thrown.map(thrownBy).join());
    });
  },
  "/lengths": mistakesBehindHead((handler) => {
    const send = (value: string | number) => () => handler.sendHeader("Content-Length", value);
    return [-1, 1.5, NaN, Infinity, 2 ** 53, "", "5 ", "0x5", "+5", "5, 5", "1e3", "five"].map(send);
  }),
  "/two-lengths": (handler) => {
    handler.sendResponse(200);
    handler.sendHeader("Content-Length", 5);
    const thrown = [thrownBy(() => handler.sendHeader("content-length", "5"))];
    thrown.push(thrownBy(() => handler.sendHeader("Content-Length", 6)));
    handler.sendHeader("X-Thrown", thrown.join());
    handler.endHeaders();
    handler.wfile.write("hello");
  },
  "/coding": mistakesBehindHead((handler) =>
    ["chunked", "identity", "gzip"].map((value) => () => handler.sendHeader("Transfer-Encoding", value)),
  ),
  "/split/values": mistakesBehindHead((handler) =>
    ["X-A", "Content-Type", "Connection", "Content-Length"].flatMap((name) =>
      BAD_VALUES.map((value) => () => handler.sendHeader(name, value)),
    ),
  ),
  "/split/names": mistakesBehindHead((handler) => BAD_NAMES.map((name) => () => handler.sendHeader(name, "1"))),
  "/split/no-text": mistakesBehindHead((handler) =>
    [null, undefined, true, {}, ["a"], 1n].map((value) => () => handler.sendHeader("X-A", value as string)),
  ),
  "/split/trailers": mistakesBehindHead((handler) => [
    ...BAD_VALUES.map((value) => () => handler.sendTrailer("X-A", value)),
    ...BAD_NAMES.map((name) => () => handler.sendTrailer(name, "1")),
    ...["Content-Length", "transfer-encoding", "Host", "Trailer"].map((name) => () => handler.sendTrailer(name, "1")),
  ]),
  "/split/interim": mistakes((handler) => [
    ...BAD_VALUES.map((value) => () => handler.sendInformational(103, { Link: value })),
    ...BAD_NAMES.map((name) => () => handler.sendInformational(103, { [name]: "1" })),
  ]),
  "/split/reason": mistakes((handler) =>
    BAD_VALUES.slice(0, -1).map((value) => () => handler.sendResponse(200, value)),
  ),

  // What is not content
  "/interim": async (handler) => {
    handler.sendInformational(103, { Link: "</a.css>; rel=preload", "X-A": 1 });
    handler.sendInformational(102);
    await handler.rfile.read();
    handler.sendText("final");
  },
  "/interim-statuses": mistakes((handler) =>
    [99, 101, 200, 102.5, NaN].map((status) => () => handler.sendInformational(status)),
  ),
  "/trailers": (handler) => {
    handler.sendTrailer("X-Before", "1");
    handler.sendResponse(200);
    handler.endHeaders();
    handler.wfile.write("hello");
    handler.sendTrailer("X-Sum", 7);
  },
  "/trailers-later": async (handler) => {
    begin(handler);
    handler.wfile.write("hel");
    await nextTurn();
    handler.wfile.write("lo");
    handler.sendTrailer("X-Sum", 7);
  },
  "/trailers-without-content": (handler) => {
    begin(handler);
    handler.sendTrailer("X-Sum", 7);
  },
  "/trailers-behind-a-length": (handler) => {
    handler.sendResponse(200);
    handler.sendHeader("Content-Length", 5);
    handler.endHeaders();
    handler.wfile.write("hello");
    handler.sendTrailer("X-Sum", 7);
  },
  "/close": (handler) => {
    const before = handler.closeConnection;
    handler.closeConnection = true;
    handler.sendJson([before, handler.closeConnection]);
  },
  "/close-later": async (handler) => {
    begin(handler);
    handler.wfile.write("hel");
    await nextTurn();
    handler.closeConnection = true;
    handler.wfile.write("lo");
  },
  "/close-by-the-field": (handler) => {
    handler.sendResponse(200);
    handler.sendHeader("Connection", "close");
    handler.endHeaders();
  },
};

export class Responding extends BaseHTTPRequestHandler {
  do_GET(): void | Promise<void> {
    return act(this, acts);
  }

  do_POST(): void | Promise<void> {
    return act(this, acts);
  }

  /** Responds with the status in the path, and the length where there is one, and writes five bytes. */
  do_STATUS(): void {
    const [, status, length] = this.path.split("/");
    this.sendResponse(Number(status));
    if (length !== undefined) this.sendHeader("Content-Length", length);
    this.endHeaders();
    this.wfile.write("hello");
  }
}

/** Calls itself something else. */
export class Named extends Responding {
  override versionString(): string {
    return "Teapot/1";
  }
}

/** Says the time. */
export class Timed extends BaseHTTPRequestHandler {
  do_GET(): void {
    this.sendText(this.dateTimeString(new Date(784_111_777_000)));
  }
}
