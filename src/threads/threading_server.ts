/** Servers whose handlers run in threads, after Python's `ThreadingMixIn` and `ThreadingHTTPServer`. */
import type { Executor } from "../protocol/exchange.ts";
import { quote } from "../quote_value.ts";
import { ofAnotherCopy } from "../runtime/library_copies.ts";
import type { ExecutorServices } from "../handler/loop_executor.ts";
import { classesOf, type Handlers, type RequestRouter } from "../handler/router_interface.ts";
import type { RequestHandlerClass } from "../handler/handler.ts";
import { type HandlerThread, threadContext } from "../program/thread_context.ts";
import { count, describeProgram, keyOf, type Program } from "../program/program_description.ts";
import { HTTPServer } from "../server/server.ts";
import { HTTPSServer, type HTTPSServerOptions } from "../server/https_server.ts";
import type { HTTPServerOptions } from "../server/server_options.ts";
import { MAKE_EXECUTOR, MAKE_SERVICES, OWN_OPTIONS } from "../server/internal_members.ts";
import type { ListenAddress } from "../transport/transport.ts";
import { ThreadExecutor } from "./main/thread_executor.ts";
import {
  checkData,
  OPTION_NAMES,
  type Settings,
  settingsFrom,
  threadingOf,
  type ThreadingOptions,
} from "./shared/threading_options.ts";
import { NO_STATS, ownStats, readStats, type ThreadingStats } from "./shared/stats.ts";

/** Options of a ThreadingHTTPServer. */
export interface ThreadingHTTPServerOptions extends HTTPServerOptions, ThreadingOptions {}

/** The members that ThreadingMixIn adds to a server. */
export interface ThreadingServer {
  /** The data that each thread got when it started: the option `threadData`. */
  readonly threadData: unknown;
  /** The server's statistics. A handler gets the same ones by `this.server.stats()`. */
  stats(): ThreadingStats;
}

/** This thread, where it runs handlers; null on the event loop, where the server listens. The constructor of a base may ask for it. */
function handlerThread(): HandlerThread | null {
  return threadContext.role === "handlers" ? threadContext : null;
}

/** A class of servers: HTTPServer, or one that extends it. */
export type ServerClass = new (...args: any[]) => HTTPServer;

/** The options that a class of servers takes. */
export type ServerOptionsOf<Base extends ServerClass> =
  ConstructorParameters<Base> extends [unknown, unknown, (infer Options)?] ? NonNullable<Options> : HTTPServerOptions;

/** The class that ThreadingMixIn makes of a class of servers. */
export type ThreadingServerClass<Base extends ServerClass> = Omit<Base, "prototype"> &
  (new (
    serverAddress: ListenAddress,
    RequestHandlerClass: RequestHandlerClass | RequestRouter,
    options?: ServerOptionsOf<Base> & ThreadingOptions,
  ) => InstanceType<Base> & ThreadingServer);

/**
 * Makes a class of servers whose handlers run in threads, one request at a time in each thread. A handler that computes or blocks delays
 * requests only when all threads are busy. Everything else is the same. docs/THREADS.md says what threads share, and what they do not.
 *
 * Each thread imports the program's main module once more, up to the call by which it begins to serve. The server that is constructed
 * there tells the thread its handler class, and does not listen. If a class has `static module = import.meta.url` of its own, in a file
 * that exports it, threads import the class from that file instead.
 *
 * @param Base HTTPServer, or a class that extends it and has a constructor of the same three parameters
 * @throws {TypeError} for anything else
 * @example class ThreadingServer extends ThreadingMixIn(HTTPServer) {}
 * @source Python's `socketserver.ThreadingMixIn`
 */
export function ThreadingMixIn<Base extends ServerClass>(Base: Base): ThreadingServerClass<Base> {
  if (Base !== HTTPServer && !(Base?.prototype instanceof HTTPServer))
    throw new TypeError(
      ofAnotherCopy(Base, "HTTPServer") ??
        `ThreadingMixIn takes HTTPServer, or a class that extends it, not ${quote(Base)}`,
    );
  class Threading extends Base implements ThreadingServer {
    readonly #settings: Settings;
    readonly #handlers: Handlers;
    readonly #program: Program | null;
    readonly #options: ThreadingOptions;
    #executor: ThreadExecutor | null = null;

    constructor(...args: any[]) {
      const [address, handlers, options = {}] = args as [ListenAddress, Handlers, ThreadingHTTPServerOptions?];
      if ((options.listeners ?? 1) !== 1)
        throw new RangeError(
          `a threading server accepts on one event loop: listeners must be 1, not ${quote(options.listeners)}. For several event loops,` +
            " take HTTPServer",
        );
      super(address, handlers, options);
      const threading = threadingOf(options);
      this.#settings = settingsFrom(threading);
      this.#options = threading;
      this.#handlers = handlers;
      const thread = handlerThread();
      if (thread === null) {
        checkData(threading.threadData);
        this.#program = describeProgram(handlers, count(keyOf(classesOf(handlers))));
      } else {
        this.#program = null;
        thread.constructed({ server: this, handlers, services: () => this[MAKE_SERVICES]() });
      }
    }

    get threadData(): unknown {
      const thread = handlerThread();
      return thread === null ? this.#settings.threadData : thread.threadData;
    }

    override get serverAddress(): readonly [host: string, port: number] {
      const thread = handlerThread();
      return thread === null ? super.serverAddress : thread.serverAddress;
    }

    stats(): ThreadingStats {
      if (handlerThread() !== null) return ownStats();
      return this.#executor === null ? NO_STATS : readStats(this.#executor.memory);
    }

    override get stopping(): AbortSignal {
      const thread = handlerThread();
      return thread === null ? super.stopping : thread.stopping;
    }

    override shutdown(): Promise<void> {
      const thread = handlerThread();
      return thread === null ? super.shutdown() : thread.shutdown(false);
    }

    override serverClose(): void {
      const thread = handlerThread();
      if (thread === null) super.serverClose();
      else void thread.shutdown(true);
    }

    override get [OWN_OPTIONS](): readonly string[] {
      return [...super[OWN_OPTIONS], ...OPTION_NAMES];
    }

    override [MAKE_EXECUTOR](services: ExecutorServices): Executor {
      return (this.#executor = new ThreadExecutor(
        services,
        this.#settings,
        this.#handlers,
        this.#program!,
        this.#options,
      ));
    }
  }
  return Threading as unknown as ThreadingServerClass<Base>;
}

/**
 * An HTTP server whose handlers run in threads: a handler may compute for a second, or block, while others go on.
 *
 * @example
 * const httpd = new ThreadingHTTPServer(["127.0.0.1", 8000], RequestHandler, { threads: { min: 2, max: 16 } });
 * await httpd.serveForever();
 *
 * @source Python's `http.server.ThreadingHTTPServer`
 */
export class ThreadingHTTPServer extends ThreadingMixIn(HTTPServer) {}

/** Options of a ThreadingHTTPSServer. */
export interface ThreadingHTTPSServerOptions extends HTTPSServerOptions, ThreadingOptions {}

/**
 * An HTTPS server whose handlers run in threads. The event loop does the work of TLS.
 *
 * @example
 * const httpd = new ThreadingHTTPSServer(["", 8443], RequestHandler, { certfile: "cert.pem", keyfile: "key.pem" });
 * await httpd.serveForever();
 *
 * @source Python's `http.server.ThreadingHTTPSServer`
 */
export class ThreadingHTTPSServer extends ThreadingMixIn(HTTPSServer) {}
