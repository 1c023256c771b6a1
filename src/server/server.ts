/** The server class, after Python's `http.server.HTTPServer`: how it starts, accepts connections, and stops. */
/// <reference types="node" preserve="true" />
import { transport as platform } from "#transport";
import type { Executor } from "../protocol/exchange.ts";
import type { Field } from "../protocol/fields.ts";
import { http1 } from "../protocol/http1/protocol.ts";
import type { Limits } from "../protocol/limits.ts";
import { type Protocol, ProtocolSelector } from "../protocol/protocol_selector.ts";
import type { ListenAddress, Socket, SocketHandler, Transport } from "../transport/transport.ts";
import { Acceptor } from "./acceptor.ts";
import { checkAddress, hostAndPort, listenError } from "./address.ts";
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
import { checkListeners, ListenerPool, PLAIN_CLASSES } from "./listener_pool.ts";
import { Log, loggable, loggedAddress } from "../loop/log.ts";
import { callSafely, type RequestOutcome } from "../handler/request_outcome.ts";
import { type ListenerThread, threadContext } from "../program/thread_context.ts";
import { type HTTPServerOptions, serverSettings, type ServerSettings } from "./server_options.ts";
import { KernelSendQueues } from "./kernel_send_queues.ts";
import { type ServerTls, TlsListening } from "./tls_listening.ts";
import { MAKE_EXECUTOR, MAKE_PROTOCOLS, MAKE_SERVICES, MAKE_TLS, OWN_OPTIONS, TLS } from "./internal_members.ts";
import { StopSignal } from "./stop_signal.ts";
import { FlushScheduler } from "../loop/flush_scheduler.ts";

/**
 * An HTTP server. Handlers run on the event loop, so a handler that computes for a second delays all others by a second.
 *
 * @example
 * const httpd = new HTTPServer(["127.0.0.1", 8000], RequestHandler);
 * await httpd.serveForever();
 *
 * @source Python's `http.server.HTTPServer`
 */
