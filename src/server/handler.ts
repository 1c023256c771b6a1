/** The class that request handlers extend, as Python's `http.server.BaseHTTPRequestHandler`. */
/// <reference types="node" preserve="true" />
import type { Buffer } from "node:buffer";
import { encode } from "../protocol/bytes.ts";
import type { Fields } from "../protocol/fields.ts";
import { FieldList } from "../protocol/fields.ts";
import { isFieldText } from "../protocol/grammar.ts";
import { ERROR_CACHING, hasNoContent, reasonOf } from "../protocol/status.ts";
import { VERSION } from "../version.ts";
import type { ResponseBody } from "./answer.ts";
import { DatedLines } from "./dated_lines.ts";
import { ERROR_PAGE, ERROR_PAGE_TYPE, errorContent } from "./error_document.ts";
import type { HTTPErrorOptions } from "./errors.ts";
import { eachField, type HeaderFields } from "./header_fields.ts";
import type { RequestOutcome } from "./outcome.ts";
import { decodeText, parseJson, validate } from "./json.ts";
import { loggedAddress } from "./log.ts";
import { quiet, type RequestBody } from "./rfile.ts";
import type { HTTPServer } from "./server.ts";
import type { StandardSchemaV1 } from "./standard_schema.ts";
import { decodePart, pathOf, readPathParams, readQuery } from "./target.ts";
import type { Transaction } from "./transaction.ts";

/** What a server gives to the constructor of a handler. Nothing in it is for users. */
export interface HandlerContext {
  /** The request at hand, for the base class. */
  readonly transaction: object;
}

/** A class of request handlers. */
export type RequestHandlerClass = new (context: HandlerContext) => BaseHTTPRequestHandler;

const SOFTWARE = `Plinth/${VERSION}`;
const SOFTWARE_AND_DATE = new DatedLines(`Server: ${SOFTWARE}\r\n`);
const DATE = new DatedLines("");

/** What a handler does for a method: no arguments, and nothing to return, but perhaps a promise for when it is done. */
export type RequestMethod = () => void | Promise<void>;

/**
 * Handles one request. Extend it with a method for each HTTP method that you serve: `do_` and the method, letter for letter
 * (methods are case-sensitive), such as `do_GET`, `do_RICKROLL` or `"do_M-SEARCH"`. Each may be async. A server makes a fresh
 * object for every request. Methods that everybody knows and the class lacks are answered 405, others 501; HEAD is answered as GET
 * without the content, and OPTIONS with what there is, unless the class has its own.
 *
 * A class may say `static bufferedBody = 1000`, a number of bytes: its methods are called when all of the content is there, and can
 * read it without waiting (`rfile.readSync`); more content is 413. Where the client leaves before, they are not called.
 *
 * A class may have limits of its own for the content of its requests, in place of the server's: `static maxBodySize`,
 * `static minBodyRate`, `static bodyTimeout`.
 *
 * Meant to be overridden: `do_*`, `setup`, `finish`, `requestEnded`, `serverVersion`, `versionString`, `errorMessageFormat`, `errorContentType`,
 * `sendError`, `logRequest`, `logError`, `logMessage`, `addressString`, `logDateTimeString`.
 *
 * @example
 * class RequestHandler extends BaseHTTPRequestHandler {
 *   async do_POST() {
 *     const { val_a, val_b } = await this.json();
 *     this.sendJson({ sum: val_a + val_b });
 *   }
 * }
 *
 * @source Python's `http.server.BaseHTTPRequestHandler`
 */
export class BaseHTTPRequestHandler {
  /** What a class defines with such a name is the method of its requests; a field of such a name is refused. */
  [method: `do_${string}`]: RequestMethod | undefined;

  /** What `versionString` says. "" leaves the Server field out. @source Python's `server_version` */
  declare serverVersion: string;
  /**
   * The page of an error: `%(code)d`, `%(message)s` and `%(explain)s` stand for what `sendError` is given, escaped for HTML. Clients
   * that prefer HTML get it; where a class has one of its own, all do that do not ask for JSON.
   * @source Python's `error_message_format`
   */
  declare errorMessageFormat: string;
  /** The media type of `errorMessageFormat`. @source Python's `error_content_type` */
  declare errorContentType: string;

  readonly #transaction: Transaction;

