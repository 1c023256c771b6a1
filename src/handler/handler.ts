/** The class that request handlers extend, as Python's `http.server.BaseHTTPRequestHandler`. */
/// <reference types="node" preserve="true" />
import { encode } from "../protocol/bytes.ts";
import { FieldList, knownField } from "../protocol/fields.ts";
import { isFieldText } from "../protocol/grammar.ts";
import { ERROR_CACHING, hasNoContent, reasonOf } from "../protocol/status.ts";
import { VERSION } from "../version.ts";
import { mark } from "../runtime/library_copies.ts";
import type { ResponseBody } from "./response_body_interface.ts";
import { dateField } from "./date_field.ts";
import { ERROR_PAGE, ERROR_PAGE_TYPE, errorContent } from "./error_document.ts";
import type { HTTPErrorOptions } from "./errors.ts";
import { HandledRequest, type HandlerContext } from "./handled_request.ts";
import { eachField, type HeaderFields } from "./header_fields.ts";
import { loggedAddress } from "../loop/log.ts";
import type { RequestOutcome } from "./request_outcome.ts";
import type { RequestContext, RequestHandler } from "./request_context.ts";

/** A class that extends BaseHTTPRequestHandler, with the static members that servers read. */
export interface RequestHandlerClass {
  /** Called by the server, for each request. */
  new (context: HandlerContext): BaseHTTPRequestHandler;
  /** Bytes. If set, a method is called when all of the content has arrived, and need not be async. More content gets a 413. */
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

/** A method of a handler, such as `do_GET`. It takes no arguments, and returns nothing, or a promise that settles when it is done. */
export type RequestMethod = () => void | Promise<void>;

/**
 * Handles one request. Extend it with a method for each HTTP method that you serve: `do_` and the method, letter for letter
 * (methods are case-sensitive), such as `do_GET`, `do_RICKROLL` or `"do_M-SEARCH"`. Each may be async. A server makes a fresh
 * object for every request.
 *
 * A method that the class lacks gets a 405 if it is a standard method other than CONNECT, or if another class of the server has it,
 * and a 501 otherwise. Without a `do_HEAD`, HEAD calls `do_GET`, whose content is not sent. Without a `do_OPTIONS`, OPTIONS gets a 204 that
 * lists the methods in Allow.
 *
 * A class may have `static bufferedBody = 1000`, a number of bytes. Its methods are then called when all of the content has arrived, and
 * can read it without waiting (`rfile.readSync`). More content gets a 413. If the client leaves before, the method is not called.
 *
 * A class may have limits of its own for the content of its requests, in place of the server's: `static maxBodySize`,
 * `static minBodyRate`, `static bodyTimeout`.
 *
 * Meant to be overridden: `do_*`, `setup`, `finish`, `requestEnded`, `serverVersion`, `versionString`, `errorMessageFormat`,
 * `errorContentType`, `sendError`, `logRequest`, `logError`, `logMessage`, `addressString`, `logDateTimeString`.
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
  /** Handles the requests of one HTTP method. Define it as a method of the class: a field of such a name is refused. */
  [method: `do_${string}`]: RequestMethod | undefined;

  /** The value of the Server field, which `versionString` returns. "" leaves the field out. @source Python's `server_version` */
  declare serverVersion: string;
  /**
   * The error page. `%(code)d`, `%(message)s` and `%(explain)s` are replaced by the arguments of `sendError`, escaped for HTML. Clients
   * that prefer HTML get the page. A class's own page is sent to all clients that do not prefer JSON.
   * @source Python's `error_message_format`
   */
  declare errorMessageFormat: string;
  /** The media type of `errorMessageFormat`. @source Python's `error_content_type` */
  declare errorContentType: string;

  readonly #request: RequestContext;

  /** Called by the server, with no arguments of the class's own. Field initializers may use the request already. */
  constructor(context: HandlerContext) {
    super(context);
    this.#request = context.request as RequestContext;
  }

  // Around each request

  /** Called before the method. Does nothing unless overridden. May be async. @source Python's `setup` */
  setup(): void | Promise<void> {}

  /**
   * Called after the method, also when it has thrown. The response to an error is sent after `finish`. Does nothing unless overridden. May
   * be async.
   * @source Python's `finish`
   */
  finish(): void | Promise<void> {}

