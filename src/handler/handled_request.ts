/** The request as a handler sees it: the half of BaseHTTPRequestHandler that reads the request. */
/// <reference types="node" preserve="true" />
import type { Buffer } from "node:buffer";
import type { X509Certificate } from "node:crypto";
import type { Fields } from "../protocol/fields.ts";
import { decodeText, parseJson } from "./json.ts";
import { nodeCrypto } from "../runtime/lazy_modules.ts";
import { nameOf } from "./handler_methods.ts";
import { quiet, type RequestBody } from "./request_body.ts";
import type { Server } from "./server_interface.ts";
import { type StandardSchemaV1, validate } from "./schema_validation.ts";
import { decodePart, pathOf, readPathParams, readQuery } from "./request_path.ts";
import type { RequestContext } from "./request_context.ts";

/** The argument that a server gives to the constructor of a handler. Its members are for the base class only. */
export interface HandlerContext {
  /** The request, for the base class. */
  readonly request: object;
}

/** The request of a handler. `BaseHTTPRequestHandler` extends this class, and handlers extend `BaseHTTPRequestHandler`. */
export class HandledRequest {
  readonly #request: RequestContext;

  /** Called by the server. */
  constructor(context: HandlerContext) {
    if (context === undefined)
      throw new TypeError(
        `${nameOf(new.target)} has a constructor of its own: it must take the context and call super(context)`,
      );
    this.#request = context.request as RequestContext;
  }

  /** The method, letter for letter. @source Python's `command` */
  get method(): string {
    return this.#request.exchange.head.method;
  }

  /**
   * The request target as it was sent: path and query, neither decoded. It may begin with two slashes: do not copy such a target into a
   * `Location`, where it would lead to another host.
   * @source Python's `path`
   */
  get path(): string {
    return this.#request.exchange.head.target;
  }

  /** The path without its query, neither decoded nor normalized; "" of a target that has none, such as `*`. */
  get pathname(): string {
    return pathOf(this.path);
  }