  /** Called by the server. A handler has no arguments of its own; fields are set with the request at hand. */
  constructor(context: HandlerContext) {
    if (context === undefined)
      throw new TypeError(
        `${new.target.name} has a constructor of its own: it must take the context and say super(context)`,
      );
    this.#transaction = context.transaction as Transaction;
  }

  // The request

  /** The method, letter for letter. @source Python's `command` */
  get method(): string {
    return this.#transaction.exchange.head.method;
  }

  /**
   * The request target as it was sent: path and query, neither decoded. It may begin with two slashes, which as a `Location` would
   * lead to another host.
   * @source Python's `path`
   */
  get path(): string {
    return this.#transaction.exchange.head.target;
  }

  /** The path without its query, neither decoded nor normalized; "" of a target that has none, such as `*`. */
  get pathname(): string {
    return pathOf(this.path);
  }

  /** What `path` says behind its first question mark, decoded; `+` is a space in it. A second question mark is a character like others. */
  get query(): URLSearchParams {
    return (this.#query ??= readQuery(this.path));
  }

  #query: URLSearchParams | null = null;

  /**
   * Parameters from the path, decoded: behind a Router, those that its pattern names; else names and values by turns, such as
   * val_a and val_b in `/val_a/3/val_b/4/`.
   * @throws {HTTPError} 400 for a bad escape, and where names and values take turns for a name without a value, an empty one, or one
   *   that stands twice
   */
  get pathParams(): ReadonlyMap<string, string> {
    return (this.#pathParams ??= this.#readPathParams());
  }

  #pathParams: ReadonlyMap<string, string> | null = null;

  #readPathParams(): Map<string, string> {
    const { routeParams } = this.#transaction;
    if (routeParams === null) return readPathParams(this.pathname);
    const params = new Map<string, string>();
    for (const name of Object.keys(routeParams)) {
      const value = routeParams[name];
      if (value !== undefined) params.set(name, decodePart(value));
    }
    return params;
  }

  /** "HTTP/1.0" or "HTTP/1.1". @source Python's `request_version` */
  get requestVersion(): string {
    return this.#transaction.exchange.head.version;
  }

  /** The request line, without its end. @source Python's `requestline` */
  get requestLine(): string {
    const { method, target, version } = this.#transaction.exchange.head;
    return `${method} ${target} ${version}`;
  }

  /**
   * The host that the client asked for, and the port where it named one, as it was sent: `"example.com:8000"`. A target that names a
   * host (absolute-form, or CONNECT's) counts, and the Host field beside it does not; any other target leaves it to the Host field.
   * Null where neither names one, which HTTP/1.0 and `OPTIONS *` allow. The client chooses it: compare it with the names that you serve
   * before you build a link from it.
   * @source RFC 9112 §3.2.2 and §3.3
   */
  get authority(): string | null {
    return this.#transaction.exchange.head.authority;
  }

  /** The header section. @source Python's `headers` */
  get headers(): Fields {
    return this.#transaction.exchange.head.fields;
  }

  /** The content. @source Python's `rfile` */
  get rfile(): RequestBody {
    return this.#transaction.reader;
  }

  /** The trailer section, once the content has been read to its end; undefined before, and where there is none. */
  get trailers(): Fields | undefined {
    return this.#transaction.exchange.trailers;
  }

  /**
   * The client's address and port. An IPv4 client has an IPv4 address, also on a socket that takes IPv6 as well. `["", 0]` behind a Unix
   * socket, and where the client was gone when its connection was accepted.
   * @source Python's `client_address`
   */
  get clientAddress(): readonly [host: string, port: number] {
    return this.#transaction.exchange.peer;
  }

  /** The server. @source Python's `server` */
  get server(): HTTPServer {
    return this.#transaction.services.serverFor(this.#transaction);
  }

  /**
   * Aborts when the client goes away, with a PeerGoneError as its reason. One that only half-closed (`reason.reason` is
   * "half-closed") still gets its answer: most have gone, some have just sent all they had to say. Who passes the signal on gives
   * up on both. It also aborts when more than 64 KiB were written as content of a response that has none, such as that to a HEAD
   * ("head-only"); and with `handlerTimeout`, when the handler's time is over, with a DOMException named "TimeoutError".
   *
   * The end of a connection comes behind what the client has sent before. So it is heard of as long as less than 64 KiB of that lie
   * unread; with more, when the handler has read some of it, or when a write fails.
   */
  get signal(): AbortSignal {
    return this.#transaction.signals.main;
  }

  /**
   * Makes a signal that aborts as `signal` does, and also when a time is over: then with a DOMException named "TimeoutError" as its
   * reason, as that of `AbortSignal.timeout`. Its timer is cleared when the request has ended. Use it instead of `AbortSignal.any`,
   * which with `AbortSignal.timeout` may never abort on Node 20.
   * @param ms milliseconds; Infinity for no limit
   * @throws {TypeError} for what is no number; {RangeError} for NaN and what is below 0
   * @example const response = await fetch(url, { signal: this.timeout(5000) });
   */
  timeout(ms: number): AbortSignal {
    return this.#transaction.signals.timeout(ms);
  }

  /**
   * Whether `signal` has aborted, or would: the client has gone, was sent away, or half-closed. For handlers that compute for long,
   * to be asked now and then: it costs next to nothing, and is true in a thread though nothing was awaited meanwhile. A handler
   * that then returns without an answer ends the connection.
   */
  get clientGone(): boolean {
    return this.#transaction.isGone;
  }

  /** All of the content (that is left), at most the server's `maxBodySize` of it. @returns rejects as `rfile.read` does */
  bytes(): Promise<Buffer<ArrayBuffer>> {
    return this.rfile.read();
  }

  /**
   * The content as text, which is UTF-8. A byte order mark (U+FEFF) at its beginning stays in it.
   * @returns rejects with {HTTPError} 400 when it is not UTF-8, and as `bytes` does
   */
  text(): Promise<string> {
    return quiet(this.bytes().then(decodeText));
  }

  /**
   * The content as JSON, whatever its Content-Type. `JSON.parse` reads it: numbers are rounded to doubles, and of a name that
   * stands twice the last one counts. A byte order mark before it is refused (RFC 8259 §8.1).
   * @param schema any Standard Schema (zod, valibot, arktype …), which the value must match
   * @returns the value, as the schema gives it; rejects with {HTTPError} 400 for what is not JSON, 422 for what does not match, with
   *   `errors` that say what and where, and as `bytes` does
   * @example const { val_a, val_b } = await this.json(z.object({ val_a: z.number(), val_b: z.number() }));
   */
  json(): Promise<any>;
  json<Output>(schema: StandardSchemaV1<unknown, Output>): Promise<Output>;
  json(schema?: StandardSchemaV1): Promise<unknown> {
    const value = this.text().then(parseJson);
    return quiet(schema === undefined ? value : value.then((value) => validate(schema, value)));
  }

  // Around each request

  /** Called before the method. Does nothing here. May be async. @source Python's `setup` */
  setup(): void | Promise<void> {}

  /**
   * Called after the method, also when it has thrown; the response to an error comes behind it. Does nothing here. May be async.
   * @source Python's `finish`
   */
  finish(): void | Promise<void> {}

  /**
   * Called once for every request, whatever became of it, when its response has left or will not leave any more. Writes the
   * request's line of the log here, by `logRequest`. In a thread it is called when the handler has settled. What it throws is logged.
   * What an `AsyncLocalStorage` shows here is what it showed when the response began.
   */
  requestEnded(outcome: RequestOutcome): void {
    const { status, bytesSent, reason, code } = outcome;
    // A line that nobody would see is not made.
    if (!this.#transaction.services.log.silent || hasOwnLog(this))
      this.logRequest(status || "-", bytesSent || "-", code ?? reason);
  }

  // The answer

  /** The content of the answer. @source Python's `wfile` */
  get wfile(): ResponseBody {
    return this.#transaction.answer;
  }

  /**
   * Begins the answer with a status, and with Server (where `versionString` says something) and Date.
   * @param code status code, 200 to 599
   * @param message reason phrase; the registered one when left out
   * @throws {RangeError} for another status; {Error} when the answer has begun already
   * @source Python's `send_response`
   */
  sendResponse(code: number, message?: string): void {
    const { answer, services } = this.#transaction;
    answer.begin(code, message);
    this.#transaction.responseBegins();
    const software = this.versionString();
    if (software !== SOFTWARE && software !== "") answer.add("Server", software);
    answer.addLines(software === SOFTWARE ? SOFTWARE_AND_DATE.at(services.clock.date) : DATE.at(services.clock.date));
  }

  /** Begins the answer with a status alone. @source Python's `send_response_only` */
  sendResponseOnly(code: number, message?: string): void {
    this.#transaction.answer.begin(code, message);
    this.#transaction.responseBegins();
  }

  /**
   * Adds a header. Content-Length announces how much content will follow, Connection: close ends the connection behind it.
   * @throws {TypeError} when the name or value could not be sent as it is (CR and LF, for example), or is Transfer-Encoding, which
   *   the protocol sees to; {Error} before `sendResponse` and after `endHeaders`
   * @source Python's `send_header`
   */
  sendHeader(name: string, value: string | number): void {
    this.#transaction.answer.add(name, value);
  }

  /** Ends the headers; content may follow. @throws {Error} when they have not begun, or have ended
   * @source Python's `end_headers` */
  endHeaders(): void {
    this.#transaction.answer.endHeaders();
  }

  /** Sends what has been written now, instead of at the end of this turn. @source Python's `flush_headers` */
  flushHeaders(): void {
    this.#transaction.answer.flush();
  }

  /**
   * Adds a field behind the content (RFC 9110 §6.5). Peers may ignore it; it is dropped where it cannot be sent, which is in
   * HTTP/1.0 and behind content whose Content-Length was announced.
   * @throws {TypeError} for a field that frames or routes the message, and as `sendHeader` does
   */
  sendTrailer(name: string, value: string | number): void {
    this.#transaction.answer.addTrailer(name, value);
  }

  /**
   * Sends an interim answer at once, such as 103 Early Hints (RFC 8297), to the clients that the server's option `informational`
   * names, by default those of HTTP/2 and later. For others it does nothing, and says nothing: an interim response is never needed.
   * A 100 that the client has asked for is sent in any case. HTTP/1.0 clients get none.
   * @param code 100 to 199, but not 101
   * @throws {RangeError} for another code; {TypeError} as `sendHeader` does; {Error} when the answer has left
   */
  sendInformational(code: number, headers: HeaderFields = {}): void {
    const fields = new FieldList();
    eachField(headers, (name, value) => fields.add(name, value));
    this.#transaction.exchange.inform(code, fields);
  }

  /**
   * Whether this handler has asked that the connection ends behind this answer; it may end without, for other reasons. Set it to
   * true before `endHeaders`; it cannot be taken back. @source Python's `close_connection`
   */
  get closeConnection(): boolean {
    return this.#closeConnection;
  }

  set closeConnection(close: boolean) {
    if (!close) return;
    this.#closeConnection = true;
    this.#transaction.exchange.closeConnection();
  }

  #closeConnection = false;

  /**
   * Answers with a value as JSON, all of it.
   * @param status status code, 200 to 599
   * @param headers more fields; a Content-Type among them takes the place of application/json
   * @throws {TypeError} for a value that JSON cannot say (undefined, a BigInt, a circle, a promise), and as `sendResponse` and
   *   `sendHeader` do
   */
  sendJson(value: unknown, status: number = 200, headers?: HeaderFields): void {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) throw new TypeError(`cannot send ${typeof value} as JSON`);
    if (value instanceof Promise) throw new TypeError("cannot send a promise as JSON: await it");
    this.#send(status, headers, "application/json", text);
  }

  /**
   * Answers with text, all of it, as UTF-8.
   * @param status status code, 200 to 599
   * @param headers more fields; a Content-Type among them takes the place of text/plain; charset=utf-8
   * @throws as `sendResponse` and `sendHeader` do
   */
  sendText(text: string, status: number = 200, headers?: HeaderFields): void {
    if (typeof text !== "string") throw new TypeError(`cannot send ${typeof text} as text: it must be a string`);
    this.#send(status, headers, "text/plain; charset=utf-8", text);
  }

  /**
   * Answers with an error, and logs it: a problem document (RFC 9457), or a page where the client prefers one. What was prepared
   * of another answer is dropped, if none of it has left. Where `headers` have no Cache-Control, no cache may keep it (`no-store`).
   * @param code status code, 400 to 599 (others are allowed)
   * @param message title, and reason phrase where it can be one; the registered one when left out
   * @param explain what happened, for the person who reads it
   * @param options `headers`: more fields; `problem`: more members of the problem document
   * @throws {Error} when an answer has left already
   * @source Python's `send_error`
   */
  sendError(
    code: number,
    message?: string,
    explain?: string,
    options: Pick<HTTPErrorOptions, "headers" | "problem"> = {},
  ): void {
    const { answer } = this.#transaction;
    if (!answer.retract()) throw answer.mistake(`cannot answer with ${code}: another answer has left already`);
    const title = message ?? (reasonOf(code) || `Error ${code}`);
    this.logError("code %d, message %s", code, title);
    this.sendResponse(code, message !== undefined && isFieldText(message) ? message : undefined);
    let saysCaching = code < 400;
    if (options.headers !== undefined)
      eachField(options.headers, (name, value) => {
        const lower = String(name).toLowerCase();
        if (lower !== "content-type") this.sendHeader(name, value); // which is the document's to say
        saysCaching ||= lower === "cache-control";
      });
    if (!saysCaching) this.sendHeader("Cache-Control", ERROR_CACHING);
    if (hasNoContent(code) || code === 205) return this.endHeaders();
    const page = { format: this.errorMessageFormat, type: this.errorContentType };
    const error = { code, message: title, explain, problem: options.problem };
    const { type, content } = errorContent(error, page, this.headers.getAll("Accept"));
    this.sendHeader("Content-Type", type);
    this.sendHeader("Content-Length", content.length);
    this.sendHeader("Vary", "Accept");
    this.endHeaders();
    this.wfile.write(content);
  }

  #send(status: number, headers: HeaderFields | undefined, type: string, text: string): void {
    this.sendResponse(status);
    let typed = false;
    if (headers !== undefined)
      eachField(headers, (name, value) => {
        this.sendHeader(name, value);
        typed ||= name.toLowerCase() === "content-type";
      });
    if (!typed) this.sendHeader("Content-Type", type);
    const content = encode(text);
    this.sendHeader("Content-Length", content.length);
    this.endHeaders();
    this.wfile.write(content);
  }