export class HTTPServer implements Server {
  /** The handler class, or the router that finds a class for each request. @source Python's `RequestHandlerClass` */
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
  /** The asynchronous context in which requests begin: that of the constructor, then that of the first activation. */
  readonly #context = new StartContext();
  #isStarted = false;
  readonly #connections = new Set<BytePump>();
  readonly #kernelSendQueues: KernelSendQueues;
  /** The threads that accept connections besides this one; null if there are none. */
  readonly #listeners: ListenerPool | null;
  /** Made at activation, when the constructors of classes that extend this one have run. */
  #owner: BytePumpOwner | null = null;
  /** @internal */
  readonly [TLS] = new TlsListening({
    admits: (handshakes) => this.#admits(handshakes),
    places: () => this.#admission.most - this.#connections.size,
    now: () => performance.now(),
    logError: (message, ...args) => this.#report(message, ...args),
    use: (settings) => [this.#acceptor, this.#listeners].forEach((one) => one?.setTls(settings)),
    handshakeFailed: () => this.#checkStopped(),
  });
  #activation: Promise<void> | null = null;
  #stopping = false;
  /** The role of the thread in which this server was constructed. */
  readonly #thread = threadContext;
  /** The thread, if it is a listener, which accepts connections besides the program's own event loop; otherwise null. */
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
   * @throws {TypeError} or {RangeError} for an argument that is wrong, such as a class whose `do_GET` is a field and not a method
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
      else this.#listenerThread.crowded(why); // the program's own event loop logs it once for all
    });
    this.#kernelSendQueues = new KernelSendQueues(settings.sendTimeout / 8);
    this.#scheduler = new FlushScheduler((task) => this.#transport.endOfTurn(task));
    this.#log = new Log(this.#thread.log ?? options.log ?? "plain", this.#scheduler);
    this.#clock = new Clock(() => this.#tick(), this.#thread.role === "handlers");
    this.#stopSignal = new StopSignal(this.#context, this.#listenerThread && (() => this.#listenerThread!.isStopping));
    this.#stopped = new Promise((resolve) => (this.#stop = resolve));
    this.#listeners = this.#makeListeners(options);
  }

  /**
   * The address that the server listens on. With port 0, the port is known once the server is activated. For a Unix socket, it is the path
   * and port 0. For an inherited socket (`{ fd }`), it is "" and port 0 before activation. Afterwards, it is the socket's host and port, or
   * "" and port 0 for a Unix socket.
   * @source Python's `server_address`
   */
  get serverAddress(): readonly [host: string, port: number] {
    return hostAndPort(this.#address);
  }

  /**
   * A signal that aborts when `shutdown` or `serverClose` is called, in threads as well. It is for handlers that run for long, such as
   * streams of events and long polls. `aborted` is up to date whenever a handler reads it, also in a thread that blocks. Events come when
   * the event loop has a turn. The signal lives as long as the server, so requests must remove their listeners, as `signalWith` does.
   * @example while (!this.server.stopping.aborted) await this.wfile.write(await nextEvent());
   */
  get stopping(): AbortSignal {
    return this.#stopSignal.signal;
  }

  /**
   * Binds and listens. `serveForever` calls it, if you have not. Requests begin in the asynchronous context of the first call: each request
   * sees what an `AsyncLocalStorage` holds there.
   * @returns rejects with an Error whose message says why the server cannot listen, and whose `code` is the system's (EADDRINUSE …)
   * @source Python's `server_bind` and `server_activate`
   */
  serverActivate(): Promise<void> {
    // Only the first call is the start, and no call by a handler in a thread is.
    if (!this.#isStarted && !this.#thread.isHandling) {
      this.#isStarted = true;
      this.#context.renew();
    }
    return this.#thread.park() ?? this.#activateOnce();
  }

  #activateOnce(): Promise<void> {
    if (this.#stopping) return Promise.reject(new Error("cannot listen: this server has been shut down"));
    return (this.#activation ??= this.#activate().catch((error: unknown) => {
      this.#activation = null; // the program may call again
      this[TLS].close();
      this.#isStarted = false;
      throw error;
    }));
  }

  /** Serves until `shutdown` or `serverClose`. @returns rejects as `serverActivate` does @source Python's `serve_forever` */
  async serveForever(): Promise<void> {
    if (!this.#stopping) await this.serverActivate();
    return this.#stopped;
  }

  /**
   * Stops the server. `stopping` aborts, waiting connections are accepted, and then the socket is closed. Each request that was sent gets
   * its response, with `Connection: close`. A connection without such a response is read for `shutdownGrace` more. Handlers may run for
   * `shutdownTimeout`; then their connections are cut. You may call this several times. In a handler, call `this.server.shutdown()`: it
   * does not wait for that handler. Called after an `await` on another reference to the server, it waits for it until `shutdownTimeout`.
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

  /** Stops at once: all connections are cut, even if requests run. @source Python's `server_close` */
  serverClose(): void {
    this.#stopping = true;
    this.#acceptor.close();
    this.#listenerThread?.shutdown(true);
    this.#stopSignal.abort();
    for (const connection of this.#connections) connection.cut();
    this[TLS].close();
    this.#finish();
  }

  /**
   * Runs a request through this server without a socket, for tests. The server need not listen. Limits and deadlines hold, the log is
   * written, and the client's address is 127.0.0.1, port 0.
   * @returns the response, once it is whole; with `stream: true`, once its head has come: its content is read from `body`. Rejects with a
   *   TypeError for a request that cannot be sent; with a ResponseCutError, which has the part that has come, if the server closes the
   *   connection before the end of its response; and with the reason of the request's `signal` if that aborts
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
    return inject((socket) => this.#accept(socket, owner), this[MAKE_TLS]() !== null, request);
  }

  /** Calls `shutdown`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  /** Logs an error that belongs to no request, as a handler's `logMessage` writes a line. May be overridden. */
  logError(message: string, ...args: unknown[]): void {
    this.#log.message(`- - - [${this.#clock.logTime}] `, message, args);
  }

  /**
   * Override this to count and measure requests; it does nothing here. It is called once for every request that a handler has run for, or
   * that was refused after its head had been read, when its response has left or cannot leave any more. A handler class has a
   * `requestEnded` of its own, which logs. This is called on the event loop that accepted the connection. Errors that it throws are logged.
   */
  requestEnded(_outcome: RequestOutcome): void {}

  /** Logs an error in the context of the server's start, since it may be found out in the context of a request that it does not concern. */
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
  [MAKE_PROTOCOLS](fields?: readonly Field[]): readonly Protocol[] {
    return [http1(this.#limits, this.#options.informational === "always", fields)];
  }

  /** @internal */
  [MAKE_TLS](): ServerTls | null {
    return null;
  }

  async #activate(): Promise<void> {
    const owner = (this.#owner ??= this.#makeOwner());
    const { listeners, requestQueueSize: backlog, reusePort } = this.#options;
    const onError = (error: Error): void => this.#report("cannot accept connections: %s", error.message);
    const threads = owner.executor.mostThreads ?? 0;
    const warnings = this.#admission.open(this.#transport, threads, listeners, this.#listenerThread !== null);
    for (const warning of warnings) this.logError("%s", warning);
    const options = { ...(await this[TLS].open(this[MAKE_TLS]())), backlog, reusePort, onError };
    await owner.executor.open?.();
    if (this.#stopping) return; // `shutdown` was called meanwhile
    const wanted = this.#address;
    try {
      this.#address = await this.#acceptor.open(this.#address, options, (socket) => this.#accept(socket, owner));
      if (!this.#finished) this.#clock.start(); // connections have deadlines even while the listeners start
      if (!this.#stopping) await this.#listeners?.open(this.serverAddress, this.#admission.most, this[TLS].settings);
    } catch (error) {
      this.#acceptor.close();
      this.#clock.stop();
      for (const connection of this.#connections) connection.cut();
      await owner.executor.close();
      // The program may try again, with another executor.
      this.#owner = null;
      this.#address = wanted;
      throw listenError(wanted, error as NodeJS.ErrnoException);
    }
  }

  /** Accepts the connections that wait, closes the socket, and lets connections end. */
  async #stopAccepting(): Promise<void> {
    const { shutdownTimeout, shutdownGrace, requestQueueSize } = this.#options;
    if (shutdownGrace > 0) {
      // A client that gets `Connection: close` connects again at once, and would join the queue that is being emptied. So no response
      // leaves before the socket is closed. The kernel's queue holds one connection more than it was asked for.
      for (const connection of this.#connections) connection.stop();
      await this.#acceptor
        .drain(requestQueueSize + 1, shutdownTimeout / 2)
        .catch((error: unknown) => this.#report("cannot accept the connections that wait: %s", loggable(error)));
      await (this.#listenerThread ?? this.#listeners)?.socketClosed();
    }
    this.#acceptor.close();
    this.#clock.hasten(); // the next tick comes when the connections have read what has already arrived
    this[TLS].stop(shutdownGrace);
    for (const connection of this.#connections) connection.shutdown(shutdownGrace);
    this.#checkStopped();
  }

  /** Makes the pool of listeners, if there are any. In a listener, reports this server to the thread; there is no pool there. */
  #makeListeners(options: HTTPServerOptions): ListenerPool | null {
    const { listeners } = this.#options;
    if (listeners === 1) return null;
    checkListeners(listeners, this.#address, options);
    if (this.#listenerThread !== null) {
      this.#listenerThread.constructed({
        server: this,
        handlers: this.RequestHandlerClass,
        stopped: this.#stopped,
        setTls: (settings) => this[TLS].use(settings),
        listen: (address, maxConnections, tls) => {
          this[TLS].settings = tls;
          this.#address = address;
          this.#admission.most = maxConnections;
          return this.#activateOnce();
        },
      });
    }
    if (this.#thread.role !== "main") return null;
    const isPlain = PLAIN_CLASSES.has(this.constructor) && typeof this.RequestHandlerClass === "function"; // others are constructed by the program
    return new ListenerPool(listeners, this.RequestHandlerClass, { ...options, ...this.#options }, isPlain, {
      server: this,
      writeLog: (line) => this.#context.run(() => this.#log.write(line), undefined),
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
      reportsEnds: this.#thread.role !== "handlers" && this.requestEnded !== HTTPServer.prototype.requestEnded,
      callHook: (call) => callSafely(call, (error) => this.#report("requestEnded has failed: %s", loggable(error))),
      context: this.#context,
      logError: (message, ...args) => this.#report(message, ...args),
      admitsThread: () => this.#admission.admitsThread,
      tls: this[MAKE_TLS](),
      serverReadBy: (request) => {
        this.#shutdownCallers.hasServer(request);
        return this;
      },
      handling: (request) => (this.#shutdownCallers.current = request),
    };
  }

  #makeOwner(): BytePumpOwner {
    return {
      ...this.#options,
      clock: this.#clock,
      scheduler: this.#scheduler,
      context: this.#context,
      executor: this[MAKE_EXECUTOR](this[MAKE_SERVICES]()),
      kernelSendQueues: this.#kernelSendQueues,
      protocols: new ProtocolSelector(this[MAKE_PROTOCOLS]()),
      requestRefused: ({ clientAddress }, error) =>
        this.#report("%s refused: %s, %d. %s", loggedAddress(clientAddress), error.code, error.status, error.message),
      connectionClosed: (connection) => {
        this.#connections.delete(connection);
        this.#checkStopped();
      },
    };
  }

  #accept(socket: Socket, owner: BytePumpOwner): BytePump | SocketHandler {
    if (!this.#admits(0)) {
      socket.destroy();
      return { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };
    }
    const connection = new BytePump(owner, socket);
    this.#connections.add(connection);
    if (this.#stopping && this.#acceptor.isOpen) connection.stop();
    else if (this.#stopping) connection.shutdown(this.#options.shutdownGrace);
    return connection;
  }

  /** Whether one more connection is admitted, besides so many handshakes of TLS. */
  #admits(handshakes: number): boolean {
    return !this.#finished && this.#admission.admits(this.#connections.size + handshakes, this.#clock.now);
  }

  #tick(): void {
    const { now } = this.#clock;
    for (const connection of this.#connections) connection.tick(now);
    this[TLS].tick(now);
    this.#admission.tick(this.#connections.size + this[TLS].handshakes, now);
    void this.#kernelSendQueues.look(now, this.serverAddress[1]);
    this.#checkStopped();
  }

  /** A connection, handler or listener has ended: checks whether `shutdown` still waits for any. */
  #checkStopped(): void {
    if (!this.#stopping || this.#acceptor.isOpen) return;
    const running = this.#owner?.executor.running ?? 0;
    // Some handlers have called `shutdown` and wait for it. When only these are left, their calls resolve.
    const callers = this.#shutdownCallers.running;
    if (callers > 0 && this.#connections.size <= callers && running <= callers) this.#shutdownCallers.letGo();
    if (this.#connections.size + this[TLS].handshakes > 0 || this.#listeners?.running === true) return;
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
      .catch((error: unknown) => this.#report("cannot end the threads of the server: %s", loggable(error)))
      .then(this.#stop);
  }
}

mark(HTTPServer, "HTTPServer");
PLAIN_CLASSES.add(HTTPServer);
