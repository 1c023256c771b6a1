/** What the tests of servers share: servers that end with their test, clients that speak bytes, and a reader of responses. */
import assert from "node:assert/strict";
import net from "node:net";
import type { TestContext } from "node:test";
import { type Address, HTTPServer, type HTTPServerOptions, MemoryTransport, type RequestHandlerClass } from "plinth";

/** A response as it stood on the wire, one character a byte. */
export interface ReceivedResponse {
  readonly status: number;
  readonly reason: string;
  readonly fields: [name: string, value: string][];
  /** The value of the only field of that name, null where there is none. Names are compared in lower case. */
  get(name: string): string | null;
  readonly framing: "none" | "counted" | "chunked" | "until-close";
  readonly body: string;
  readonly trailers: [name: string, value: string][];
}

export interface Reading {
  /** Those that are whole, in order, interim ones too. */
  readonly responses: ReceivedResponse[];
  /** What follows them: part of a response, or no response at all. */
  readonly rest: string;
}

/**
 * Reads what a server has sent. Written from RFC 9112 and not from the engine, so that the two can disagree.
 * @param methods those of the requests, in order, where they are not GET: the response to a HEAD has no content
 * @param closed whether more may come
 */
export function readResponses(text: string, methods: readonly string[] = [], closed = false): Reading {
  const responses: ReceivedResponse[] = [];
  let finals = 0;
  let at = 0;
  for (;;) {
    const headEnd = text.indexOf("\r\n\r\n", at);
    const [statusLine, ...lines] = headEnd < 0 ? [""] : text.slice(at, headEnd).split("\r\n");
    const match = /^HTTP\/1\.1 ([0-9]{3}) ([\t -~\x80-\xff]*)$/.exec(statusLine);
    if (match === null) return { responses, rest: text.slice(at) };
    const status = Number(match[1]);
    const fields = lines.map(readField);
    const get = (name: string): string | null => {
      const values = fields.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value);
      assert.ok(values.length < 2, `${name} stands ${values.length} times in a response`);
      return values[0] ?? null;
    };
    const body = readBody(text, headEnd + 4, status, methods[finals] ?? "GET", get, closed);
    if (body === null) return { responses, rest: text.slice(at) };
    const { end, ...rest } = body;
    responses.push({ status, reason: match[2], fields, get, ...rest });
    if (status >= 200) finals++;
    at = end;
  }
}

function readField(line: string): [string, string] {
  const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/.exec(line);
  assert.ok(match !== null, `a field line is malformed: ${JSON.stringify(line)}`);
  return [match[1], match[2]];
}

type Body = Pick<ReceivedResponse, "framing" | "body" | "trailers"> & { end: number };

function readBody(
  text: string,
  start: number,
  status: number,
  method: string,
  get: ReceivedResponse["get"],
  closed: boolean,
): Body | null {
  const without = status < 200 || status === 204 || status === 304 || method === "HEAD";
  if (without) return { framing: "none", body: "", trailers: [], end: start };
  const coding = get("transfer-encoding");
  if (coding !== null) {
    assert.equal(coding, "chunked");
    assert.equal(get("content-length"), null, "Content-Length beside Transfer-Encoding");
    return readChunks(text, start);
  }
  const length = get("content-length");
  if (length === null) {
    return closed ? { framing: "until-close", body: text.slice(start), trailers: [], end: text.length } : null;
  }
  const end = start + Number(length);
  return text.length < end ? null : { framing: "counted", body: text.slice(start, end), trailers: [], end };
}

function readChunks(text: string, start: number): Body | null {
  let body = "";
  for (let at = start; ;) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const line = text.slice(at, lineEnd);
    assert.match(line, /^[0-9a-f]+$/, "a chunk's size");
    const size = Number.parseInt(line, 16);
    at = lineEnd + 2;
    if (size === 0) {
      const trailersEnd = text.startsWith("\r\n", at) ? at - 2 : text.indexOf("\r\n\r\n", at);
      if (trailersEnd < 0) return null;
      const lines = text.slice(at, Math.max(at, trailersEnd)).split("\r\n");
      const trailers = lines[0] === "" ? [] : lines.map(readField);
      return { framing: "chunked", body, trailers, end: trailersEnd + 4 };
    }
    if (text.length < at + size + 2) return null;
    body += text.slice(at, at + size);
    assert.equal(text.slice(at + size, at + size + 2), "\r\n", "behind a chunk");
    at += size + 2;
  }
}

