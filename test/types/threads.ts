/** What the types of threading servers take, and what they refuse. Nothing here runs: see handler.ts. */
/// <reference types="node" preserve="true" />
import {
  type Address,
  BaseHTTPRequestHandler,
  HTTPServer,
  type HTTPServerOptions,
  type RequestHandlerClass,
  type RequestRouter,
  Router,
  ThreadingHTTPServer,
  type ThreadingHTTPServerOptions,
  ThreadingMixIn,
  type ThreadingOptions,
  type ThreadingServer,
  type ThreadingStats,
  type WaitingTime,
} from "plinth";
import { type Equal, is } from "./equal.ts";

/** As the docs say it; a method of its own, and one that blocks. */
class Handler extends BaseHTTPRequestHandler {
  static module = import.meta.url;

  do_GET(): void {
    is<Equal<typeof this.clientGone, boolean>>();
    const content = this.rfile.readSync(5);
    is<Equal<typeof content, Buffer<ArrayBuffer>>>();
    is<Equal<ReturnType<typeof this.rfile.read1Sync>, Buffer<ArrayBuffer>>>();
    is<Equal<ReturnType<typeof this.rfile.readLineSync>, Buffer<ArrayBuffer>>>();
    const nothing = this.wfile.writeSync("text");
    is<Equal<typeof nothing, void>>();
    this.wfile.writeSync(new Uint8Array(5));
    // @ts-expect-error It says whether, and cannot be told.
    this.clientGone = true;
    // @ts-expect-error Reads are counted in numbers.
    this.rfile.readSync("5");
    // @ts-expect-error Content is bytes or a string.
    this.wfile.writeSync(5);
    // @ts-expect-error A handler serves on the event loop as well: there is no such data then.
    void this.server.threadData;
    if (this.server instanceof ThreadingHTTPServer) is<Equal<typeof this.server.threadData, unknown>>();
  }
}

class BufferedText extends BaseHTTPRequestHandler {
  static bufferedBody = "1000";
}

class ModuleNumber extends BaseHTTPRequestHandler {
  static module = 5;
}

const address: [string, number] = ["127.0.0.1", 8000];

const all: Required<ThreadingOptions> = {
  threads: { min: 1, max: 2 },
  queue: 1,
  startTimeout: 1000,
  handlerTimeout: 1,
  threadData: new SharedArrayBuffer(8),
  threadBuffer: 1,
  streamingThreads: 1,
  replacementRate: Infinity,
  maxStuckThreads: 0,
  resourceLimits: { maxOldGenerationSizeMb: 64 },
};

export function servers(): unknown[] {
  const options: ThreadingHTTPServerOptions = { ...all, log: "none", maxBodySize: 1 };
  return [
    new ThreadingHTTPServer(address, Handler),
    new ThreadingHTTPServer("/run/plinth.sock", Handler, options),
    new ThreadingHTTPServer(address, new Router({ "/": Handler }), { threads: 4 }),
    new ThreadingHTTPServer(address, Handler, { threads: { max: 4 }, threadData: { any: ["thing"] } }),
    new ThreadingHTTPServer(address, Handler, { threads: undefined, queue: undefined, resourceLimits: undefined }),

    // @ts-expect-error A size is a number of bytes.
    new ThreadingHTTPServer(address, BufferedText),
    // @ts-expect-error A module is the text of a URL.
    new ThreadingHTTPServer(address, ModuleNumber),
    // @ts-expect-error There is no such option.
    new ThreadingHTTPServer(address, Handler, { thread: 4 }),
    // @ts-expect-error
    new ThreadingHTTPServer(address, Handler, { threads: { most: 4 } }),
    // @ts-expect-error They are counted.
    new ThreadingHTTPServer(address, Handler, { threads: "4" }),
    // @ts-expect-error A time is a number of milliseconds.
    new ThreadingHTTPServer(address, Handler, { handlerTimeout: "5 s" }),
    // @ts-expect-error
    new ThreadingHTTPServer(address, Handler, { resourceLimits: { maxHeap: 64 } }),
    // @ts-expect-error On the event loop there are no threads.
    new HTTPServer(address, Handler, { threads: 4 }),
    // @ts-expect-error A class of something else.
    new ThreadingHTTPServer(address, Date),
  ];
}

/** The one line of the docs. */
class Plain extends ThreadingMixIn(HTTPServer) {}

interface OwnOptions extends HTTPServerOptions {
  readonly greeting?: string;
}

/** A server class of one's own. */
class Own extends HTTPServer {
  static readonly kind: string = "own";
  readonly greeting: string;

  constructor(address: Address, handler: RequestHandlerClass | RequestRouter, options: OwnOptions = {}) {
    const { greeting = "hello", ...others } = options;
    super(address, handler, others);
    this.greeting = greeting;
  }

  greet(who: string): string {
    return `${this.greeting}, ${who}`;
  }
}

class ThreadingOwn extends ThreadingMixIn(Own) {
  readonly more: number = 5;

  override logError(message: string, ...args: unknown[]): void {
    super.logError(`${this.greet("you")}: ${message}`, ...args);
  }
}

export async function mixedIn(): Promise<void> {
  const plain = new Plain(address, Handler, all);
  const asServer: HTTPServer & ThreadingServer = plain;
  is<Equal<ReturnType<typeof plain.stats>, ThreadingStats>>();
  const own = new ThreadingOwn(address, Handler, { ...all, greeting: "hi", log: "none" });
  is<Equal<typeof own.greeting, string>>();
  is<Equal<typeof own.more, number>>();
  is<Equal<ReturnType<typeof own.greet>, string>>();
  is<Equal<typeof own.threadData, unknown>>();
  is<Equal<typeof ThreadingOwn.kind, string>>();
  await own.serveForever();

  // @ts-expect-error The class has it, and no other.
  new ThreadingOwn(address, Handler, { greetings: "hi" });
  // @ts-expect-error Text.
  new ThreadingOwn(address, Handler, { greeting: 5 });
  // @ts-expect-error A size is a number of bytes.
  new ThreadingOwn(address, BufferedText);
  // @ts-expect-error That is an option of another class.
  new Plain(address, Handler, { greeting: "hi" });
  // @ts-expect-error The address comes first.
  new ThreadingOwn(Handler, address);
  // @ts-expect-error What a server was given is not to be changed.
  own.threadData = 5;
  // @ts-expect-error Only servers can be mixed into.
  ThreadingMixIn(Date);
  // @ts-expect-error A class, not an object of it.
  ThreadingMixIn(plain);
  void asServer;
}

export function stats(httpd: ThreadingHTTPServer): number[] {
  const { threads, busy, waiting, done, failed, replaced, waitingTime } = httpd.stats();
  is<Equal<typeof waitingTime, WaitingTime>>();
  const { p50, p90, p99, max } = waitingTime;
  // @ts-expect-error There is no such number.
  void httpd.stats().idle;
  // @ts-expect-error They are counted elsewhere.
  httpd.stats().done = 0;
  // @ts-expect-error A server on the event loop has no threads to tell of.
  void new HTTPServer(address, Handler).stats;
  return [threads, busy, waiting, done, failed, replaced, p50, p90, p99, max];
}
