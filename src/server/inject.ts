/** Runs one request through a server without a socket, for tests: both ways go the bytes that a network would carry. */
/// <reference types="node" preserve="true" />
import { Buffer } from "node:buffer";
import { FieldList, Fields } from "../protocol/fields.ts";
import { isToken } from "../protocol/grammar.ts";
import { FieldLinesReader } from "../protocol/http1/field_lines.ts";
import { MemoryClient } from "../transport/memory.ts";
import type { Socket, SocketHandler } from "../transport/transport.ts";

/** A request for `inject`. */
export interface InjectedRequest {
  /** "GET" when left out. */
  readonly method?: string | undefined;
  /** The request target: path and query, percent-encoded. "/" when left out. */
  readonly path?: string | undefined;
  /** Host is added where it is missing, and what frames the body. */
  readonly headers?:
    | Readonly<Record<string, string | number>>
    | Iterable<readonly [name: string, value: string | number]>
    | undefined;
  /** Bytes, or a string as UTF-8, sent with their Content-Length; or pieces of them, which are sent in chunks. */
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array> | undefined;
  /** Aborted, the client leaves. */
  readonly signal?: AbortSignal | undefined;
}

/** An answer, whole. */
export interface InjectedResponse {
  /** The status code, 200 to 599. */
  readonly status: number;
  /** The reason phrase. */
  readonly reason: string;
  /** The header section. */
  readonly headers: Fields;
  /** The content, without its chunks. */
  readonly body: Buffer<ArrayBuffer>;
  /** The trailer section; undefined where there was none. */
  readonly trailers: Fields | undefined;
  /** The interim answers (1xx) before it. */
  readonly informational: readonly { readonly status: number; readonly headers: Fields }[];
  /** The body as UTF-8. */
  text(): string;
  /** The body as JSON. @throws {SyntaxError} when it is not */
  json(): any;
}

/**
 * @param accept gives a connection to the server; what it returns can be told to end the connection once nothing runs on it
 * @returns rejects with {TypeError} for a request that cannot be sent, {Error} when the server closes before the end of its answer
 */
export async function inject(
  accept: (socket: Socket) => SocketHandler & { shutdown?(): void },
  request: InjectedRequest,
): Promise<InjectedResponse> {
  const { method = "GET", body, signal } = request;
  const head = headOf(request);
  signal?.throwIfAborted();
  const client = new MemoryClient(["127.0.0.1", 0]);
  const leave = (): void => client.destroy();
  signal?.addEventListener("abort", leave);
  try {
    const link = client.attach(accept);
    let failure: unknown;
    void send(client, head, body).catch((error: unknown) => {
      failure = error;
      client.destroy();
    });
    const reader = new ResponseReader(method);
    for (;;) {
      const closed = client.ended || client.closed;
      const response = reader.read(client.takeBytes(), closed);
      if (response !== null) {
        link.shutdown?.();
        return response;
      }
      if (closed) {
        signal?.throwIfAborted();
        if (failure !== undefined) throw failure;
        throw new Error("the server has closed the connection before the end of its answer");
      }
      await client.change();
    }
  } finally {
    signal?.removeEventListener("abort", leave);
    void endWithServer(client);
  }
}

/** The handler may still run behind its answer: the connection is the server's to end. */
async function endWithServer(client: MemoryClient): Promise<void> {
  while (!client.ended && !client.closed) await client.change();
  client.destroy();
}