/** Resolves when `condition` holds; fails when it does not in time. */
export async function until(condition: () => boolean, what: string, milliseconds = 8000): Promise<void> {
  const deadline = performance.now() + milliseconds;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Waits for the end of this turn of the event loop, and for that of the next: whatever a server had to say, it has said. */
export async function turn(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A client that sends bytes and looks at bytes. */
abstract class Peer {
  /** All that has come and was not cleared away, one character a byte. */
  text = "";
  /** The methods of the requests that get responses in `text`, where they are not GET. */
  methods: string[] = [];
  /** The server has ended its side. */
  ended = false;
  /** The connection is gone. */
  closed = false;

  abstract send(text: string | Uint8Array): Promise<void>;
  /** Ends this side. */
  abstract end(): Promise<void>;
  /** Breaks the connection off. */
  abstract destroy(): void;
  protected receive(): void {}

  get reading(): Reading {
    this.receive();
    return readResponses(this.text, this.methods, this.ended || this.closed);
  }

  /** Waits for so many responses, interim ones not counted, and gives those; no more may have come. */
  async responses(count: number): Promise<ReceivedResponse[]> {
    let responses: ReceivedResponse[] = [];
    const enough = (): boolean => {
      responses = this.reading.responses.filter(({ status }) => status >= 200);
      return responses.length >= count;
    };
    await until(enough, `${count} responses`).catch((error: Error) => {
      throw new Error(`${error.message}; what came: ${JSON.stringify(this.text.slice(0, 500))}`);
    });
    assert.equal(responses.length, count, `responses in ${JSON.stringify(this.text.slice(0, 500))}`);
    return responses;
  }

  /** Waits for one response and forgets it. */
  async response(method = "GET"): Promise<ReceivedResponse> {
    this.methods = [method];
    const [response] = await this.responses(1);
    this.text = this.reading.rest;
    return response;
  }

  /** Sends a request and waits for its response. */
  async ask(text: string): Promise<ReceivedResponse> {
    await this.send(text);
    return this.response(text.slice(0, text.indexOf(" ")));
  }

  /** Waits until the server has ended its side, or all of the connection. */
  async endOfConnection(): Promise<void> {
    await until(() => (this.receive(), this.ended || this.closed), "an end of the connection");
  }
}

export class MemoryPeer extends Peer {
  readonly client: ReturnType<MemoryTransport["connect"]>;

  constructor(transport: MemoryTransport) {
    super();
    this.client = transport.connect();
  }

  send(text: string | Uint8Array): Promise<void> {
    return this.client.send(text);
  }

  end(): Promise<void> {
    return this.client.end();
  }

  destroy(): void {
    this.client.destroy();
  }

  protected override receive(): void {
    this.text += this.client.take();
    this.ended = this.client.ended;
    this.closed = this.client.closed;
  }
}

export class SocketPeer extends Peer {
  readonly socket: net.Socket;
  /** The code of the error that the connection ended with. */
  error: string | undefined;

  constructor(socket: net.Socket) {
    super();
    this.socket = socket;
    socket.on("data", (data: Buffer) => (this.text += data.toString("latin1")));
    socket.on("end", () => (this.ended = true));
    socket.on("error", (error: NodeJS.ErrnoException) => (this.error = error.code));
    socket.on("close", () => (this.closed = true));
  }

  send(text: string | Uint8Array): Promise<void> {
    const data = typeof text === "string" ? Buffer.from(text, "latin1") : text;
    return new Promise((resolve) => this.socket.write(data, () => resolve()));
  }

  end(): Promise<void> {
    return new Promise((resolve) => this.socket.end(() => resolve()));
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** Connects to a server; the connection ends with the test. */
export async function connect(t: TestContext, address: Address): Promise<SocketPeer> {
  const where = typeof address === "string" ? { path: address } : { host: address[0], port: address[1] };
  const socket = net.connect({ ...where, allowHalfOpen: true });
  t.after(() => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return new SocketPeer(socket);
}

export interface Served<P> {
  readonly httpd: HTTPServer;
  /** The lines of its log. */
  readonly log: string[];
  connect(): P;
}

/** Serves in memory until the test ends. */
export async function inMemory(
  t: TestContext,
  Handler: RequestHandlerClass,
  options: HTTPServerOptions = {},
): Promise<Served<MemoryPeer>> {
  const log: string[] = [];
  const transport = new MemoryTransport();
  const httpd = new HTTPServer(["memory", 80], Handler, { log: (line) => log.push(line), transport, ...options });
  await httpd.serverActivate();
  t.after(() => httpd.serverClose());
  return { httpd, log, connect: () => new MemoryPeer(transport) };
}

/** Serves over TCP, or where `address` says, until the test ends. */
export async function onSocket(
  t: TestContext,
  Handler: RequestHandlerClass,
  options: HTTPServerOptions = {},
  address: Address = ["127.0.0.1", 0],
): Promise<Served<Promise<SocketPeer>>> {
  const log: string[] = [];
  const httpd = new HTTPServer(address, Handler, { log: (line) => log.push(line), ...options });
  await httpd.serverActivate();
  t.after(() => httpd.serverClose());
  return { httpd, log, connect: () => connect(t, typeof address === "string" ? address : httpd.serverAddress) };
}

/** Waits for one event from outside: a handler for its test, or a test for its handler. */
export class Gate {
  /** Whether it has been opened. */
  isOpen = false;
  readonly opened: Promise<void>;
  #open!: () => void;

  constructor() {
    this.opened = new Promise((resolve) => (this.#open = resolve));
  }

  readonly open = (): void => {
    this.isOpen = true;
    this.#open();
  };
}

/** The request that most tests send. */
export const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** A request without fields of interest. */
export function request(method: string, target = "/", version = "1.1"): string {
  return `${method} ${target} HTTP/${version}\r\nHost: a\r\n\r\n`;
}

/** A request with counted content. */
export function post(content: string, fields = ""): string {
  return `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${content.length}\r\n${fields}\r\n${content}`;
}

/** A request with chunked content, a chunk for each piece. */
export function postChunks(pieces: readonly string[], trailers = ""): string {
  const chunks = pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join("");
  return `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n${trailers}\r\n`;
}

/** Something to await that is over within the same turn of the event loop. */
export function microtask(): Promise<void> {
  return Promise.resolve();
}

/** What the log says beside the line of each request. */
export function beside(log: readonly string[]): string[] {
  return log.filter((line) => !/" (?:\d{3}|-) (?:\d+|-)(?: \w+)?$/.test(line));
}
