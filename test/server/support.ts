/** What the tests of servers share: servers that end with their test, and clients that speak bytes. */
import assert from "node:assert/strict";
import net from "node:net";
import type { TestContext } from "node:test";
import { type Address, HTTPServer, type HTTPServerOptions, MemoryTransport, type RequestHandlerClass } from "plinth";
import { type ReceivedResponse, takeResponses, type TakenResponses } from "../support/responses.ts";

export type { ReceivedResponse } from "../support/responses.ts";

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
abstract class RawClient {
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
  /** Takes in what has come. */
  receive(): void {}

  get reading(): TakenResponses {
    this.receive();
    return takeResponses(this.text, this.methods, this.ended || this.closed);
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

export class MemoryClient extends RawClient {
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

  override receive(): void {
    this.text += this.client.take();
    this.ended = this.client.ended;
    this.closed = this.client.closed;
  }
}

export class SocketClient extends RawClient {
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
export async function connect(t: TestContext, address: Address): Promise<SocketClient> {
  const where = typeof address === "string" ? { path: address } : { host: address[0], port: address[1] };
  const socket = net.connect({ ...where, allowHalfOpen: true });
  t.after(() => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return new SocketClient(socket);
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
): Promise<Served<MemoryClient>> {
  const log: string[] = [];
  const transport = new MemoryTransport();
  const httpd = new HTTPServer(["memory", 80], Handler, { log: (line) => log.push(line), transport, ...options });
  await httpd.serverActivate();
  t.after(() => httpd.serverClose());
  return { httpd, log, connect: () => new MemoryClient(transport) };
}

/** Serves over TCP, or where `address` says, until the test ends. */
export async function onSocket(
  t: TestContext,
  Handler: RequestHandlerClass,
  options: HTTPServerOptions = {},
  address: Address = ["127.0.0.1", 0],
): Promise<Served<Promise<SocketClient>>> {
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

/** Sends a request, closes the connection while the handler waits, and waits until the handler has opened the gate. */
export async function leaveDuring(server: Served<MemoryClient>, gate: Gate): Promise<void> {
  const peer = server.connect();
  await peer.send(GET);
  await turn();
  peer.destroy();
  await gate.opened;
}
