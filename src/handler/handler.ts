/** The class that request handlers extend, as Python's `http.server.BaseHTTPRequestHandler`. */
/// <reference types="node" preserve="true" />
import { encode } from "../protocol/bytes.ts";
import { FieldList, knownField } from "../protocol/fields.ts";
import { isFieldText } from "../protocol/grammar.ts";
import { ERROR_CACHING, hasNoContent, reasonOf } from "../protocol/status.ts";
import { VERSION } from "../version.ts";
import { mark } from "../runtime/library_copies.ts";
import type { ResponseBody } from "./response_body.ts";
import { dateField } from "./date_field.ts";
import { ERROR_PAGE, ERROR_PAGE_TYPE, errorContent } from "./error_document.ts";
import type { HTTPErrorOptions } from "./errors.ts";
import { HandledRequest, type HandlerContext } from "./handled_request.ts";
import { eachField, type HeaderFields } from "./header_fields.ts";
import { loggedAddress } from "../loop/log.ts";
import type { RequestOutcome } from "./request_outcome.ts";
import type { RequestContext, RequestHandler } from "./request_context.ts";

/** A class of request handlers: one that extends BaseHTTPRequestHandler. What servers look for among its static members is here. */
export interface RequestHandlerClass {
  /** Called by the server, for each request. */
  new (context: HandlerContext): BaseHTTPRequestHandler;
  /** Bytes of content that are waited for before a method is called; more is 413. The methods need not be async then. */
  readonly bufferedBody?: number | undefined;
  /** Bytes of content, in place of the server's `maxBodySize`. */
  readonly maxBodySize?: number | undefined;
  /** Bytes a second, in place of the server's `minBodyRate`. */
  readonly minBodyRate?: number | undefined;
  /** Milliseconds, in place of the server's `bodyTimeout`. */
  readonly bodyTimeout?: number | undefined;
  /** The URL of the file that exports the class: `import.meta.url`. Threads import that file, and not the program. */
  readonly module?: string | undefined;
}

const SOFTWARE = `Plinth/${VERSION}`;
const SERVER = knownField("Server", SOFTWARE);

/** What a handler does for a method: no arguments, and nothing to return, but perhaps a promise for when it is done. */
export type RequestMethod = () => void | Promise<void>;

