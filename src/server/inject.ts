/** Runs one request through a server without a socket, for tests. The bytes are those that a network would carry. */
/// <reference types="node" preserve="true" />
import { Buffer } from "node:buffer";
import type { SecureConnection } from "../protocol/exchange.ts";
import { FieldList, type Fields } from "../protocol/fields.ts";
import { isToken } from "../protocol/grammar.ts";
import { quote } from "../quote_value.ts";
import { MemoryClient, pretend } from "../transport/memory.ts";
import type { Socket, SocketHandler } from "../transport/transport.ts";
import { isInstance, mark } from "../runtime/library_copies.ts";
import { eachField, type HeaderFields } from "../handler/header_fields.ts";
import { ResponseReader } from "./response_reader.ts";

/** A request for `inject`. */
export interface InjectedRequest {
  /** The method. Default "GET". */
  readonly method?: string | undefined;
  /** The request target: path and query, percent-encoded. Default "/". */
  readonly path?: string | undefined;
  /** The header fields. Host is added if it is missing, and Content-Length or Transfer-Encoding for the body. */
  readonly headers?: HeaderFields | undefined;
  /** Bytes, or a string that is sent as UTF-8, with their Content-Length; or an async iterable of pieces, which are sent in chunks. */
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array> | undefined;
  /** When the signal aborts, the client leaves. */
  readonly signal?: AbortSignal | undefined;
  /** What TLS is to have found out, for a server that speaks HTTPS: `{ serverName: "b.example.com" }`. Nothing is encrypted. */
  readonly secure?: Partial<SecureConnection> | undefined;
}

/** A request for `inject` whose response is read while it comes. */
export interface InjectedStreamRequest extends InjectedRequest {
  /** Makes `inject` resolve as soon as the head of the response has come; the content is read from `body`. */
  readonly stream: true;
}

/** The head of a response. */
export interface InjectedHead {
  /** The status code, 200 to 599. */
  readonly status: number;
  /** The reason phrase. */
  readonly reason: string;
  /** The header section. */
  readonly headers: Fields;
  /** The interim responses (1xx) before it. The server's option `informational` says which are sent. */
  readonly informational: readonly { readonly status: number; readonly headers: Fields }[];
}

/** A whole response. */
export interface InjectedResponse extends InjectedHead {
  /** The content, without the framing of chunks. */
  readonly body: Buffer<ArrayBuffer>;
  /** The trailer section; undefined if there was none. */
  readonly trailers: Fields | undefined;
  /** The body as UTF-8. */
  text(): string;
  /** The value that the body has as JSON. @throws {SyntaxError} if the body is not JSON */
  json(): any;
}

/** A response whose content comes as it is read. Read it to its end, or call `cancel`. */
export interface InjectedStream extends InjectedHead {
  /**
   * The content, without the framing of chunks, in the pieces in which it comes. It can be read once. While you do not read, the handler
   * waits, as for any client that does not read. Leaving a loop over it early calls `cancel`.
   * @throws rejects with {ResponseCutError} if the server closes the connection before the end, and with the reason of the request's
   *   `signal` if that aborts
   */
  readonly body: AsyncIterableIterator<Buffer<ArrayBuffer>>;
  /** The trailer section, once the content has been read to its end; undefined before that, and if there is none. */
  readonly trailers: Fields | undefined;
  /** Makes the client leave: the handler's `signal` aborts, and the body ends. Does nothing after the end of the response. */
  cancel(): void;
}

/** The error that `inject` rejects with when the server closes the connection before the end of its response. */
export class ResponseCutError extends Error {
  /** The part of the response that has come; undefined if its head has not. For a stream, its body is the part that was not read yet. */
  readonly response: InjectedResponse | undefined;

  /** @param response the part of the response that has come */
  constructor(response: InjectedResponse | undefined) {
    const received =
      response === undefined ? "" : `, ${response.status}, after ${response.body.length} bytes of content`;
    super(`the server has closed the connection before the end of its response${received}`);
    this.name = "ResponseCutError";
    this.response = response;
  }

  static {
    mark(this, "ResponseCutError");
  }

  /** @internal */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isInstance(this, ResponseCutError, "ResponseCutError", value);
  }
}

/** Gives a connection to a server. `shutdown` of the result ends the connection once no request runs on it. */
type Accept = (socket: Socket) => SocketHandler & { shutdown?(): void };

/**
 * Runs one request through a server.
 * @param isSecure whether the server speaks HTTPS
 * @returns rejects with {TypeError} for a request that cannot be sent, {ResponseCutError} if the server closes the connection before the
 *   end of its response, and with the reason of the request's `signal` if that aborts
 */
export async function inject(
  accept: Accept,
  isSecure: boolean,
  request: InjectedRequest | InjectedStreamRequest,
): Promise<InjectedResponse | InjectedStream> {
  const head = headOf(request);
  request.signal?.throwIfAborted();
  const exchange = new InjectedExchange(accept, isSecure, request, head);
  await exchange.readHead();
  return "stream" in request && request.stream ? exchange.stream() : exchange.response();
}

/** A request on a connection of its own, and its response. */
class InjectedExchange {
  readonly #client: MemoryClient;
  readonly #connection: ReturnType<Accept>;
  readonly #reader: ResponseReader;
  readonly #signal: AbortSignal | undefined;
  /** The body of the request has failed. */
  #failure: { readonly error: unknown } | null = null;
  /** The pieces of content that have been read, unless the response is a stream. */
  readonly #content: Buffer<ArrayBuffer>[] = [];
  /** The response has ended or was cut, or the client has left. */
  #isOver = false;
  readonly #leave = (): void => this.#client.destroy();

