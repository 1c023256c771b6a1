/** The request that a handler handles, as its class shows it: the half of BaseHTTPRequestHandler that only reads. */
/// <reference types="node" preserve="true" />
import type { Buffer } from "node:buffer";
import type { Fields } from "../protocol/fields.ts";
import { decodeText, parseJson, validate } from "./json.ts";
import { nameOf } from "./handler_methods.ts";
import { quiet, type RequestBody } from "./request_body.ts";
import type { Server } from "./server_interface.ts";
import type { StandardSchemaV1 } from "./standard_schema.ts";
import { decodePart, pathOf, readPathParams, readQuery } from "./request_path.ts";
import type { RequestContext } from "./request_context.ts";

/** What a server gives to the constructor of a handler. Nothing in it is for users. */
export interface HandlerContext {
  /** The request at hand, for the base class. */
  readonly request: object;
}

/** What a handler knows of its request. `BaseHTTPRequestHandler` extends it; handlers extend that. */
export class HandledRequest {
  readonly #request: RequestContext;

  /** Called by the server. */
  constructor(context: HandlerContext) {
    if (context === undefined)
      throw new TypeError(
        `${nameOf(new.target)} has a constructor of its own: it must take the context and say super(context)`,
      );
    this.#request = context.request as RequestContext;
  }

  /** The method, letter for letter. @source Python's `command` */
  get method(): string {
    return this.#request.exchange.head.method;
  }

  /**
   * The request target as it was sent: path and query, neither decoded. It may begin with two slashes, which as a `Location` would
   * lead to another host.
   * @source Python's `path`
   */
  get path(): string {
    return this.#request.exchange.head.target;
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
    const { routeParams } = this.#request;
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
    return this.#request.exchange.head.version;
  }

  /** The request line, without its end. @source Python's `requestline` */
  get requestLine(): string {
    const { method, target, version } = this.#request.exchange.head;
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
    return this.#request.exchange.head.authority;
  }

  /** The header section. @source Python's `headers` */
  get headers(): Fields {
    return this.#request.exchange.head.fields;
  }

  /** The content. @source Python's `rfile` */
  get rfile(): RequestBody {
    return this.#request.reader;
  }

  /** The trailer section, once the content has been read to its end; undefined before, and where there is none. */
  get trailers(): Fields | undefined {
    return this.#request.exchange.trailers;
  }

  /**
   * The client's address and port. An IPv4 client has an IPv4 address, also on a socket that takes IPv6 as well. `["", 0]` behind a Unix
   * socket, and where the client was gone when its connection was accepted.
   * @source Python's `client_address`
   */
  get clientAddress(): readonly [host: string, port: number] {
    return this.#request.exchange.connection.clientAddress;
  }

  /** The server. @source Python's `server` */
  get server(): Server {
    return this.#request.services.serverFor(this.#request);
  }

  /**
   * Aborts when the client goes away, with a PeerGoneError as its reason. One that only half-closed (`reason.reason` is
   * "half-closed") still gets its response: most have gone, some have just sent all they had to say. Who passes the signal on gives
   * up on both. It also aborts when more than 64 KiB were written as content of a response that has none, such as that to a HEAD
   * ("head-only"); and with `handlerTimeout`, when the handler's time is over, with a DOMException named "TimeoutError".
   *
   * The end of a connection comes behind what the client has sent before. So it is heard of as long as less than 64 KiB of that lie
   * unread; with more, when the handler has read some of it, or when a write fails.
   */
  get signal(): AbortSignal {
    return this.#request.signals.main;
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
    return this.#request.signals.timeout(ms);
  }

  /**
   * Makes a signal that aborts as `signal` does, and also when one of those given does, with its reason. It lets go of them when the
   * request has ended: use it instead of `AbortSignal.any` for signals that live longer, such as `server.stopping`, to which that one
   * adds something for each request.
   * @throws {TypeError} for what is no AbortSignal
   * @example await sleep(60_000, undefined, { signal: this.signalWith(this.server.stopping) });
   */
  signalWith(...signals: readonly AbortSignal[]): AbortSignal {
    return this.#request.signals.with(signals);
  }

  /**
   * Whether `signal` has aborted, or would: the client has gone, was sent away, or half-closed. For handlers that compute for long,
   * to be asked now and then: it costs next to nothing, and is true in a thread though nothing was awaited meanwhile. A handler
   * that then returns without a response ends the connection.
   */
  get clientGone(): boolean {
    return this.#request.isGone;
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
}
