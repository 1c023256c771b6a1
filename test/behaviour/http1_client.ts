/** A client that speaks HTTP/1.1 over anything that carries bytes. What a mode of that version gives to the cases. */
import assert from "node:assert/strict";
import { ResponseStream } from "./response_stream.ts";
import {
  type Client,
  CutOff,
  type Exchange,
  type FieldLines,
  type Request,
  type RequestHead,
  type Response,
  type ResponseHead,
} from "./mode.ts";

/** Carries bytes both ways. */
export interface Channel {
  /** This end's address, as the server sees it. */
  readonly address: readonly [host: string, port: number];
  /** Sends bytes. @returns resolves when they have left, rejects when the connection has gone */
  send(bytes: Uint8Array): Promise<void>;
  /** Waits for bytes, and reads no more than it is asked for. @returns null at the end; rejects with CutOff when the connection broke */
  receive(): Promise<Uint8Array | null>;
  /** Ends this side. */
  end(): Promise<void>;
  /** Breaks the connection off. */
  destroy(): void;
}

/** How long bytes may take to come, in milliseconds. */
const PATIENCE = 10_000;

/** Waits only for so long; and as long as it waits, the process does not end, whatever it waits for. */
async function patiently<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const inVain = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the client has waited in vain for bytes")), PATIENCE);
  });
  try {
    return await Promise.race([promise, inVain]);
  } finally {
    clearTimeout(timer);
  }
}

export class Http1Client implements Client {
  readonly #channel: Channel;
  readonly #reader: ResponseStream;
  #exchange: Http1Exchange | null = null;
  /** The content of the last request: its end comes before the next request. */
  #sending: Promise<void> = Promise.resolve();

  constructor(channel: Channel) {
    this.#channel = channel;
    this.#reader = new ResponseStream(() => patiently(channel.receive()));
  }

  get address(): readonly [host: string, port: number] {
    return this.#channel.address;
  }

  async request({ body, trailers, ...head }: Request = {}): Promise<Response> {
    if (body === undefined) return (await this.open(head)).response();
    const whole = typeof body === "string" || body instanceof Uint8Array;
    const exchange = await this.open(head, whole ? Buffer.byteLength(body) : "unknown");
    // The response may come before all has been sent, and instead of it: then it counts, and not what became of the rest.
    let fault: unknown;
    this.#sending = send(exchange, body, trailers).catch((error: unknown) => {
      if (error instanceof CutOff) return;
      fault = error;
      exchange.abort();
    });
    return exchange.response().catch((error: unknown) => {
      throw fault ?? error;
    });
  }

  async open(head: RequestHead = {}, content: number | "unknown" = 0): Promise<Exchange> {
    assert.ok(this.#exchange?.done !== false, "a client makes one request after the other");
    assert.equal(this.#reader.rest, "", "bytes have come that no response accounts for");
    const { method = "GET", path = "/", headers = [] } = head;
    let text = `${method} ${path} HTTP/1.1\r\nHost: ${method === "CONNECT" ? path : "localhost"}\r\n`;
    for (const [name, value] of headers) text += `${name}: ${value}\r\n`;
    if (content === "unknown" && method !== "CONNECT") text += "Transfer-Encoding: chunked\r\n";
    else if (content !== 0 && content !== "unknown") text += `Content-Length: ${content}\r\n`;
    await this.#sending;
    this.#exchange = new Http1Exchange(this.#channel, this.#reader, method, content);
    await this.#channel.send(Buffer.from(text + "\r\n", "latin1"));
    return this.#exchange;
  }

  async ended(): Promise<void> {
    const atEnd = await this.#reader.atEnd().catch((error: unknown) => {
      if (error instanceof CutOff) return true; // what breaks has ended as well
      throw error;
    });
    assert.ok(atEnd, `where the connection should end, there is ${JSON.stringify(this.#reader.rest.slice(0, 200))}`);
    await this.#channel.end().catch(() => {});
  }

  end(): Promise<void> {
    return this.#channel.end();
  }

  leave(): void {
    this.#channel.destroy();
  }

  /** The test has ended, and the server has closed the connection. Rejects when more has come than responses account for. */
  async dispose(): Promise<void> {
    if (this.#exchange?.done !== false) await this.ended();
    this.#channel.destroy();
  }
}

async function send(exchange: Exchange, body: NonNullable<Request["body"]>, trailers?: FieldLines): Promise<void> {
  if (typeof body === "string" || body instanceof Uint8Array) {
    if (body.length > 0) await exchange.send(body);
    return;
  }
  for await (const piece of body) await exchange.send(piece);
  await exchange.end(trailers);
}

class Http1Exchange implements Exchange {
  readonly #channel: Channel;
  readonly #reader: ResponseStream;
  readonly #method: string;
  readonly #chunked: boolean;
  readonly #informational: ResponseHead[] = [];
  #head: ResponseHead | null = null;
  /** The response has been read to its end. */
  done = false;

  constructor(channel: Channel, reader: ResponseStream, method: string, content: number | "unknown") {
    this.#channel = channel;
    this.#reader = reader;
    this.#method = method;
    this.#chunked = content === "unknown" && method !== "CONNECT";
  }

  send(piece: string | Uint8Array): Promise<void> {
    const bytes = Buffer.from(piece as string);
    if (!this.#chunked) return this.#channel.send(bytes);
    if (bytes.length === 0) return Promise.resolve(); // it would be the end
    const size = Buffer.from(`${bytes.length.toString(16)}\r\n`);
    return this.#channel.send(Buffer.concat([size, bytes, Buffer.from("\r\n")]));
  }

  async end(trailers: FieldLines = []): Promise<void> {
    if (this.#method === "CONNECT") return this.#channel.end(); // a tunnel's content ends with its connection
    if (!this.#chunked) return;
    const lines = trailers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    return this.#channel.send(Buffer.from(`0\r\n${lines}\r\n`, "latin1"));
  }

  async next(): Promise<ResponseHead> {
    assert.equal(this.#head, null, "the final response has been read");
    const head = await this.#reader.head(this.#method);
    if (head.status < 200) this.#informational.push(head);
    else this.#head = head;
    return head;
  }

  async head(): Promise<ResponseHead> {
    while (this.#head === null) await this.next();
    return this.#head;
  }

  async read(): Promise<Buffer | null> {
    await this.head();
    const piece = this.done ? null : await this.#reader.content();
    this.done ||= piece === null;
    return piece;
  }

  async response(): Promise<Response> {
    const pieces: Buffer[] = [];
    for (let piece = await this.read(); piece !== null; piece = await this.read()) pieces.push(piece);
    const body = Buffer.concat(pieces);
    const text = body.toString();
    const { trailers } = this.#reader;
    const informational = this.#informational;
    return { ...this.#head!, body, text, json: () => JSON.parse(text) as unknown, trailers, informational };
  }

  abort(): void {
    this.#channel.destroy();
  }
}