  /** The query of `path`, decoded: all that follows the first `?`. A `+` stands for a space. A second `?` is part of a name or value. */
  get query(): URLSearchParams {
    return (this.#query ??= readQuery(this.path));
  }

  #query: URLSearchParams | null = null;

  /**
   * Parameters from the path, decoded. With a Router, they are the parameters that the route's pattern names. Without one, names and values
   * alternate in the path: `/val_a/3/val_b/4/` has val_a and val_b.
   * @throws {HTTPError} 400 for a bad percent-escape; without a Router also for a name without a value, an empty name, and a name that
   *   occurs twice
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
   * The host that the client asked for, with the port if it named one, as it was sent: `"example.com:8000"`. It comes from the request
   * target if that names a host (absolute-form, or CONNECT's), and from the Host field otherwise. Null where neither names one, which
   * HTTP/1.0 and `OPTIONS *` allow. The client chooses it: compare it with the names that you serve before you build a link from it.
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

  /** "https" if the request came over TLS, otherwise "http". */
  get scheme(): "http" | "https" {
    return this.#request.exchange.connection.secure ? "https" : "http";
  }

  /**
   * The server name that the client has asked for in its TLS handshake (SNI), in lower case: the client's own text, which nobody has
   * checked. Null without TLS, and for a client that asked for none, such as one that connects to an address.
   */
  get serverName(): string | null {
    return this.#request.exchange.connection.secure?.serverName ?? null;
  }

  /**
   * The client's certificate, where the server's option `requestCert` asks for it, and it is trusted; otherwise null. It is read anew
   * each time.
   * @source Python's `connection.getpeercert()`
   */
  get clientCertificate(): X509Certificate | null {
    const certificate = this.#request.exchange.connection.secure?.clientCertificate ?? null;
    return certificate === null ? null : new (nodeCrypto().X509Certificate)(certificate);
  }

  /** The server. @source Python's `server` */
  get server(): Server {
    return this.#request.services.serverReadBy(this.#request);
  }

  /**
   * Aborts when the client goes away, with a PeerGoneError as its reason. It also aborts when the client half-closes (`reason.reason` is
   * "half-closed"), although such a client still gets its response. Most clients that half-close have gone, but some have only finished
   * sending. Work that you give the signal to is cancelled for both.
   *
   * The signal aborts with the reason "head-only" when more than 64 KiB were written as content of a response that has none, such as the
   * response to a HEAD. With `handlerTimeout`, it aborts with a DOMException named "TimeoutError" when the handler's time is over.
   *
   * The server learns that a connection has ended only after it has read everything that the client sent before. It stops reading while
   * 64 KiB lie unread. Then the signal aborts only when the handler has read some of the content, or when a write fails.
   */
  get signal(): AbortSignal {
    return this.#request.signals.main;
  }

  /**
   * Makes a signal that aborts as `signal` does, and also after a time. Then its reason is a DOMException named "TimeoutError", as with
   * `AbortSignal.timeout`. Its timer is cleared when the request has ended. Use it instead of `AbortSignal.any` with `AbortSignal.timeout`:
   * on Node 20, a signal made of these two may never abort.
   * @param ms milliseconds; Infinity for no limit
   * @throws {TypeError} when `ms` is not a number; {RangeError} when it is NaN or below 0
   * @example const response = await fetch(url, { signal: this.timeout(5000) });
   */
  timeout(ms: number): AbortSignal {
    return this.#request.signals.timeout(ms);
  }

  /**
   * Makes a signal that aborts as `signal` does, and also when one of `signals` does, with the same reason. It stops listening to them
   * when the request has ended. Use it instead of `AbortSignal.any` for signals that live longer than a request, such as
   * `server.stopping`: `AbortSignal.any` would add something to such a signal for each request.
   * @throws {TypeError} for an argument that is not an AbortSignal
   * @example await sleep(60_000, undefined, { signal: this.signalWith(this.server.stopping) });
   */
  signalWith(...signals: readonly AbortSignal[]): AbortSignal {
    return this.#request.signals.with(signals);
  }

  /**
   * Whether `signal` has aborted, or would have: the client has gone, was sent away, or half-closed. Read it now and then in a handler
   * that computes for long. Reading it costs next to nothing, and in a thread it is up to date even if the handler has awaited nothing.
   * If it is true, a handler may return without a response, which ends the connection.
   */
  get clientGone(): boolean {
    return this.#request.isGone;
  }

  /** Reads all of the content that is left; `maxBodySize` limits it. @returns the bytes; rejects as `rfile.read` does */
  bytes(): Promise<Buffer<ArrayBuffer>> {
    return this.rfile.read();
  }

  /**
   * Reads the content as text in UTF-8. A byte order mark (U+FEFF) at its beginning is kept.
   * @returns the text; rejects with {HTTPError} 400 for content that is not UTF-8, and as `bytes` does
   */
  text(): Promise<string> {
    return quiet(this.bytes().then(decodeText));
  }

  /**
   * Reads the content as JSON, whatever its Content-Type. `JSON.parse` reads it, so numbers are rounded to doubles, and if a name occurs
   * twice in an object, the last one counts. A byte order mark before the JSON is refused (RFC 8259 §8.1).
   * @param schema any Standard Schema (zod, valibot, arktype …), which the value must match
   * @returns the value, as the schema returns it; rejects with {HTTPError} 400 for content that is not JSON, and 422 for a value that does
   *   not match, whose `errors` say what is wrong and where; and as `bytes` does
   * @example const { val_a, val_b } = await this.json(z.object({ val_a: z.number(), val_b: z.number() }));
   */
  json(): Promise<any>;
  json<Output>(schema: StandardSchemaV1<unknown, Output>): Promise<Output>;
  json(schema?: StandardSchemaV1): Promise<unknown> {
    const value = this.text().then(parseJson);
    return quiet(schema === undefined ? value : value.then((value) => validate(schema, value)));
  }
}
