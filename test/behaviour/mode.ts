/**
 * What the behaviour suite asks of whatever it runs on: a way to serve handler classes, and clients to ask them with. The
 * cases know nothing else, so a new mode (another runtime, version of HTTP or executor) is one more implementation of this.
 */
import type { TestContext } from "node:test";
import type { HTTPServerOptions, Limits, RequestHandlerClass, Router } from "plinth";

export interface Mode {
  /** What its tests are listed under. */
  readonly name: string;
  /** What a handler's `requestVersion` says: "HTTP/1.1". */
  readonly version: string;
  /** What not every version of HTTP has, nor every way to run handlers. Cases about it are not registered, or ask for less. */
  readonly has: {
    /** Responses carry reason phrases. */
    readonly reasons: boolean;
    /** Field names travel letter for letter, not in lower case. */
    readonly nameCase: boolean;
    /** A client may end its side of the connection and still get its response. */
    readonly halfClose: boolean;
    /** A handler runs when its request's head is there, and not only when its content is. */
    readonly earlyHandlers: boolean;
  };
  /**
   * Serves until the test ends.
   * @param handler an export of handlers.ts, itself: a mode whose handlers run elsewhere may look for its name there
   */
  serve(t: TestContext, handler: RequestHandlerClass | Router, options?: ServeOptions): Promise<Served>;
  /**
   * Where a start is dear: a server for every case that asks nothing of it but a client. It serves on when the test ends.
   */
  readonly share?: (t: TestContext, handler: RequestHandlerClass | Router) => Promise<Pick<Served, "client">>;
}

/** The options that cases may set: numbers and words, so that they travel wherever the server is. */
export type ServeOptions = Partial<Limits> &
  Pick<
    HTTPServerOptions,
    | "maxConnections"
    | "sendTimeout"
    | "lingerTimeout"
    | "maxLingerTime"
    | "shutdownTimeout"
    | "handlerTimeout"
    | "informational"
  >;

/** A server that runs: its `serveForever` has been called, and it listens. */
export interface Served {
  /** Where it listens. */
  readonly address: readonly [host: string, port: number];
  /** Resolves when `serveForever` has. */
  readonly done: Promise<void>;
  /** Opens a connection, which ends with the test. Rejects where nobody listens. */
  client(): Promise<Client>;
  /** The lines of its log so far. They may come later than what they speak of: `logged` waits for them. */
  log(): readonly string[];
  /** `shutdown` of the server. */
  shutdown(): Promise<void>;
  /** `serverClose` of the server. */
  close(): void | Promise<void>;
}

/** Names and values in their order, one character a byte. */
export type FieldLines = readonly (readonly [name: string, value: string])[];

/** A request without its content. What names the host, and what frames the content, is the client's to add. */
export interface RequestHead {
  /** "GET" when left out. */
  readonly method?: string;
  /** The request target. "/" when left out. */
  readonly path?: string;
  readonly headers?: FieldLines;
}

export interface Request extends RequestHead {
  /** A string or bytes are sent with their length; pieces as they come, and their length is not announced. */
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array>;
  /** Sent behind pieces. */
  readonly trailers?: FieldLines;
}

/** A header or trailer section of a response. */
export interface Fields {
  readonly lines: FieldLines;
  /** The value of the only field of that name, whatever its letters' case; null where there is none. @throws where there are two */
  get(name: string): string | null;
  getAll(name: string): string[];
}

/** A response without its content. */
export interface ResponseHead {
  readonly status: number;
  /** The reason phrase; "" where the version has none. */
  readonly reason: string;
  readonly headers: Fields;
}

export interface Response extends ResponseHead {
  readonly body: Buffer;
  /** `body` as UTF-8. */
  readonly text: string;
  /** `body` as JSON. */
  json(): any;
  /** The trailer section; undefined where there was none. */
  readonly trailers: Fields | undefined;
  /** The interim responses (1xx) before it. */
  readonly informational: readonly ResponseHead[];
}

/** One connection. It makes one request after the other; those of different clients travel at the same time. */
export interface Client {
  /** What a handler's `clientAddress` says of it. */
  readonly address: readonly [host: string, port: number];
  /** Makes a request. @returns the response once it is whole; rejects with CutOff when it ends before */
  request(request?: Request): Promise<Response>;
  /**
   * Begins a request.
   * @param content its length in bytes, or "unknown"; none follows when it is left out
   */
  open(head?: RequestHead, content?: number | "unknown"): Promise<Exchange>;
  /** Resolves when the server has ended the connection, in whatever way, having sent nothing more; then this side ends too. */
  ended(): Promise<void>;
  /** Ends this side. Where the mode has half-closed connections, responses still come. */
  end(): Promise<void>;
  /** Breaks the connection off, so that the server can tell. */
  leave(): void;
}

/** A request under way, and its response as it comes. */
export interface Exchange {
  /** Sends content. @returns resolves when it has left; rejects when the connection has gone */
  send(piece: string | Uint8Array): Promise<void>;
  /** Ends content whose length was not announced, with a trailer section or without. */
  end(trailers?: FieldLines): Promise<void>;
  /** Waits for the next response, be it an interim one or final. */
  next(): Promise<ResponseHead>;
  /** Waits for the final response's head. */
  head(): Promise<ResponseHead>;
  /**
   * Reads content as it comes, in pieces of any size, and nothing more than it is asked for: a server that sends on has to wait.
   * @returns null behind the last piece; rejects with CutOff when the response ends before it is whole
   */
  read(): Promise<Buffer | null>;
  /** Reads the rest. @returns the response, with as much of its content as was not read before */
  response(): Promise<Response>;
  /** Gives this request up, so that the server can tell: a version that can keeps the connection. */
  abort(): void;
}

/** A response that has ended before it was whole: the connection was cut, or the stream reset. */
export class CutOff extends Error {
  override readonly name = "CutOff";
}
