/** Runs handlers on the event loop. One handler executes at a time; while it awaits, others execute. */
/// <reference types="node" preserve="true" />
import { performance } from "node:perf_hooks";
import type { Exchange, Executor, RequestHead } from "../protocol/exchange.ts";
import type { BodyLimits, Limits } from "../protocol/limits.ts";
import { AbandonedExchange } from "./abandoned_exchange.ts";
import { Deadlines } from "./handler_deadlines.ts";
import { HTTPError, PeerGoneError } from "./errors.ts";
import { BaseHTTPRequestHandler, reportsEnd, type RequestHandlerClass } from "./handler.ts";
import { loggable } from "../loop/log.ts";
import type { Services, ShutdownCaller } from "./services.ts";
import { LONGEST_TIMER } from "../loop/clock.ts";
import { timeoutError } from "./request_signals.ts";
import { RequestContext } from "./request_context.ts";

/** The services that a server gives to its executor. */
export interface ExecutorServices extends Services {
  readonly limits: Limits;
  /** Finds the class of a request, makes its handler, and runs its method. */
  readonly dispatcher: RequestDispatcher;
  /** Logs an error that belongs to no request: calls the server's `logError` in the async context in which the server was started. */
  logError(message: string, ...args: unknown[]): void;
  /** How the server speaks TLS; null: it does not. */
  readonly tls: {
    /** Whether clients are asked for a certificate, which goes to threads with each request. */
    readonly asksForCertificates: boolean;
  } | null;
  /** Whether there are file descriptors for one more thread. */
  admitsThread(): boolean;
  /** Says which handler's code runs, up to its first await; null when the call has returned. A `shutdown` meanwhile is that handler's. */
  handling(caller: ShutdownCaller | null): void;
}

/** The members of a `MethodDispatcher` that executors use. */
export interface RequestDispatcher {
  /** Whether a class overrides `requestEnded` or the log, so that the end of requests is reported although the server logs nothing. */
  readonly reportsEnds: boolean;
  /** Whether a class has limits of its own for content. */
  readonly hasOwnLimits: boolean;
  /** The content limits of the class that a request is for; null: the server's limits apply. */
  limitsFor(head: RequestHead): BodyLimits | null;
  /**
   * Makes the handler of a request and calls its method.
   * @returns what the method returns: a promise if it is asynchronous
   * @throws what the handler throws; {HTTPError} 404, 405, 413, 501
   */
  dispatch(request: RequestContext): unknown;
}

export class LoopExecutor implements Executor {
  /** The number of handlers that run. */
  running = 0;
  readonly #services: ExecutorServices;
  /** Whether the end of each request is reported, to the server or to its log. */
  readonly #reportsEach: boolean;
  /** Whether durations are measured: the end of each request is reported, or a handler class asks for it. */
  readonly #timed: boolean;
  /** Null without a `handlerTimeout`. */
  readonly #deadlines: Deadlines<RequestContext> | null = null;
  /** Resolve the promises of `drain`. */
  #drained: (() => void)[] = [];
  /** When the head of the request that is being started was complete; undefined: its exchange says when, or it was just now. */
  #began: number | undefined = undefined;
  readonly #start = (exchange: Exchange): void => this.#startHere(exchange);