  /** What the Server field says; "" for none. @source Python's `version_string` */
  versionString(): string {
    return this.serverVersion;
  }

  /** The time as a Date field has it. @source Python's `date_time_string` */
  dateTimeString(time: Date = new Date()): string {
    return time.toUTCString();
  }

  /** The local time as the log has it. @source Python's `log_date_time_string` */
  logDateTimeString(): string {
    return this.#transaction.services.clock.logTime;
  }

  /** The client's address as the log has it; `-` where none is known. @source Python's `address_string` */
  addressString(): string {
    return loggedAddress(this.clientAddress);
  }

  /**
   * Logs a request, when it has ended: `requestEnded` calls it.
   * @param code the status of the response, "-" where none was sent
   * @param size bytes of content that were sent, "-" for none
   * @param reason why it ended, or what the client did wrong; the line says so where it is not "complete"
   * @source Python's `log_request`, which is called when the response begins
   */
  logRequest(code: number | string = "-", size: number | string = "-", reason: string = "complete"): void {
    this.logMessage('"%s" %s %s', this.requestLine, code, reason === "complete" ? size : `${size} ${reason}`);
  }

  /**
   * Logs an error. What the handler threw is given as `("%s", error)`: the Error itself, or a description of anything else.
   * @source Python's `log_error`
   */
  logError(message: string, ...args: unknown[]): void {
    this.logMessage(message, ...args);
  }