function headOf({ method = "GET", path = "/", headers = {}, body }: InjectedRequest): string {
  if (!isToken(method))
    throw new TypeError(`cannot send the method ${JSON.stringify(method)}: it is a token, such as GET`);
  if (!/^[\x21-\x7e]+$/.test(path))
    throw new TypeError(`cannot send the path ${JSON.stringify(path)}: encode it, for example with encodeURIComponent`);
  const isWhole = typeof body === "string" || body instanceof Uint8Array;
  const length = isWhole ? Buffer.byteLength(body) : undefined;
  if (!isWhole && body !== undefined && !(Symbol.asyncIterator in Object(body)))
    throw new TypeError(
      `cannot send ${typeof body} as a body: it must be a string, bytes, or pieces of them as they come`,
    );
  const fields = new FieldList();
  for (const [name, value] of Symbol.iterator in headers ? headers : Object.entries(headers)) {
    // It is ours to say; who says the same is right, though.
    if (String(name).toLowerCase() === "content-length" && Number(value) === (length ?? 0)) continue;
    fields.add(name, value);
  }
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

/** Reads an answer of ours; it trusts that it is well-formed. */
class ResponseReader {
  readonly #method: string;
  readonly #informational: { status: number; headers: Fields }[] = [];
  #rest: Buffer = Buffer.alloc(0);
  /** What has come since, and is of no use before there are so many bytes. */
  #pieces: Uint8Array[] = [];
  #waiting = 0;
  #needed = 0;
  #head: { status: number; reason: string; headers: Fields } | null = null;
  readonly #body: Buffer[] = [];
  #size = 0;
  #chunksEnded = false;

  constructor(method: string) {
    this.#method = method;
  }

  /** @returns the answer, once it is whole */
  read(pieces: readonly Uint8Array[], closed: boolean): InjectedResponse | null {
    this.#pieces.push(...pieces);
    for (const piece of pieces) this.#waiting += piece.length;
    if (this.#waiting < this.#needed) return null;
    this.#rest = Buffer.concat([this.#rest, ...this.#pieces]);
    this.#pieces = [];
    this.#waiting = this.#needed = 0;
    while (this.#head === null) {
      const section = this.#section(this.#rest.indexOf("\r\n") + 2);
      if (section === null) return null;
      const { start, fields } = section;
      const status = Number(start.slice(9, 12));
      if (status >= 200) this.#head = { status, reason: start.slice(13), headers: fields };
      else this.#informational.push({ status, headers: fields });
    }
    const { status, headers } = this.#head;
    if (this.#method === "HEAD" || status === 204 || status === 304) return this.#response(undefined);
    if (headers.has("Transfer-Encoding")) {
      if (!this.#readChunks()) return null;
      const trailers = this.#section(0);
      return trailers === null ? null : this.#response(trailers.fields.length > 0 ? trailers.fields : undefined);
    }
    const length = headers.get("Content-Length");
    this.#take(length === null ? this.#rest.length : Math.min(Number(length) - this.#size, this.#rest.length));
    return (length === null ? closed : this.#size === Number(length)) ? this.#response(undefined) : null;
  }

  /** Field lines, and the line before them where there is one. @param at where the field lines begin */
  #section(at: number): { start: string; fields: Fields } | null {
    const reader = new FieldLinesReader(Infinity);
    reader.reset(at);
    const end = reader.read(this.#rest, 0, this.#rest.length);
    if (end <= 0) return null;
    const text = this.#rest.toString("latin1", 0, end);
    this.#rest = this.#rest.subarray(end);
    return { start: text.slice(0, Math.max(0, at - 2)), fields: new Fields(text, reader.spans) };
  }

  #readChunks(): boolean {
    while (!this.#chunksEnded) {
      const lineEnd = this.#rest.indexOf("\r\n");
      if (lineEnd < 0) return false;
      const size = Number.parseInt(this.#rest.toString("latin1", 0, lineEnd), 16);
      const begin = lineEnd + 2;
      if (size > 0 && this.#rest.length < begin + size + 2) {
        this.#needed = begin + size + 2 - this.#rest.length;
        return false;
      }
      this.#rest = this.#rest.subarray(begin);
      if (size === 0) this.#chunksEnded = true;
      else {
        this.#take(size);
        this.#rest = this.#rest.subarray(2);
      }
    }
    return true;
  }

  #take(size: number): void {
    this.#body.push(this.#rest.subarray(0, size));
    this.#size += size;
    this.#rest = this.#rest.subarray(size);
  }

  #response(trailers: Fields | undefined): InjectedResponse {
    const body = Buffer.concat(this.#body);
    return {
      ...this.#head!,
      body,
      trailers,
      informational: this.#informational,
      text: () => body.toString("utf8"),
      json: () => JSON.parse(body.toString("utf8")) as unknown,
    };
  }
}
