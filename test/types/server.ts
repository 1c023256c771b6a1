/** What the types of servers, routers and `inject` take, and what they refuse. Nothing here runs: see handler.ts. */
/// <reference types="node" preserve="true" />
import {
  BaseHTTPRequestHandler,
  type Fields,
  type HandlerContext,
  HTTPServer,
  type HTTPServerOptions,
  type InjectedRequest,
  type InjectedStream,
  MemoryTransport,
  type RequestHandlerClass,
  type RequestRouter,
  Router,
} from "plinth";
import { type Equal, is } from "./equal.ts";

class Handler extends BaseHTTPRequestHandler {
  do_GET(): void {}
}

/** A handler may have a constructor that takes what the server gives, and nothing more. */
class Constructed extends BaseHTTPRequestHandler {
  readonly born = performance.now();
  constructor(context: HandlerContext) {
    super(context);
    this.serverVersion = "Constructed/1";
  }
}

class Demanding extends BaseHTTPRequestHandler {
  constructor(context: HandlerContext, readonly_: string) {
    super(context);
    void readonly_;
  }
}

/** Static members of which a server takes notice. */
class Limited extends BaseHTTPRequestHandler {
  static bufferedBody = 1000;
  static maxBodySize = Infinity;
  static minBodyRate: number | undefined;
  static readonly bodyTimeout = 60_000;
  static module = import.meta.url;
  static mine = "anything";
}

class BufferedText extends Handler {
  static bufferedBody = "1000";
}

class BodySizeText extends Handler {
  static maxBodySize = "1 MiB";
}

class BodyRateNull extends Handler {
  static minBodyRate = null;
}

class BodyTimeoutPair extends Handler {
  static bodyTimeout = [60, "s"];
}

class ModuleNumber extends Handler {
  static module = 5;
}

class ModuleURL extends Handler {
  static module = new URL(import.meta.url);
}

abstract class Unfinished extends BaseHTTPRequestHandler {
  abstract do_GET(): void;
}

export function servers(): unknown[] {
  const all: Required<Omit<HTTPServerOptions, "transport">> = {
    log: "plain",
    maxConnections: 1,
    sendTimeout: 1,
    lingerTimeout: 1,
    startTimeout: 1000,
    handlerTimeout: 1,
    maxLingerTime: 1,
    shutdownTimeout: 1,
    shutdownGrace: 1,
    requestQueueSize: 1,
    reusePort: true,
    listeners: 1,
    informational: "always",
    maxTargetSize: 1,
    maxHeadSize: 1,
    maxFields: 1,
    maxBodySize: 1,
    maxChunkExtensionSize: 1,
    maxTrailerSize: 1,
    maxTrailers: 1,
    headTimeout: 1,
    keepAliveTimeout: 1,
    minBodyRate: 1,
    bodyTimeout: 1,
    maxDrainSize: 1,
    drainTimeout: Infinity,
  };
  const address: [string, number] = ["127.0.0.1", 8000];
  return [
    new HTTPServer(["127.0.0.1", 8000], Handler),
    new HTTPServer(address, Handler, {}),
    new HTTPServer("/run/plinth.sock", Handler, all),
    new HTTPServer(address, Constructed, { transport: new MemoryTransport() }),
    new HTTPServer(address, new Router({ "/": Handler })),
    new HTTPServer(address, Limited),
    new HTTPServer(address, Handler, { log: (line: string) => void line.length }),
    new HTTPServer(address, Handler, { log: () => {} }),

    // @ts-expect-error An address is a pair.
    new HTTPServer("127.0.0.1", 8000, Handler),
    // @ts-expect-error A port is a number.
    new HTTPServer(["127.0.0.1", "8000"], Handler),
    // @ts-expect-error
    new HTTPServer(["127.0.0.1"], Handler),
    // @ts-expect-error
    new HTTPServer({ host: "127.0.0.1", port: 8000 }, Handler),
    // @ts-expect-error The class itself, not an object of it.
    new HTTPServer(address, new Handler()),
    // @ts-expect-error A class of something else.
    new HTTPServer(address, Date),
    // @ts-expect-error A function is no class.
    new HTTPServer(address, (request: unknown) => request),
    // @ts-expect-error Nobody would pass what it asks for.
    new HTTPServer(address, Demanding),
    // @ts-expect-error It cannot be made.
    new HTTPServer(address, Unfinished),
    // @ts-expect-error A size is a number of bytes.
    new HTTPServer(address, BufferedText),
    // @ts-expect-error
    new HTTPServer(address, BodySizeText),
    // @ts-expect-error A rate is a number of bytes a second.
    new HTTPServer(address, BodyRateNull),
    // @ts-expect-error A time is a number of milliseconds.
    new HTTPServer(address, BodyTimeoutPair),
    // @ts-expect-error A module is the text of a URL.
    new HTTPServer(address, ModuleNumber),
    // @ts-expect-error
    new HTTPServer(address, ModuleURL),
    // @ts-expect-error There is no such option.
    new HTTPServer(address, Handler, { maxBodysize: 1 }),
    // @ts-expect-error A size is a number of bytes.
    new HTTPServer(address, Handler, { maxBodySize: "16 MiB" }),
    // @ts-expect-error Such a log there is not.
    new HTTPServer(address, Handler, { log: "json" }),
    // @ts-expect-error A stream is no function.
    new HTTPServer(address, Handler, { log: process.stderr }),
    // @ts-expect-error
    new HTTPServer(address, Handler, { transport: "memory" }),
  ];
}

