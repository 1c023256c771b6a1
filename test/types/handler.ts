/**
 * What the types let a handler class do, and what they refuse. Nothing here runs: it holds when it compiles, since a
 * `@ts-expect-error` above a line without an error is an error itself.
 */
/// <reference types="node" preserve="true" />
import { BaseHTTPRequestHandler, type Fields, HTTPError, type Server, type StandardSchemaV1 } from "plinth";
import { z } from "zod";
import { type Equal, is } from "./equal.ts";

/** Everything here is allowed. */
export class Allowed extends BaseHTTPRequestHandler {
  override serverVersion = "Mine/1.0";
  override errorMessageFormat = "<h1>%(message)s</h1>";
  override errorContentType = "text/html";

  do_GET(): void {
    this.response("sync");
  }

  async do_POST(): Promise<void> {
    this.response(await this.text());
  }

  // Without a type of its own
  do_PUT() {
    this.sendText("inferred");
  }

  async do_PATCH() {
    await this.do_POST();
  }

  "do_M-SEARCH"(): void {}

  // A promise is one way or the other.
  do_EITHER(): void | Promise<void> {
    return this.path === "/" ? undefined : this.do_POST();
  }

  // Optional parameters are no parameters: nobody passes them.
  do_OPTIONAL(_count: number = 1): void {}

  response(text: string): void {
    this.sendText(text);
  }

  override async setup(): Promise<void> {}
  override finish(): void {}
  override logRequest(code: number | string): void {
    this.logMessage("%s", code);
  }
  override versionString(): string {
    return "Mine";
  }
}

/** A class without `override` is fine where the compiler does not ask for it; here it does. */
export class Signatures extends BaseHTTPRequestHandler {
  // @ts-expect-error A method has no parameters.
  do_GET(_request: Request): void {}

  // @ts-expect-error A method returns nothing: what it responds, it sends.
  do_POST(): string {
    return "a response";
  }

  // @ts-expect-error Neither does its promise hold anything.
  async do_PUT(): Promise<{ sum: number }> {
    return { sum: 7 };
  }

  // @ts-expect-error A number is no method.
  do_PATCH = 5;

  // @ts-expect-error An object is no method.
  do_DELETE = { handle(): void {} };

  // @ts-expect-error serverVersion is text.
  override serverVersion = 5;

  // @ts-expect-error There is no such method to override.
  override sendAnswer(): void {}

  // @ts-expect-error What versionString gives is text.
  override versionString(): number {
    return 5;
  }
}

export class Request_ extends BaseHTTPRequestHandler {
  async do_GET(): Promise<void> {
    is<Equal<typeof this.method, string>>();
    is<Equal<typeof this.path, string>>();
    is<Equal<typeof this.query, URLSearchParams>>();
    is<Equal<typeof this.pathParams, ReadonlyMap<string, string>>>();
    is<Equal<typeof this.authority, string | null>>();
    is<Equal<typeof this.headers, Fields>>();
    is<Equal<typeof this.trailers, Fields | undefined>>();
    is<Equal<typeof this.clientAddress, readonly [host: string, port: number]>>();
    is<Equal<typeof this.server, Server>>();
    is<Equal<typeof this.signal, AbortSignal>>();
    const length = this.headers.get("Content-Length");
    is<Equal<typeof length, string | null>>();
    const chunk = await this.rfile.read(5);
    is<Equal<typeof chunk, Buffer<ArrayBuffer>>>();
    const line = await this.rfile.readLine();
    is<Equal<typeof line, Buffer<ArrayBuffer>>>();
    for await (const piece of this.rfile) is<Equal<typeof piece, Buffer<ArrayBuffer>>>();
    is<Equal<ReturnType<typeof this.rfile.stream>, ReadableStream<Uint8Array<ArrayBuffer>>>>();
    const text = await this.text();
    is<Equal<typeof text, string>>();
    const bytes = await this.bytes();
    is<Equal<typeof bytes, Buffer<ArrayBuffer>>>();

    // @ts-expect-error The request is not to be changed.
    this.method = "POST";
    // @ts-expect-error
    this.path = "/other";
    // @ts-expect-error
    this.query = new URLSearchParams();
    // @ts-expect-error
    this.headers = new Map();
    // @ts-expect-error
    this.rfile = process.stdin;
    // @ts-expect-error
    this.wfile = process.stdout;
    // @ts-expect-error
    this.signal = AbortSignal.abort();
    // @ts-expect-error
    this.clientAddress[0] = "::1";
    // @ts-expect-error Path parameters are read only.
    this.pathParams.set("val_a", "3");
    // @ts-expect-error Fields that came in are, too.
    this.headers.set("Accept", "*/*");
    // @ts-expect-error A header that is not there is null, which Python's int() would not take either.
    parseInt(this.headers.get("Content-Length"));
    // @ts-expect-error Reads are counted in numbers.
    await this.rfile.read("5");

    this.closeConnection = true;
    // @ts-expect-error It is true or false.
    this.closeConnection = "close";
  }
}

/** A schema as any validator's: what it takes in is not what it gives. */
declare const numberFromText: StandardSchemaV1<string, number>;
declare const written: {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: "this test";
    validate(value: unknown): { value: { id: number } } | { issues: { message: string; path: (string | number)[] }[] };
  };
};
declare const fromVersion2: { readonly "~standard": { version: 2; vendor: "this test"; validate(): { value: 1 } } };
const addition = z.object({ val_a: z.number(), val_b: z.number().default(0) });
const counted = z.string().transform((text) => text.length);