/**
 * Handles one request. Extend it with a method for each HTTP method that you serve: `do_` and the method, letter for letter
 * (methods are case-sensitive), such as `do_GET`, `do_RICKROLL` or `"do_M-SEARCH"`. Each may be async. A server makes a fresh
 * object for every request. Methods that everybody knows and the class lacks get 405, others 501; HEAD is handled as GET
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
export class BaseHTTPRequestHandler extends HandledRequest {
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

  readonly #request: RequestContext;

  /** Called by the server. A handler has no arguments of its own; fields are set with the request at hand. */
  constructor(context: HandlerContext) {
    super(context);
    this.#request = context.request as RequestContext;
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
    if (!this.#request.services.log.silent || hasOwnLog(this))
      this.logRequest(status || "-", bytesSent || "-", code ?? reason);
  }

  // The response

  /** The content of the response. @source Python's `wfile` */
  get wfile(): ResponseBody {
    return this.#request.response;
  }

  /**
   * Begins the response with a status, and with Server (where `versionString` says something) and Date.
   * @param code status code, 200 to 599
   * @param message reason phrase; the registered one when left out
   * @throws {RangeError} for another status; {Error} when the response has begun already
   * @source Python's `send_response`
   */
  sendResponse(code: number, message?: string): void {
    const { response, services } = this.#request;
    response.begin(code, message);
    this.#request.responseBegins();
    const software = this.versionString();
    if (software === SOFTWARE) response.addField(SERVER);
    else if (software !== "") response.add("Server", software);
    response.addField(dateField(services.clock.date));
  }

  /** Begins the response with a status alone. @source Python's `send_response_only` */
  sendResponseOnly(code: number, message?: string): void {
    this.#request.response.begin(code, message);
    this.#request.responseBegins();
  }

  /**
   * Adds a header. Content-Length announces how much content will follow, Connection: close ends the connection behind it.
   * @throws {TypeError} when the name or value could not be sent as it is (CR and LF, for example), for Transfer-Encoding, which the
   *   protocol sees to, and for a Content-Length that is no number of bytes; {Error} before `sendResponse`, after `endHeaders`, and for a
   *   second Content-Length that says otherwise
   * @source Python's `send_header`
   */
  sendHeader(name: string, value: string | number): void {
    this.#request.response.add(name, value);
  }

  /** Ends the headers; content may follow. @throws {Error} when they have not begun, or have ended
   * @source Python's `end_headers` */
  endHeaders(): void {
    this.#request.response.endHeaders();
  }

  /** Sends what has been written now, instead of at the end of this turn. @source Python's `flush_headers` */
  flushHeaders(): void {
    this.#request.response.flush();
  }

  /**
   * Adds a field behind the content (RFC 9110 §6.5). Peers may ignore it; it is dropped where it cannot be sent, which is in
   * HTTP/1.0 and behind content whose Content-Length was announced.
   * @throws {TypeError} for a field that frames or routes the message, and as `sendHeader` does
   */
  sendTrailer(name: string, value: string | number): void {
    this.#request.response.addTrailer(name, value);
  }

  /**
   * Sends an interim response at once, such as 103 Early Hints (RFC 8297), to the clients that the server's option `informational`
   * names, by default those of HTTP/2 and later. For others it does nothing, and says nothing: an interim response is never needed.
   * A 100 that the client has asked for is sent in any case. HTTP/1.0 clients get none.
   * @param code 100 to 199, but not 101
   * @param headers fields; none that says how long content is, since there is none (RFC 9110 §8.6, RFC 9112 §6.1)
   * @throws {RangeError} for another code; {TypeError} for a field that could not be sent as it is, Transfer-Encoding or Content-Length;
   *   {Error} when the head of the response has been handed over: by `flush`, at the end of the turn, or with 16 KiB of content
   */
  sendInformational(code: number, headers: HeaderFields = {}): void {
    const fields = new FieldList();
    eachField(headers, (name, value) => {
      if (/^(?:transfer-encoding|content-length)$/i.test(name))
        throw new TypeError(`cannot send ${name} in an interim response: it has no content`);
      fields.add(name, value);
    });
    this.#request.exchange.inform(code, fields);
  }

  /**
   * Whether this handler has asked that the connection ends behind this response; it may end without, for other reasons. Set it to
   * true before `endHeaders`; it cannot be taken back. @source Python's `close_connection`
   */
  get closeConnection(): boolean {
    return this.#closeConnection;
  }

  set closeConnection(close: boolean) {
    if (!close) return;
    this.#closeConnection = true;
    this.#request.exchange.closeConnection();
  }

  #closeConnection = false;

  /**
   * Responds with a value as JSON, all of it.
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
   * Responds with text, all of it, as UTF-8.
   * @param status status code, 200 to 599
   * @param headers more fields; a Content-Type among them takes the place of text/plain; charset=utf-8
   * @throws as `sendResponse` and `sendHeader` do
   */
  sendText(text: string, status: number = 200, headers?: HeaderFields): void {
    if (typeof text !== "string") throw new TypeError(`cannot send ${typeof text} as text: it must be a string`);
    this.#send(status, headers, "text/plain; charset=utf-8", text);
  }

  /**
   * Responds with an error, and logs it: a problem document (RFC 9457), or a page where the client prefers one. What was prepared
   * of another response is dropped, if none of it has left. Where `headers` have no Cache-Control, no cache may keep it (`no-store`).
   * @param code status code, 400 to 599 (others are allowed)
   * @param message title, and reason phrase where it can be one; the registered one when left out
   * @param explain what happened, for the person who reads it
   * @param options `headers`: more fields; `problem`: more members of the problem document
   * @throws {Error} when a response has left already
   * @source Python's `send_error`
   */
  sendError(
    code: number,
    message?: string,
    explain?: string,
    options: Pick<HTTPErrorOptions, "headers" | "problem"> = {},
  ): void {
    const { response } = this.#request;
    if (!response.retract()) throw response.mistake(`cannot respond with ${code}: another response has left already`);
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
    return this.#request.services.clock.logTime;
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
    const { log } = this.#request.services;
    log.message(`${this.addressString()} - - [${this.logDateTimeString()}] `, message, args);
  }
}

mark(BaseHTTPRequestHandler, "BaseHTTPRequestHandler");

// On the prototype, where they cost a request nothing.
const { prototype } = BaseHTTPRequestHandler;
const { requestEnded, logRequest, logMessage } = prototype;

function hasOwnLog(handler: RequestHandler): boolean {
  return handler.logRequest !== logRequest || handler.logMessage !== logMessage;
}

/** Whether a handler wants to know how its request ended, though the server logs nothing. */
export function isWatched(handler: RequestHandler | null): boolean {
  return handler !== null && (handler.requestEnded !== requestEnded || hasOwnLog(handler));
}

prototype.serverVersion = SOFTWARE;
prototype.errorMessageFormat = ERROR_PAGE;
prototype.errorContentType = ERROR_PAGE_TYPE;