export async function life(httpd: HTTPServer): Promise<void> {
  is<Equal<typeof httpd.serverAddress, readonly [host: string, port: number]>>();
  is<Equal<typeof httpd.RequestHandlerClass, RequestHandlerClass | RequestRouter>>();
  const served: Promise<void> = httpd.serveForever();
  const closed: void = httpd.serverClose();
  await httpd.serverActivate();
  await httpd.shutdown();
  await served;
  void closed;
  // @ts-expect-error The address is the server's to say.
  httpd.serverAddress = ["127.0.0.1", 8000];
  // @ts-expect-error
  httpd.RequestHandlerClass = Handler;
  // @ts-expect-error Python polls here; this server is told.
  await httpd.serveForever(0.5);
}

export function routers(): unknown[] {
  const mine: RequestRouter = { handlers: [Handler], find: () => ({ Handler }) };
  return [
    mine,
    new Router(),
    new Router({ "/": Handler, "/models/:name": Constructed }, { fallback: Handler }),
    new Router().add("/", Handler).add("/models/:name", Handler),
    new Router({ "/": Limited }, { fallback: Limited }),
    // @ts-expect-error A size is a number of bytes.
    new Router({ "/": BufferedText }),
    // @ts-expect-error
    new Router().add("/", BodySizeText),
    // @ts-expect-error A module is the text of a URL.
    new Router({}, { fallback: ModuleNumber }),
    // @ts-expect-error
    { handlers: [BufferedText], find: () => ({ Handler }) } satisfies RequestRouter,
    // @ts-expect-error
    { handlers: [Handler], find: () => ({ Handler: BufferedText }) } satisfies RequestRouter,
    // @ts-expect-error A class of something else.
    new Router({ "/": Date }),
    // @ts-expect-error An object of a class.
    new Router({ "/": new Map() }),
    // @ts-expect-error Methods are the class's: a pattern leads to a class.
    new Router({ "/": { GET: () => {} } }),
    // @ts-expect-error
    new Router({ "/": Demanding }),
    // @ts-expect-error There is no such option.
    new Router({}, { notFound: Handler }),
    // @ts-expect-error A pattern is text.
    new Router().add(/^\/$/, Handler),
    // @ts-expect-error A router that says which classes it may find is one that a server can look at.
    { find: () => ({ Handler }) } satisfies RequestRouter,
  ];
}

async function* pieces(): AsyncGenerator<string | Uint8Array> {
  yield "a";
  yield new Uint8Array(1);
}

export async function inject(httpd: HTTPServer): Promise<void> {
  const response = await httpd.inject();
  is<Equal<typeof response.status, number>>();
  is<Equal<typeof response.headers, Fields>>();
  is<Equal<typeof response.body, Buffer<ArrayBuffer>>>();
  is<Equal<typeof response.trailers, Fields | undefined>>();
  is<Equal<ReturnType<typeof response.text>, string>>();
  is<Equal<ReturnType<typeof response.json>, any>>();
  const stream = await httpd.inject({ method: "POST", body: "x", stream: true });
  is<Equal<typeof stream, InjectedStream>>();
  is<Equal<typeof stream.headers, Fields>>();
  for await (const chunk of stream.body) is<Equal<typeof chunk, Buffer<ArrayBuffer>>>();
  stream.cancel();
  // @ts-expect-error It is not there as a whole.
  stream.text();
  const requests: InjectedRequest[] = [
    { method: "RICKROLL", path: "/a?b", headers: { Accept: "*/*", Age: 5 } },
    {
      headers: [
        ["Cookie", "a=1"],
        ["Cookie", "b=2"],
      ],
      body: "text",
    },
    { body: new Uint8Array(1), signal: AbortSignal.timeout(1000) },
    { body: pieces() },
    // @ts-expect-error A body is bytes or text: JSON.stringify makes text of an object.
    { body: { val_a: 3 } },
    // @ts-expect-error A path with its query is text.
    { path: new URL("http://a/") },
    // @ts-expect-error There is no such part.
    { url: "/" },
    // @ts-expect-error A field's value is a string or a number.
    { headers: { "X-Flag": true } },
    // @ts-expect-error
    { signal: new AbortController() },
  ];
  for (const request of requests) await httpd.inject(request);
  // @ts-expect-error What came back is not to be changed.
  response.status = 500;
}