  /**
   * Called once for each request, however it ended, when its response has left or can no longer leave. In a thread it is called when the
   * handler has settled. Unless overridden, it writes the request's line of the log, by `logRequest`. An error that it throws is logged.
   * An `AsyncLocalStorage` has the value here that it had when the response began.
   */
  requestEnded(outcome: RequestOutcome): void {
    const { status, bytesSent, reason, code } = outcome;
    // No time is spent on a line that no log writes.
    if (!this.#request.services.log.silent || hasOwnLog(this))
      this.logRequest(status || "-", bytesSent || "-", code ?? reason);
  }

  // The response

  /** The content of the response. @source Python's `wfile` */
  get wfile(): ResponseBody {
    return this.#request.response;
  }

  /**
   * Begins the response with a status, a Date field, and a Server field unless `versionString` returns "".
   * @param code status code, 200 to 599
   * @param message reason phrase; the registered one when left out
   * @throws {RangeError} for another status; {TypeError} for a reason phrase with control characters; {Error} when the response has begun
   *   already
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
   * Adds a header field. Content-Length announces how many bytes of content follow. `Connection: close` ends the connection after this
   * response.
   * @throws {TypeError} for a name or value that cannot be sent as it is (with CR or LF, for example), for Transfer-Encoding, which the
   *   protocol sets, and for a Content-Length that is not a number of bytes; {Error} before `sendResponse`, after `endHeaders`, and for a
   *   second Content-Length with another value
   * @source Python's `send_header`
   */
  sendHeader(name: string, value: string | number): void {
    this.#request.response.add(name, value);
  }

  /** Ends the headers. Content may follow. @throws {Error} before `sendResponse`, and when they have ended already
   * @source Python's `end_headers` */
  endHeaders(): void {
    this.#request.response.endHeaders();
  }

  /** Sends at once what has been written, instead of at the end of this turn of the event loop. @source Python's `flush_headers` */
  flushHeaders(): void {
    this.#request.response.flush();
  }

  /**
   * Adds a trailer field, which follows the content (RFC 9110 §6.5). Clients may ignore it. It is dropped where it cannot be sent: in
   * HTTP/1.0, and after content whose Content-Length was announced.
   * @throws {TypeError} for a field that frames or routes the message, and as `sendHeader` does
   */
  sendTrailer(name: string, value: string | number): void {
    this.#request.response.addTrailer(name, value);
  }

  /**
   * Sends an interim response at once, such as 103 Early Hints (RFC 8297), to the clients that the server's option `informational`
   * names, by default those of HTTP/2 and later. For other clients it does nothing, without an error, since no client depends on an interim
   * response. A 100 that the client has asked for is always sent. HTTP/1.0 clients get none.
   * @param code 100 to 199, but not 101
   * @param headers fields, without Content-Length and Transfer-Encoding: an interim response has no content (RFC 9110 §8.6, RFC 9112 §6.1)
   * @throws {RangeError} for another code; {TypeError} for a field that cannot be sent as it is, Transfer-Encoding or Content-Length;
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
   * Whether this handler has asked to close the connection after this response. The connection may also end for other reasons. Set it to
   * true before `endHeaders`. Setting it to false has no effect. @source Python's `close_connection`
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
   * Sends a whole response, whose content is a value as JSON.
   * @param status status code, 200 to 599
   * @param headers more fields; a Content-Type among them replaces application/json
   * @throws {TypeError} for a value that JSON cannot represent (undefined, a BigInt, a circular structure, a promise); and as
   *   `sendResponse` and `sendHeader` do
   */
  sendJson(value: unknown, status: number = 200, headers?: HeaderFields): void {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) throw new TypeError(`cannot send ${typeof value} as JSON: JSON has no such value`);
    if (value instanceof Promise) throw new TypeError("cannot send a promise as JSON: await it");
    this.#send(status, headers, "application/json", text);
  }

  /**
   * Sends a whole response, whose content is text in UTF-8.
   * @param status status code, 200 to 599
   * @param headers more fields; a Content-Type among them replaces text/plain; charset=utf-8
   * @throws {TypeError} when `text` is not a string; and as `sendResponse` and `sendHeader` do
   */
  sendText(text: string, status: number = 200, headers?: HeaderFields): void {
    if (typeof text !== "string") throw new TypeError(`cannot send ${typeof text} as text: it must be a string`);
    this.#send(status, headers, "text/plain; charset=utf-8", text);
  }

