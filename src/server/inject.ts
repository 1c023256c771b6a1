/** Runs one request through a server without a socket, for tests: both ways go the bytes that a network would carry. */
/// <reference types="node" preserve="true" />
import { Buffer } from "node:buffer";
import { FieldList, type Fields } from "../protocol/fields.ts";
import { isToken } from "../protocol/grammar.ts";
import { quote } from "../quote_value.ts";
import { MemoryClient } from "../transport/memory.ts";
import type { Socket, SocketHandler } from "../transport/transport.ts";
import { isInstance, mark } from "../runtime/library_copies.ts";
import { eachField, type HeaderFields } from "../handler/header_fields.ts";
import { ResponseReader } from "./response_reader.ts";

/** A request for `inject`. */
export interface InjectedRequest {
  /** "GET" when left out. */
  readonly method?: string | undefined;
  /** The request target: path and query, percent-encoded. "/" when left out. */
  readonly path?: string | undefined;
  /** Host is added where it is missing, and what frames the body. */
  readonly headers?: HeaderFields | undefined;
  /** Bytes, or a string as UTF-8, sent with their Content-Length; or pieces of them, which are sent in chunks. */
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array> | undefined;
  /** Aborted, the client leaves. */
  readonly signal?: AbortSignal | undefined;
}

/** A request for `inject` whose response is to be had as it comes. */
export interface InjectedStreamRequest extends InjectedRequest {
  /** Gives the response once its head is there, and its content as it is read. */
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
  /** The interim responses (1xx) before it; which are sent, the server's option `informational` says. */
  readonly informational: readonly { readonly status: number; readonly headers: Fields }[];
}

/** A whole response. */
export interface InjectedResponse extends InjectedHead {
  /** The content, without its chunks. */
  readonly body: Buffer<ArrayBuffer>;
  /** The trailer section; undefined where there was none. */
  readonly trailers: Fields | undefined;
  /** The body as UTF-8. */
  text(): string;
  /** The body as JSON. @throws {SyntaxError} when it is not */
  json(): any;
}

/** A response whose content comes as it is read. Whoever does not read it to its end cancels it. */
export interface InjectedStream extends InjectedHead {
  /**
   * The content, without its chunks, in the pieces that it comes in. It can be read once. While nobody reads, the handler has to wait,
   * as for a client that does not read. To end a loop over it early is to `cancel` it.
   * @throws rejects with {ResponseCutError} when the server closes the connection before the end, and with the reason of the request's
   *   `signal` when that aborts
   */
  readonly body: AsyncIterableIterator<Buffer<ArrayBuffer>>;
  /** The trailer section, once the content has been read to its end; undefined before, and where there is none. */
  readonly trailers: Fields | undefined;
  /** The client leaves: the handler's `signal` aborts, and the body ends. Does nothing behind the end of the response. */
  cancel(): void;
}

/** What `inject` rejects with when the server closes the connection before the end of its response. */
export class ResponseCutError extends Error {
  /** What has come; undefined where not even the head has. Of a stream, its body has what was not read before. */
  readonly response: InjectedResponse | undefined;

  /** @param response what has come */
  constructor(response: InjectedResponse | undefined) {
    const behind =
      response === undefined ? "" : `, ${response.status}, behind ${response.body.length} bytes of content`;
    super(`the server has closed the connection before the end of its response${behind}`);
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

/** Gives a connection to a server; what it returns can be told to end the connection once nothing runs on it. */
type Accept = (socket: Socket) => SocketHandler & { shutdown?(): void };

/**
 * @returns rejects with {TypeError} for a request that cannot be sent, {ResponseCutError} when the server closes before the end of its
 *   response, and with the signal's reason
 */
export async function inject(
  accept: Accept,
  request: InjectedRequest | InjectedStreamRequest,
): Promise<InjectedResponse | InjectedStream> {
  const head = headOf(request);
  request.signal?.throwIfAborted();
  const exchange = new InjectedExchange(accept, request, head);
  await exchange.readHead();
  return "stream" in request && request.stream ? exchange.stream() : exchange.response();
}

/** A request on a connection of its own, and its response. */
class InjectedExchange {
  readonly #client = new MemoryClient(["127.0.0.1", 0]);
  readonly #connection: ReturnType<Accept>;
  readonly #reader: ResponseReader;
  readonly #signal: AbortSignal | undefined;
  /** The body of the request has failed. */
  #failure: { readonly error: unknown } | null = null;
  /** What has been read of a response that is to be had whole. */
  readonly #content: Buffer<ArrayBuffer>[] = [];
  /** The response has ended, in whatever way, or the client has left. */
  #isOver = false;
  readonly #leave = (): void => this.#client.destroy();

  constructor(accept: Accept, { method, body, signal }: InjectedRequest, head: string) {
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

  /** @returns a piece of the content; null when there is none any more */
  async #read(): Promise<Buffer<ArrayBuffer> | null> {
    while (!this.#isOver) {
      const piece = this.#reader.readContent();
      if (piece !== null) return piece;
      if (this.#reader.ended) this.#finish();
      else await this.#more();
    }
    return null;
  }

  /** Waits until more of the response has come, or it has ended; rejects where it never will. */
  async #more(): Promise<void> {
    const client = this.#client;
    while (!this.#isOver) {
      const isClosed = client.ended || client.closed;
      const pieces = client.takeBytes();
      this.#reader.feed(pieces);
      if (pieces.length > 0) return;
      if (isClosed) {
        // Content that only the close ends would look complete after a reset.
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

  /** The handler may still run behind its response: the connection is the server's to end. */
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
      `cannot send ${typeof body} as a body: it must be a string, bytes, or pieces of them as they come`,
    );
  const fields = new FieldList();
  eachField(headers, (name, value) => {
    // It is ours to say; who says the same is right, though.
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
    if (client.closed) return; // nobody wants more of it
    const bytes = Buffer.from(piece as string);
    if (bytes.length > 0)
      await client.send(Buffer.concat([Buffer.from(bytes.length.toString(16) + "\r\n"), bytes, CRLF]));
  }
  await client.send("0\r\n\r\n");
}

const CRLF = Buffer.from("\r\n");
