/** The server class, as Python's `http.server.HTTPServer`: an address, a handler class, and a life. */
/// <reference types="node" preserve="true" />
import { transport as platform } from "#transport";
import type { Executor } from "../protocol/exchange.ts";
import { http1 } from "../protocol/http1/protocol.ts";
import type { Limits } from "../protocol/limits.ts";
import { type Protocol, ProtocolSelector } from "../protocol/protocol_selector.ts";
import { ChunkPool } from "../protocol/send_buffer.ts";
import type { ListenAddress, Socket, SocketHandler, Transport } from "../transport/transport.ts";
import { Acceptor } from "./acceptor.ts";
import { checkAddress, listenError } from "./address.ts";
import { ConnectionAdmission } from "./connection_admission.ts";
import { ShutdownCallers } from "./shutdown_callers.ts";
import { Clock, LONGEST_TIMER } from "../loop/clock.ts";
import { StartContext } from "../loop/async_context.ts";
import { mark } from "../runtime/library_copies.ts";
import { MethodDispatcher } from "../handler/method_dispatcher.ts";
import { type ExecutorServices, LoopExecutor } from "../handler/loop_executor.ts";
import type { RequestHandlerClass } from "../handler/handler.ts";
import type { RequestRouter } from "../handler/router_interface.ts";
import type { Server } from "../handler/server_interface.ts";
import {
  inject,
  type InjectedRequest,
  type InjectedResponse,
  type InjectedStream,
  type InjectedStreamRequest,
} from "./inject.ts";
import { BytePump, type BytePumpOwner } from "./byte_pump.ts";
import { ListenerPool } from "./listener_pool.ts";
import { Log, loggable, loggedAddress } from "../loop/log.ts";
import { callSafely, type RequestOutcome } from "../handler/request_outcome.ts";
import { type ListenerThread, threadContext } from "../program/thread_context.ts";
import { type HTTPServerOptions, serverSettings, type ServerSettings } from "./server_options.ts";
import { KernelSendQueues } from "./kernel_send_queues.ts";
import { MAKE_EXECUTOR, MAKE_SERVICES, OWN_OPTIONS, PROTOCOLS } from "./internal_members.ts";
import { StopSignal } from "./stop_signal.ts";
import { FlushScheduler } from "../loop/flush_scheduler.ts";

/**
 * An HTTP server. Handlers run on the event loop, so one that computes for long holds up all others.
 *
 * @example
 * const httpd = new HTTPServer(["127.0.0.1", 8000], RequestHandler);
 * await httpd.serveForever();
 *
 * @source Python's `http.server.HTTPServer`
 */
export class HTTPServer implements Server {
  /** The handler class, or the router that finds one. @source Python's `RequestHandlerClass` */
  readonly RequestHandlerClass: RequestHandlerClass | RequestRouter;
  readonly #dispatcher: MethodDispatcher;
  #address: ListenAddress;
  readonly #transport: Transport;
  readonly #acceptor: Acceptor;
  readonly #limits: Limits;
  readonly #options: ServerSettings;
  readonly #clock: Clock;
  readonly #scheduler: FlushScheduler;
  readonly #log: Log;
  /** Where requests begin: where this server was constructed, then where it was first activated. */
  readonly #context = new StartContext();
  #isStarted = false;
  readonly #writeLine = (line: string): void => this.#log.write(line);
  readonly #connections = new Set<BytePump>();
  readonly #kernelSendQueues: KernelSendQueues;
  readonly #reusePort: boolean;
  /** The threads that accept beside this one; null where there are none. */
  readonly #listeners: ListenerPool | null;
  /** Made at activation, when what extends this class has been constructed too. */
  #owner: BytePumpOwner | null = null;
  #activation: Promise<void> | null = null;
  #stopping = false;
  /** What the thread is in which this server was constructed. */
  readonly #thread = threadContext;
  /** The same where it accepts connections beside the program's own event loop. */
  readonly #listenerThread: ListenerThread | null = this.#thread.role === "listener" ? this.#thread : null;
  readonly #stopSignal: StopSignal;
  #finished = false;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  readonly #stopped: Promise<void>;
  #stop!: () => void;
  readonly #shutdownCallers = new ShutdownCallers();
  readonly #admission: ConnectionAdmission;