  /**
   * Responds with an error, and logs it. The content is a problem document (RFC 9457), or a page if the client prefers one. A response
   * that was begun before is dropped, if none of it has left. Without a Cache-Control among `headers`, the response says `no-store`, so that
   * no cache keeps it.
   * @param code status code, 400 to 599 (others are allowed)
   * @param message title, also sent as the reason phrase if it has no control characters; the registered reason phrase when left out
   * @param explain what happened, for the person who reads the response
   * @param options `headers`: more fields; `problem`: more members of the problem document
   * @throws {Error} when another response has begun to leave
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
        if (lower !== "content-type") this.sendHeader(name, value); // sent below: the type of the document
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
    let hasType = false;
    if (headers !== undefined)
      eachField(headers, (name, value) => {
        this.sendHeader(name, value);
        hasType ||= name.toLowerCase() === "content-type";
      });
    if (!hasType) this.sendHeader("Content-Type", type);
    const content = encode(text);
    this.sendHeader("Content-Length", content.length);
    this.endHeaders();
    this.wfile.write(content);
  }

  /** The value of the Server field; "" for no such field. @source Python's `version_string` */
  versionString(): string {
    return this.serverVersion;
  }

  /** The time in the format of a Date field. @source Python's `date_time_string` */
  dateTimeString(time: Date = new Date()): string {
    return time.toUTCString();
  }

  /** The local time in the format of the log. @source Python's `log_date_time_string` */
  logDateTimeString(): string {
    return this.#request.services.clock.logTime;
  }

  /** The client's address for the log; `-` where none is known. @source Python's `address_string` */
  addressString(): string {
    return loggedAddress(this.clientAddress);
  }

  /**
   * Logs a request that has ended. `requestEnded` calls it.
   * @param code the status of the response, "-" where none was sent
   * @param size bytes of content that were sent, "-" for none
   * @param reason why the request ended, or the code of the client's fault; the line ends with it unless it is "complete"
   * @source Python's `log_request`, which is called when the response begins
   */
  logRequest(code: number | string = "-", size: number | string = "-", reason: string = "complete"): void {
    this.logMessage('"%s" %s %s', this.requestLine, code, reason === "complete" ? size : `${size} ${reason}`);
  }

  /**
   * Logs an error. For an error that the handler threw, it is called with `("%s", error)`: the Error itself, or a description of a thrown
   * value that is no Error.
   * @source Python's `log_error`
   */
  logError(message: string, ...args: unknown[]): void {
    this.logMessage(message, ...args);
  }

  /**
   * Writes one line to the server's log. `%s` and `%d` are replaced by the arguments, in order. Control characters are escaped, and so is
   * everything else that could forge a line or hide a part of one. For an Error among the arguments, the line has the first line of its
   * stack, and the rest of the stack follows, indented. An override gets message and arguments unescaped: if it writes elsewhere, it must
   * escape them itself.
   * @source Python's `log_message`
   */
  logMessage(message: string, ...args: unknown[]): void {
    const { log } = this.#request.services;
    log.message(`${this.addressString()} - - [${this.logDateTimeString()}] `, message, args);
  }
}

mark(BaseHTTPRequestHandler, "BaseHTTPRequestHandler");

// The defaults are on the prototype, so that no request spends time on setting them.
const { prototype } = BaseHTTPRequestHandler;
const { requestEnded, logRequest, logMessage } = prototype;

function hasOwnLog(handler: RequestHandler): boolean {
  return handler.logRequest !== logRequest || handler.logMessage !== logMessage;
}

/** Whether a handler overrides `requestEnded` or the log, so that the end of its request is reported although the server logs nothing. */
export function reportsEnd(handler: RequestHandler | null): boolean {
  return handler !== null && (handler.requestEnded !== requestEnded || hasOwnLog(handler));
}

prototype.serverVersion = SOFTWARE;
prototype.errorMessageFormat = ERROR_PAGE;
prototype.errorContentType = ERROR_PAGE_TYPE;