  /**
   * Writes one line to the server's log. `%s` and `%d` stand for the arguments by turns. Control characters and everything else that
   * could forge a line or hide a part of one are escaped. Of an Error among the arguments, the first line of its stack stands in the
   * line and the others stand below it, indented. An override that writes elsewhere is given all of it as it is, and escapes it itself.
   * @source Python's `log_message`
   */
  logMessage(message: string, ...args: unknown[]): void {
    const { log } = this.#transaction.services;
    log.message(`${this.addressString()} - - [${this.logDateTimeString()}] `, message, args);
  }
}

// On the prototype, where they cost a request nothing.
const { prototype } = BaseHTTPRequestHandler;
const { requestEnded, logRequest, logMessage } = prototype;

function hasOwnLog(handler: BaseHTTPRequestHandler): boolean {
  return handler.logRequest !== logRequest || handler.logMessage !== logMessage;
}

/** Whether a handler wants to know how its request ended, though the server logs nothing. */
export function isWatched(handler: BaseHTTPRequestHandler | null): boolean {
  return handler !== null && (handler.requestEnded !== requestEnded || hasOwnLog(handler));
}

prototype.serverVersion = SOFTWARE;
prototype.errorMessageFormat = ERROR_PAGE;
prototype.errorContentType = ERROR_PAGE_TYPE;