  /**
   * @param serverAddress `[host, port]` ("" for every address, port 0 for a free one), the path of a Unix socket, or `{ fd }`, a socket
   *   that this process was started with
   * @param RequestHandlerClass a class that extends BaseHTTPRequestHandler, or a Router
   * @throws {TypeError} or {RangeError} for an argument that is wrong, such as a class with a `do_GET` that is no method but a field
   */
  constructor(
    serverAddress: ListenAddress,
    RequestHandlerClass: RequestHandlerClass | RequestRouter,
    options: HTTPServerOptions = {},
  ) {
    this.#address = checkAddress(serverAddress);
    this.RequestHandlerClass = RequestHandlerClass;
    this.#transport = options.transport ?? platform;
    this.#acceptor = new Acceptor(this.#transport);
    const { limits, settings } = serverSettings(options, this[OWN_OPTIONS]);
    this.#limits = limits;
    this.#options = settings;
    this.#dispatcher = new MethodDispatcher(RequestHandlerClass, limits);
    this.#admission = new ConnectionAdmission(settings.maxConnections, (why) => {
      if (this.#listenerThread === null) this.#report("%s", why);
      else this.#listenerThread.crowded(why); // said once for all event loops
    });
    this.#kernelSendQueues = new KernelSendQueues(settings.sendTimeout / 8);
    this.#scheduler = new FlushScheduler((task) => this.#transport.endOfTurn(task));
    this.#log = new Log(this.#thread.log ?? options.log ?? "plain", this.#scheduler);
    this.#clock = new Clock(() => this.#tick(), this.#thread.role === "handlers");
    const listener = this.#listenerThread;
    this.#stopSignal = new StopSignal(this.#context, listener && (() => listener.isStopping));
    this.#stopped = new Promise((resolve) => (this.#stop = resolve));
    this.#listeners = this.#makeListeners(options);
    this.#reusePort = options.reusePort === true || this.#options.listeners > 1;
  }

  /**
   * Where the server listens; real once it is activated: port 0 has become a port. Of a Unix socket: its path, and port 0; of one that
   * this process was started with, and of any such socket before activation: "" and port 0.
   * @source Python's `server_address`
   */
  get serverAddress(): readonly [host: string, port: number] {
    if (typeof this.#address === "string") return [this.#address, 0];
    return "fd" in this.#address ? ["", 0] : this.#address;
  }

  /**
   * Aborts when `shutdown` or `serverClose` is called, in threads as well: for handlers that run on for long, such as streams of events
   * and long polls. `aborted` is up to date whenever a handler looks at it, also in a thread that is blocked; events come when its event
   * loop has a turn. The signal lives as long as the server: what a request adds to it, the request must remove. `signalWith` does so.
   * @example while (!this.server.stopping.aborted) await this.wfile.write(await nextEvent());
   */
  get stopping(): AbortSignal {
    return this.#stopSignal.signal;
  }

  /**
   * Binds and listens. `serveForever` does it where nobody has. Requests begin in the asynchronous context in which this is called
   * first: what an `AsyncLocalStorage` holds there, each of them sees.
   * @returns rejects with an Error that says what stood in the way, its `code` the system's (EADDRINUSE …)
   * @source Python's `server_bind` and `server_activate`
   */
  serverActivate(): Promise<void> {
    // This is its start: but for calls that follow, and those of handlers in a thread.
    if (!this.#isStarted && !this.#thread.isHandling) {
      this.#isStarted = true;
      this.#context.renew();
    }
    return this.#thread.park() ?? this.#activateOnce();
  }

  #activateOnce(): Promise<void> {
    if (this.#stopping) return Promise.reject(new Error("cannot listen: this server has been shut down"));
    return (this.#activation ??= this.#activate().catch((error: unknown) => {
      this.#activation = null; // it may be tried again
      this.#isStarted = false;
      throw error;
    }));
  }

  /** Serves until `shutdown` or `serverClose`. @returns rejects as `serverActivate` does
   * @source Python's `serve_forever` */
  async serveForever(): Promise<void> {
    if (!this.#stopping) await this.serverActivate();
    return this.#stopped;
  }

  /**
   * Stops the server: `stopping` aborts, the connections that wait are accepted, and then the socket is closed. Each request that was
   * sent gets its response, with `Connection: close`; a connection that was not told so is read for `shutdownGrace` more. Handlers may
   * run for `shutdownTimeout`, then their connections are cut. May be called often. In a handler, call `this.server.shutdown()`: it does
   * not wait for that handler. Called by another name of the server behind an `await`, it does wait for it, until `shutdownTimeout`.
   * @source Python's `shutdown`
   */
  shutdown(): Promise<void> {
    const caller = this.#shutdownCallers.current;
    if (!this.#stopping) {
      this.#stopping = true;
      const { shutdownTimeout } = this.#options;
      if (shutdownTimeout <= LONGEST_TIMER) this.#deadline = setTimeout(() => this.serverClose(), shutdownTimeout);
      this.#listeners?.shutdown();
      this.#listenerThread?.shutdown(false);
      void this.#stopAccepting();
      this.#stopSignal.abort();
    }
    if (caller === null || caller.settled) return this.#stopped;
    const waiting = this.#shutdownCallers.wait(caller);
    this.#checkStopped();
    return waiting;
  }

  /** Stops at once: connections are cut, whatever runs. @source Python's `server_close` */
  serverClose(): void {
    this.#stopping = true;
    this.#acceptor.close();
    this.#listenerThread?.shutdown(true);
    this.#stopSignal.abort();
    for (const connection of this.#connections) connection.cut();
    this.#finish();
  }

  /**
   * Runs a request through this server without a socket, for tests; it need not listen. Limits and deadlines hold, the log is
   * written, and the client's address is 127.0.0.1, port 0.
   * @returns the response, once it is whole; with `stream: true` once its head is there, and its content comes as it is read. Rejects
   *   with a TypeError for a request that cannot be sent, with a ResponseCutError when the server closes the connection before the end
   *   of its response, which has what has come, and with the reason of the request's `signal`
   * @example const response = await httpd.inject({ method: "POST", body: '{"val_a": 3, "val_b": 4}' });
   * @example
   * const events = await httpd.inject({ path: "/events", stream: true });
   * for await (const chunk of events.body) if (chunk.includes("data: 3")) break; // the client leaves
   */
  inject(request: InjectedStreamRequest): Promise<InjectedStream>;
  inject(request?: InjectedRequest): Promise<InjectedResponse>;
  async inject(request: InjectedRequest | InjectedStreamRequest = {}): Promise<InjectedResponse | InjectedStream> {
    const parked = this.#thread.park();
    if (parked !== null) return parked;
    if (this.#stopping) throw new Error("cannot run a request: this server has been shut down");
    const owner = (this.#owner ??= this.#makeOwner());
    this.#clock.start();
    return inject((socket) => this.#accept(socket, owner), request);
  }

  /** As `shutdown`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  /** Logs an error that belongs to no request, as a handler's `logMessage` writes a line. May be overridden. */
  logError(message: string, ...args: unknown[]): void {
    this.#log.message(`- - - [${this.#clock.logTime}] `, message, args);
  }

  /**
   * Called once for every request that this server has run, or refused when it had read its head: when its response has left or will
   * not leave any more. For what counts and measures; a handler class has a `requestEnded` of its own, which logs. With threads it is
   * called here, not in them; with `listeners`, on the event loop that accepted the connection. Does nothing. What it throws is
   * logged.
   */
  requestEnded(_outcome: RequestOutcome): void {}

  /** Logs it in the context of the server's start, and not in that of the request in which it happens to be found out. */
  #report(message: string, ...args: unknown[]): void {
    this.#context.run(() => this.logError(message, ...args), undefined);
  }

  /** @internal */
  get [OWN_OPTIONS](): readonly string[] {
    return [];
  }

  /** @internal */
  [MAKE_EXECUTOR](services: ExecutorServices): Executor {
    return new LoopExecutor(services, this.#options.handlerTimeout);
  }

  /** @internal */
  get [PROTOCOLS](): readonly Protocol[] {
    return [http1(this.#limits, new ChunkPool(), this.#options.informational === "always")];
  }

  async #activate(): Promise<void> {
    const owner = (this.#owner ??= this.#makeOwner());
    const options = {
      backlog: this.#options.requestQueueSize,
      reusePort: this.#reusePort,
      onError: (error: Error) => this.#report("cannot accept connections: %s", error.message),
    };
    const threads = owner.executor.mostThreads ?? 0;
    const { listeners } = this.#options;
    const warnings = this.#admission.open(this.#transport, threads, listeners, this.#listenerThread !== null);
    for (const warning of warnings) this.logError("%s", warning);
    await owner.executor.open?.();
    if (this.#stopping) return; // meanwhile
    const wanted = this.#address;
    try {
      this.#address = await this.#acceptor.open(this.#address, options, (socket) => this.#accept(socket, owner));
      if (!this.#finished) this.#clock.start(); // connections have deadlines, however long the other listeners take to start
      if (!this.#stopping) await this.#listeners?.open(this.serverAddress, this.#admission.most);
    } catch (error) {
      this.#acceptor.close();
      this.#clock.stop();
      for (const connection of this.#connections) connection.cut();
      await owner.executor.close();
      // With another executor it may be tried again.
      this.#owner = null;
      this.#address = wanted;
      throw listenError(wanted, error as NodeJS.ErrnoException);
    }
  }

  /** Accepts the connections that wait, closes the socket, and lets connections end. */
  async #stopAccepting(): Promise<void> {
    const { shutdownTimeout, shutdownGrace, requestQueueSize } = this.#options;
    if (shutdownGrace > 0) {
      // A client that gets `Connection: close` connects anew at once, and would join the queue that is being emptied. So none gets it
      // before the socket is closed. (The kernel's queue holds one more than it was asked to.)
      for (const connection of this.#connections) connection.stop();
      await this.#acceptor
        .drain(requestQueueSize + 1, shutdownTimeout / 2)
        .catch((error: unknown) => this.#report("cannot accept what waits: %s", loggable(error)));
      await (this.#listenerThread ?? this.#listeners)?.socketClosed();
    }
    this.#acceptor.close();
    this.#clock.hasten(); // its next tick comes when what the connections have not read is read
    for (const connection of this.#connections) connection.shutdown(shutdownGrace);
    this.#checkStopped();
  }

  /** Threads that accept beside this one; in such a thread, none, but it may be one of them. */
  #makeListeners(options: HTTPServerOptions): ListenerPool | null {
    const { listeners } = this.#options;
    if (listeners === 1) return null;
    if (!Array.isArray(this.#address)) {
      const what = typeof this.#address === "string" ? "a Unix socket" : "a socket that the process was started with";
      throw new RangeError(`${what} has one listener, not ${listeners}: only ports can be shared`);
    }
    if (options.transport !== undefined)
      throw new RangeError(
        "listeners share a port of the runtime's: take the option transport, or listeners, not both",
      );
    if (this.#listenerThread !== null) {
      this.#listenerThread.constructed({
        server: this,
        handlers: this.RequestHandlerClass,
        stopped: this.#stopped,
        listen: (address, maxConnections) => {
          this.#address = address;
          this.#admission.most = maxConnections;
          return this.#activateOnce();
        },
      });
    }
    if (this.#thread.role !== "main") return null;
    const { log, ...others } = options;
    const isPlain = this.constructor === HTTPServer && typeof this.RequestHandlerClass === "function"; // others the program constructs
    const { startTimeout } = this.#options;
    const start = { startTimeout, silent: log === "none", options: isPlain ? others : null };
    return new ListenerPool(listeners, this.RequestHandlerClass, start, {
      writeLog: (line) => this.#context.run(this.#writeLine, line),
      logError: (message, ...args) => this.#report(message, ...args),
      admitsThread: () => this.#admission.admitsThread,
      crowded: (why) => this.#admission.refused(why, this.#clock.now),
      shutdown: (atOnce) => (atOnce ? this.serverClose() : void this.shutdown()),
      onGone: () => this.#checkStopped(),
    });
  }

  /** @internal */
  [MAKE_SERVICES](): ExecutorServices {
    return {
      server: this,
      limits: this.#limits,
      dispatcher: this.#dispatcher,
      clock: this.#clock,
      scheduler: this.#scheduler,
      log: this.#log,
      watched: this.#thread.role !== "handlers" && this.requestEnded !== HTTPServer.prototype.requestEnded,
      told: (call) => callSafely(call, (error) => this.#report("requestEnded has failed: %s", loggable(error))),
      context: this.#context,
      logError: (message, ...args) => this.#report(message, ...args),
      admitsThread: () => this.#admission.admitsThread,
      serverFor: (request) => {
        this.#shutdownCallers.hasServer(request);
        return this;
      },
      handling: (request) => (this.#shutdownCallers.current = request),
    };
  }

  #makeOwner(): BytePumpOwner {
    return {
      clock: this.#clock,
      scheduler: this.#scheduler,
      context: this.#context,
      executor: this[MAKE_EXECUTOR](this[MAKE_SERVICES]()),
      sendTimeout: this.#options.sendTimeout,
      lingerTimeout: this.#options.lingerTimeout,
      maxLingerTime: this.#options.maxLingerTime,
      kernelSendQueues: this.#kernelSendQueues,
      protocols: new ProtocolSelector(this[PROTOCOLS]),
      requestRefused: ({ clientAddress }, error) =>
        this.#report("%s refused: %s, %d. %s", loggedAddress(clientAddress), error.code, error.status, error.message),
      connectionClosed: (connection) => {
        this.#connections.delete(connection);
        this.#checkStopped();
      },
    };
  }

  #accept(socket: Socket, owner: BytePumpOwner): BytePump | SocketHandler {
    if (this.#finished || !this.#admission.admits(this.#connections.size, this.#clock.now)) {
      socket.destroy();
      return { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };
    }
    const connection = new BytePump(owner, socket);
    this.#connections.add(connection);
    if (this.#stopping && this.#acceptor.isOpen) connection.stop();
    else if (this.#stopping) connection.shutdown(this.#options.shutdownGrace);
    return connection;
  }

  #tick(): void {
    const { now } = this.#clock;
    for (const connection of this.#connections) connection.tick(now);
    this.#admission.tick(this.#connections.size, now);
    void this.#kernelSendQueues.look(now, this.serverAddress[1]);
    this.#checkStopped();
  }

  /** Something ended: maybe that was the last that `shutdown` waits for. */
  #checkStopped(): void {
    if (!this.#stopping || this.#acceptor.isOpen) return;
    const running = this.#owner?.executor.running ?? 0;
    // Handlers that wait for this very thing: when only they are left, they need not.
    const callers = this.#shutdownCallers.running;
    if (callers > 0 && this.#connections.size <= callers && running <= callers) this.#shutdownCallers.letGo();
    if (this.#connections.size > 0 || this.#listeners?.running === true) return;
    if (running === 0) this.#finish();
    else void this.#owner!.executor.drain().then(() => this.#checkStopped());
  }

  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    clearTimeout(this.#deadline);
    this.#clock.stop();
    this.#admission.close();
    this.#log.flush();
    this.#shutdownCallers.letGo();
    void Promise.all([this.#owner?.executor.close(), this.#listeners?.close()])
      .catch((error: unknown) => this.#report("cannot let go of what ran the handlers: %s", loggable(error)))
      .then(this.#stop);
  }
}

mark(HTTPServer, "HTTPServer");