  /** @param handlerTimeout how long a handler may run, in milliseconds */
  constructor(services: ExecutorServices, handlerTimeout: number = Infinity) {
    this.#services = services;
    this.#reportsEach = services.reportsEnds || !services.log.silent;
    this.#timed = this.#reportsEach || services.dispatcher.reportsEnds;
    if (handlerTimeout <= LONGEST_TIMER)
      this.#deadlines = new Deadlines(handlerTimeout, services.context, (request) =>
        this.#overdue(request, handlerTimeout),
      );
  }

  /** @param began when the request's head was complete, in milliseconds by `performance.now`; undefined where that was just now */
  start(exchange: Exchange, began?: number): void {
    this.#began = began;
    this.#services.context.run(this.#start, exchange);
  }

  #startHere(exchange: Exchange): void {
    const began = this.#began ?? exchange.began;
    const request = new RequestContext(exchange, this.#services);
    exchange.sink = request;
    request.reportsEnd = this.#timed;
    request.began = this.#timed ? (began ?? performance.now()) : this.#services.clock.now;
    this.running++;
    const deadlines = this.#deadlines;
    const startedAt = deadlines === null ? 0 : performance.now();
    let promise: Promise<unknown> | null = null;
    try {
      this.#services.handling(request);
      const result = this.#services.dispatcher.dispatch(request);
      // An object with a `then` may settle twice, or throw. Promise.resolve makes a promise of it, which does neither.
      if (isThenable(result)) promise = Promise.resolve(result);
    } catch (error) {
      this.#failed(request, error);
      return;
    } finally {
      this.#services.handling(null);
    }
    if (promise !== null) {
      deadlines?.add(request, startedAt);
      promise.then(
        () => this.#settled(request),
        (error: unknown) => this.#failed(request, error),
      );
    } else {
      this.#settled(request);
    }
  }

  drain(): Promise<void> {
    return this.running === 0 ? Promise.resolve() : new Promise((resolve) => this.#drained.push(resolve));
  }

  close(): void {}

  /** The handler has settled, or the `sendError` after its failure. The response must be complete. @param failing after `sendError` */
  #settled(request: RequestContext, failing = false): void {
    try {
      const missing = request.hasLeft ? null : request.response.settle();
      if (missing !== null && !failing && request.fault !== null)
        return this.#failed(request, new PeerGoneError(request.gone!));
      // A handler that saw the client leave may return without responding, though the client may have half-closed only.
      if (missing !== null && !failing && request.knowsGone) return this.#giveUp(request);
      if (missing !== null)
        throw new Error(`${failing ? "sendError" : nameOf(request)} has ended without ${missing} (${MISSING})`);
    } catch (error) {
      if (failing) this.#failedAgain(request, error);
      else this.#failed(request, error);
      return;
    }
    this.#release(request);
  }

  /**
   * The handler has failed. If nothing of its response has left, the error becomes the response. Otherwise the connection is cut, so that
   * the client can tell that the response is incomplete.
   */
  #failed(request: RequestContext, error: unknown): void {
    try {
      if (this.#comesFromStop(error)) error = new HTTPError(503, { detail: "The server is stopping.", headers: RETRY });
      request.error = error;
      this.#report(request, error);
      if (request.hasLeft) return this.#release(request);
      // The handler stopped because its content is not sent. The response to a HEAD is complete without content.
      if (request.response.gone?.kind === "head-only" && comesFromDeparture(error, request))
        return this.#settled(request);
      if (!request.response.retract()) return this.#giveUp(request);
      const handler = (request.handler ??= new BaseHTTPRequestHandler(request));
      const { fault } = request;
      const sent: unknown =
        error instanceof HTTPError
          ? handler.sendError(error.status, error.message, error.detail, error)
          : fault !== null && comesFromDeparture(error, request)
            ? handler.sendError(fault.status, undefined, fault.message, { problem: { code: fault.code } })
            : handler.sendError(500);
      // A class's own `sendError` may be asynchronous.
      if (isThenable(sent)) {
        Promise.resolve(sent).then(
          () => this.#settled(request, true),
          (second: unknown) => this.#failedAgain(request, second),
        );
      } else {
        this.#settled(request, true);
      }
    } catch (second) {
      this.#failedAgain(request, second);
    }
  }

  /**
   * The error response has failed: a method that the class overrides has thrown, or the error has fields that cannot be sent. The response
   * is a 500 of the base class.
   */
  #failedAgain(request: RequestContext, second: unknown): void {
    try {
      this.#services.server.logError("cannot respond with an error: %s", loggable(second));
      if (request.hasLeft) return this.#release(request);
      if (!request.response.retract()) return this.#giveUp(request);
      new BaseHTTPRequestHandler(request).sendError(500);
      request.response.settle();
    } catch {
      return this.#giveUp(request);
    }
    this.#release(request);
  }

  /**
   * The handler takes too long. If nothing of its response has left, the client gets a 503. Otherwise the connection is cut, so that the
   * client can tell that the response is incomplete. The handler cannot be stopped: its signal aborts, and nothing that it still writes
   * reaches the client.
   */
  #overdue(request: RequestContext, limit: number): void {
    if (request.hasLeft) return;
    const { exchange, response, handler } = request;
    if (request.isLate) return exchange.abort(); // the class's own `sendError` takes too long as well
    const isWhole = response.endIfWhole();
    const isEarly = !isWhole && response.retract();
    const reason = timeoutError(`The handler has taken more than the ${limit} ms of handlerTimeout.`);
    request.abandon(new AbandonedExchange(exchange, !isWhole), reason);
    if (isWhole) return; // the client gets the whole response
    const late = new RequestContext(exchange, this.#services);
    exchange.sink = late;
    late.isLate = true;
    late.reportsEnd = request.reportsEnd;
    late.began = request.began;
    late.error = reason;
    this.running++;
    this.#deadlines!.add(late, performance.now());
    // The late handler still runs, so its connection takes no other request: no client has two handlers running on one connection.
    exchange.closeConnection();
    try {
      late.handler = new (handler!.constructor as RequestHandlerClass)(late);
      late.handler.logError("%s %s took more than %d ms", exchange.head.method, exchange.head.target, limit);
    } catch (error) {
      return this.#failedAgain(late, error);
    }
    if (isEarly) this.#failed(late, new HTTPError(503, { detail: TOO_LONG }));
    else this.#giveUp(late);
  }

  #giveUp(request: RequestContext): void {
    request.brokenOff = true;
    request.exchange.abort();
    this.#release(request);
  }

  /** Logs faults of the handler, for the people who run the server. Faults of clients are not logged here. */
  #report(request: RequestContext, error: unknown): void {
    if (error instanceof HTTPError && error.cause === undefined) return; // sendError logs it
    if (comesFromDeparture(error, request)) return;
    (request.handler ?? this.#services.server).logError("%s", loggable(error));
  }

  /** Whether an error only says that the server stops: the reason of `stopping`, or an AbortError that a timer or stream made of it. */
  #comesFromStop(error: unknown): boolean {
    const { aborted, reason } = this.#services.server.stopping as { aborted: boolean; reason: unknown };
    if (!aborted) return false;
    return error === reason || (error instanceof Error && error.name === "AbortError" && error.cause === reason);
  }

  #release(request: RequestContext): void {
    this.#deadlines?.remove(request);
    request.response.seal();
    request.settle();
    const watcher = this.#reportsEach || reportsEnd(request.handler) ? request : null;
    watcher?.handlerEnds();
    request.exchange.release(watcher);
    if (--this.running > 0 || this.#drained.length === 0) return;
    const drained = this.#drained;
    this.#drained = [];
    for (const resolve of drained) resolve();
  }
}

/** How many errors of a chain of causes are looked at: an error may be its own cause. */
const MOST_CAUSES = 10;

/** Whether an error only says that the client is gone: it, or a cause of it, is a PeerGoneError or the reason of the request's signal. */
function comesFromDeparture(error: unknown, request: RequestContext): boolean {
  if (request.gone === null && request.response.gone === null) return false;
  const { reason } = request.signals.main as { reason: unknown };
  for (let cause = error, i = 0; cause instanceof Error && i < MOST_CAUSES; cause = cause.cause, i++)
    if (cause instanceof PeerGoneError || cause === reason) return true;
  return error === reason;
}

/** In seconds. A server that stops is often restarted at once. */
const RETRY = { "Retry-After": 1 };

/** The text of the 503 for a handler that has taken more than `handlerTimeout`. */
export const TOO_LONG = "The request took longer than this server allows.";

const MISSING = "is an await, or a return, missing in front of an async call?";

/** The name of the method that has run, for messages: RequestHandler.do_GET. */
function nameOf({ handler, exchange }: RequestContext): string {
  return `${handler?.constructor.name || "the handler"}.do_${exchange.head.method}`;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