export class Json extends BaseHTTPRequestHandler {
  async do_POST(): Promise<void> {
    const anything = await this.json();
    is<Equal<typeof anything, any>>();
    const five = await this.json(numberFromText);
    is<Equal<typeof five, number>>();
    const own = await this.json(written);
    is<Equal<typeof own, { id: number }>>();
    const values = await this.json(addition);
    is<Equal<typeof values, { val_a: number; val_b: number }>>();
    const length = await this.json(counted);
    is<Equal<typeof length, number>>();
    const inline = await this.json(z.array(z.string()));
    is<Equal<typeof inline, string[]>>();

    // @ts-expect-error This is what the schema gives, not what it takes.
    const text: string = await this.json(numberFromText);
    // @ts-expect-error The schema knows no such name.
    void values.val_c;
    // @ts-expect-error A function is no schema.
    await this.json((value: unknown) => value);
    // @ts-expect-error Neither is a JSON Schema.
    await this.json({ type: "object" });
    // @ts-expect-error A version that is not out yet.
    await this.json(fromVersion2);
    void text;
  }
}

export class Responses extends BaseHTTPRequestHandler {
  async do_GET(): Promise<void> {
    this.sendResponse(200, "Fine");
    this.sendHeader("Content-Length", 5);
    this.sendHeader("ETag", '"5"');
    this.endHeaders();
    is<Equal<ReturnType<typeof this.wfile.write>, void | Promise<void>>>();
    await this.wfile.write("text");
    await this.wfile.write(new Uint8Array(5));
    this.sendTrailer("Server-Timing", "total;dur=5");
    this.sendInformational(103, { Link: "</style.css>; rel=preload" });
    this.sendJson({ sum: 7 }, 201, { Location: "/7", Age: 0 });
    this.sendText("text", 200, { "Content-Type": "text/csv" });
    this.sendError(404, undefined, "Not here.", { headers: { Allow: "GET" }, problem: { instance: "/5" } });

    // @ts-expect-error A status is a number.
    this.sendResponse("200");
    // @ts-expect-error A field is a string or a number: which form of a Date is meant, HTTP would like to know.
    this.sendHeader("Last-Modified", new Date());
    // @ts-expect-error
    this.sendHeader("Access-Control-Allow-Credentials", true);
    // @ts-expect-error A header that was looked up and not found.
    this.sendHeader("Content-Type", undefined);
    // @ts-expect-error
    this.sendHeader("Content-Type", this.headers.get("Content-Type"));
    // @ts-expect-error Fields of one name are sent one by one.
    this.sendHeader("Set-Cookie", ["a=1", "b=2"]);
    // @ts-expect-error
    this.sendTrailer("Expires", new Date());
    this.sendInformational(103, { Link: ["</a.css>", "</b.css>"] });
    // @ts-expect-error
    this.sendInformational(103, { Link: [true] });
    // @ts-expect-error
    this.sendJson({}, 200, { "X-Flag": false });
    this.sendJson({}, 200, new Headers({ Location: "/7" }));
    this.sendJson({}, 200, this.headers);
    this.sendText("text", 200, new Map([["Location", "/7"]]));
    this.sendInformational(103, [
      ["Link", "</a.css>"],
      ["Age", [0, 1]],
    ]);
    // @ts-expect-error Fields are pairs, not names and values by turns.
    this.sendInformational(103, ["Link", "</a.css>"]);
    // @ts-expect-error
    this.sendText("text", 200, "Location: /7");
    // @ts-expect-error
    this.sendText("text", 200, Promise.resolve({ Location: "/7" }));
    // @ts-expect-error The status comes behind the value.
    this.sendJson(200, { sum: 7 });
    // @ts-expect-error
    this.sendText(Buffer.from("bytes"));
    // @ts-expect-error
    this.sendText("text", "200");
    // @ts-expect-error Content is bytes or a string, as Python's is not an int either.
    this.wfile.write(7);
    // @ts-expect-error
    this.wfile.write({ sum: 7 });
    // @ts-expect-error The response ends when the method does.
    this.wfile.end();
    // @ts-expect-error sendError's third argument is what happened.
    this.sendError(404, undefined, { detail: "Not here." });
  }
}

export function errors(): HTTPError[] {
  const cause = new Error("why");
  const error = new HTTPError(429, "Slowly", {
    headers: { "Retry-After": 120 },
    detail: "Wait.",
    problem: { a: 1 },
    cause,
  });
  is<Equal<typeof error.status, number>>();
  is<Equal<typeof error.detail, string | undefined>>();
  // @ts-expect-error
  error.status = 500;
  return [
    error,
    new HTTPError(404),
    new HTTPError(404, undefined, { detail: "Not here." }),
    // @ts-expect-error A status is a number.
    new HTTPError("404"),
    new HTTPError(404, { detail: "Not here.", headers: { "Set-Cookie": ["a=1", "b=2"] } }),
    // @ts-expect-error There is no such option.
    new HTTPError(404, { details: "Not here." }),
    // @ts-expect-error The options stand in the title's place, not beside it.
    new HTTPError(404, { detail: "Not here." }, {}),
    // @ts-expect-error There is no such option.
    new HTTPError(404, undefined, { details: "Not here." }),
    // @ts-expect-error A detail is text.
    new HTTPError(404, undefined, { detail: 5 }),
    // @ts-expect-error A field's value is a string or a number.
    new HTTPError(503, undefined, { headers: { "Retry-After": new Date() } }),
    // @ts-expect-error A problem's members have names.
    new HTTPError(422, undefined, { problem: "val_a" }),
  ];
}
