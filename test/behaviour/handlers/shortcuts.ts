/** Handlers that use the short calls, and web streams. */
import { BaseHTTPRequestHandler, type HeaderFields, HTTPError, type StandardSchemaV1 } from "plinth";
import { type Act, act, begin, nextTurn, thrownBy } from "./common.ts";

/** Two numbers, which may be texts of numbers; a schema as any library makes them. */
const pair: StandardSchemaV1<unknown, { val_a: number; val_b: number }> = {
  "~standard": {
    version: 1,
    vendor: "plinth's tests",
    validate: (value) => {
      const { val_a, val_b } = Object(value) as Record<string, unknown>;
      const issues = [];
      if (typeof value !== "object" || value === null) return { issues: [{ message: "not an object" }] };
      for (const [name, one] of Object.entries({ val_a, val_b })) {
        if (one === undefined || Number.isNaN(Number(one)))
          issues.push({ message: "not a number", path: [{ key: name }] });
      }
      if (issues.length > 0) return { issues };
      return { value: { val_a: Number(val_a), val_b: Number(val_b) } };
    },
  },
};

/** The same, in its own time. */
const later: typeof pair = {
  "~standard": {
    ...pair["~standard"],
    validate: async (value) => {
      await nextTurn();
      return pair["~standard"].validate(value);
    },
  },
};

/** Finds fault with a place that a pointer must escape. */
const deep: StandardSchemaV1 = {
  "~standard": {
    version: 1,
    vendor: "plinth's tests",
    validate: () => ({ issues: [{ message: "wrong", path: ["a/b", 0, "c~d"] }, { message: "all wrong" }] }),
  },
};

const acts: Record<string, Act> = {
  "/json": (handler) => handler.sendJson({ sum: 7, text: "€\u2028", none: null }),
  "/json/status": (handler) => handler.sendJson([], 422, { "X-A": 1, "content-type": "application/hal+json" }),
  "/json/mistakes": (handler) => {
    const circle: unknown[] = [];
    circle.push(circle);
    const thrown = [undefined, () => {}, Symbol("x"), 7n, circle].map((value) =>
      thrownBy(() => handler.sendJson(value)),
    );
    handler.sendJson(thrown);
  },
  "/text": (handler) => handler.sendText("5 €\n"),
  "/text/empty": (handler) => handler.sendText(""),
  "/text/status": (handler) => handler.sendText("<p>", 404, { "Content-Type": "text/html", "X-A": 1 }),
  "/text/mistakes": (handler) => {
    const thrown = [undefined, null, 7, {}, Buffer.from("x")].map((text) =>
      thrownBy(() => handler.sendText(text as string)),
    );
    handler.sendJson(thrown);
  },

  "/fields/object": (handler) => sendAll(handler, { "X-A": "1", "X-B": ["2", 3], "X-C": 4 }),
  "/fields/pairs": (handler) =>
    sendAll(handler, [
      ["X-A", "1"],
      ["X-B", "2"],
      ["X-B", 3],
      ["X-C", 4],
    ]),
  "/fields/map": (handler) =>
    sendAll(
      handler,
      new Map<string, string | number | (string | number)[]>([
        ["X-A", "1"],
        ["X-B", ["2", 3]],
        ["X-C", 4],
      ]),
    ),
  "/fields/request": (handler) =>
    sendAll(
      handler,
      [...handler.headers].filter(([name]) => /^x-/i.test(name)),
    ),
  "/fields/headers": (handler) => {
    const headers = new Headers({ "X-A": "1", "Content-Type": "text/csv" });
    headers.append("Set-Cookie", "a=1, 2");
    headers.append("Set-Cookie", "b=2");
    sendAll(handler, headers);
  },

  "/read/bytes": async (handler) => handler.sendJson([...(await handler.bytes())]),
  "/read/json": async (handler) => handler.sendJson({ value: await handler.json() }),
  "/read/pair": async (handler) => {
    const { val_a, val_b } = await handler.json(pair);
    handler.sendJson({ sum: val_a + val_b });
  },
  "/read/later": async (handler) => {
    const { val_a, val_b } = await handler.json(later);
    handler.sendJson({ sum: val_a + val_b });
  },
  "/read/deep": async (handler) => handler.sendJson(await handler.json(deep)),

  "/stream/out": async (handler) => {
    begin(handler);
    const source = new ReadableStream<Uint8Array | string>({
      start(controller) {
        for (const piece of ["hel", Buffer.from("lo"), " €"]) controller.enqueue(piece);
        controller.close();
      },
    });
    await source.pipeTo(handler.wfile.stream(), { signal: handler.signal });
    handler.wfile.write(", and more");
  },
  "/stream/echo": async (handler) => {
    begin(handler);
    await handler.rfile.stream().pipeTo(handler.wfile.stream(), { signal: handler.signal });
  },
};

/** Sends fields by the call that the query names. */
function sendAll(handler: BaseHTTPRequestHandler, headers: HeaderFields): void {
  switch (handler.query.get("call")) {
    case "sendInformational":
      handler.sendInformational(103, headers);
      return handler.sendText("x");
    case "sendJson":
      return handler.sendJson("x", 200, headers);
    case "sendError":
      return handler.sendError(400, "x", "x", { headers });
    case "HTTPError":
      throw new HTTPError(400, { headers });
    default:
      return handler.sendText("x", 200, headers);
  }
}

export class Shortcuts extends BaseHTTPRequestHandler {
  do_GET(): void | Promise<void> {
    return act(this, acts);
  }

  do_POST(): void | Promise<void> {
    return act(this, acts);
  }
}