  constructor(accept: Accept, isSecure: boolean, { method, body, signal, secure }: InjectedRequest, head: string) {
    this.#client = new MemoryClient(pretend(["127.0.0.1", 0], isSecure, secure));
    this.#reader = new ResponseReader(method ?? "GET");
    this.#signal = signal;
    this.#connection = this.#client.attach(accept);
    signal?.addEventListener("abort", this.#leave);
    void send(this.#client, head, body).catch((error: unknown) => {
      this.#failure = { error };
      this.#leave();
    });
  }

  async readHead(): Promise<void> {
    while (!this.#reader.readHead()) await this.#more();
    if (this.#reader.ended) this.#finish();
  }

  async response(): Promise<InjectedResponse> {
    for (let piece = await this.#read(); piece !== null; piece = await this.#read()) this.#content.push(piece);
    return this.#whole();
  }

  stream(): InjectedStream {
    const reader = this.#reader;
    const body: InjectedStream["body"] = {
      next: async () => {
        const value = await this.#read();
        return value === null ? { value: undefined, done: true } : { value, done: false };
      },
      return: async () => {
        this.#cancel();
        return { value: undefined, done: true };
      },
      [Symbol.asyncIterator]: () => body,
    };
    return {
      ...this.#head,
      body,
      get trailers() {
        return reader.trailers;
      },
      cancel: () => this.#cancel(),
    };
  }

  get #head(): InjectedHead {
    const { status, reason, headers, informational } = this.#reader;
    return { status, reason, headers: headers!, informational };
  }

  #whole(): InjectedResponse {
    const body = Buffer.concat(this.#content);
    return {
      ...this.#head,
      body,
      trailers: this.#reader.trailers,
      text: () => body.toString("utf8"),
      json: () => JSON.parse(body.toString("utf8")) as unknown,
    };
  }

  /** @returns a piece of the content; null at its end */
  async #read(): Promise<Buffer<ArrayBuffer> | null> {
    while (!this.#isOver) {
      const piece = this.#reader.readContent();
      if (piece !== null) return piece;
      if (this.#reader.ended) this.#finish();
      else await this.#more();
    }
    return null;
  }

  /** Waits until more of the response has come, or it has ended. Rejects if the connection has ended before the response. */
  async #more(): Promise<void> {
    const client = this.#client;
    while (!this.#isOver) {
      const isClosed = client.ended || client.closed;
      const pieces = client.takeBytes();
      this.#reader.feed(pieces);
      if (pieces.length > 0) return;
      if (isClosed) {
        // If content ends when the connection closes, a reset must not make it look complete.
        if (!client.wasReset) this.#reader.feedEnd();
        if (this.#reader.ended) return;
        this.#cancel();
        this.#signal?.throwIfAborted();
        if (this.#failure !== null) throw this.#failure.error;
        throw new ResponseCutError(this.#reader.headers === null ? undefined : this.#whole());
      }
      await client.change();
    }
  }

  #cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#signal?.removeEventListener("abort", this.#leave);
    this.#client.destroy();
  }

  /** The response has ended. Its handler may still run, so the server ends the connection, and not the client. */
  #finish(): void {
    this.#isOver = true;
    this.#signal?.removeEventListener("abort", this.#leave);
    this.#connection.shutdown?.();
    void endWithServer(this.#client);
  }
}

async function endWithServer(client: MemoryClient): Promise<void> {
  while (!client.ended && !client.closed) await client.change();
  client.destroy();
}

function headOf({ method = "GET", path = "/", headers = {}, body }: InjectedRequest): string {
  if (!isToken(method)) throw new TypeError(`cannot send the method ${quote(method)}: it is a token, such as GET`);
  if (!/^[\x21-\x7e]+$/.test(path))
    throw new TypeError(`cannot send the path ${quote(path)}: encode it, for example with encodeURIComponent`);
  const isWhole = typeof body === "string" || body instanceof Uint8Array;
  const length = isWhole ? Buffer.byteLength(body) : undefined;
  if (!isWhole && body !== undefined && !(Symbol.asyncIterator in Object(body)))
    throw new TypeError(
      `cannot send ${quote(body)} as a body: it must be a string, a Uint8Array, or an async iterable of these`,
    );
  const fields = new FieldList();
  eachField(headers, (name, value) => {
    // Content-Length is added below. A caller's own field is dropped if it is right; if it is wrong, `fields.add` throws.
    if (String(name).toLowerCase() !== "content-length" || Number(value) !== (length ?? 0)) fields.add(name, value);
  });
  let text = `${method} ${path} HTTP/1.1\r\n`;
  if (![...fields].some(([name]) => name.toLowerCase() === "host")) text += "Host: localhost\r\n";
  for (const [name, value] of fields) text += `${name}: ${value}\r\n`;
  if (length !== undefined) text += `Content-Length: ${length}\r\n`;
  else if (body !== undefined) text += "Transfer-Encoding: chunked\r\n";
  return text + "\r\n";
}

async function send(client: MemoryClient, head: string, body: InjectedRequest["body"]): Promise<void> {
  const whole = body === undefined || typeof body === "string" || body instanceof Uint8Array;
  await client.send(
    whole && body !== undefined ? Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(body as string)]) : head,
  );
  if (whole) return;
  for await (const piece of body) {
    if (client.closed) return; // the server reads no more
    const bytes = Buffer.from(piece as string);
    if (bytes.length > 0)
      await client.send(Buffer.concat([Buffer.from(bytes.length.toString(16) + "\r\n"), bytes, CRLF]));
  }
  await client.send("0\r\n\r\n");
}

const CRLF = Buffer.from("\r\n");
