/** Runs handlers on the event loop: one call after the other, none in parallel, none waiting for another's awaits. */
/// <reference types="node" preserve="true" />
import { performance } from "node:perf_hooks";
import type { Exchange, Executor, RequestHead } from "../protocol/exchange.ts";
import type { BodyLimits, Limits } from "../protocol/limits.ts";
import { AbandonedExchange } from "./abandoned_exchange.ts";
import { Deadlines } from "./handler_deadlines.ts";
import { HTTPError, PeerGoneError } from "./errors.ts";
import { BaseHTTPRequestHandler, isWatched, type RequestHandlerClass } from "./handler.ts";
import { loggable } from "../loop/log.ts";
import type { Services, ShutdownCaller } from "./services.ts";
import { LONGEST_TIMER } from "../loop/clock.ts";
import { timeoutError } from "./request_signals.ts";
import { RequestContext } from "./request_context.ts";

/** What an executor has of its server. */
export interface ExecutorServices extends Services {
  readonly limits: Limits;
  /** Finds the class of a request, makes its handler, and runs its method. */
  readonly dispatcher: RequestDispatcher;
  /** As the server's own, in the context of its start: for what belongs to no request. */
  logError(message: string, ...args: unknown[]): void;
  /** Whether there are file descriptors for one more thread. */
  admitsThread(): boolean;
  /** Whose code runs, up to its first await; null when it has come back. A `shutdown` meanwhile is called by it. */
  handling(caller: ShutdownCaller | null): void;
}

/** What an executor asks of a `MethodDispatcher`, which is one. */
export interface RequestDispatcher {
  /** Whether a class wants to know how requests end, though the server logs nothing. */
  readonly watched: boolean;
  /** Whether a class has limits of its own for content. */
  readonly limited: boolean;
  /** The limits that the class of a request has for its content; null where the server's hold. */
  limitsFor(head: RequestHead): BodyLimits | null;
  /**
   * Makes the handler of a request and runs its method.
   * @returns what the method returns: a promise, where it is asynchronous
   * @throws what the handler does; {HTTPError} 404, 405, 501
   */
  dispatch(request: RequestContext): unknown;
}

export class LoopExecutor implements Executor {
  /** How many handlers run. */
  running = 0;
  readonly #services: ExecutorServices;
  /** Somebody wants to know how each request ended. */
  readonly #watched: boolean;
  /** Somebody wants to know how long requests took. */
  readonly #timed: boolean;
  /** Null where handlers may take as long as they like. */
  readonly #deadlines: Deadlines<RequestContext> | null = null;
  #drained: (() => void)[] = [];
  /** When the head of the request that is being started was complete; undefined where its exchange says so, or it was just now. */
  #began: number | undefined = undefined;
  readonly #start = (exchange: Exchange): void => this.#startHere(exchange);

  /** @param handlerTimeout how long a handler may run, in milliseconds */
  constructor(services: ExecutorServices, handlerTimeout: number = Infinity) {
    this.#services = services;
    this.#watched = services.watched || !services.log.silent;
    this.#timed = this.#watched || services.dispatcher.watched;
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
    request.watched = this.#timed;
    request.began = this.#timed ? (began ?? performance.now()) : this.#services.clock.now;
    this.running++;
    const deadlines = this.#deadlines;
    const startedAt = deadlines === null ? 0 : performance.now();
    let promise: Promise<unknown> | null = null;
    try {
      this.#services.handling(request);
      const result = this.#services.dispatcher.dispatch(request);
      // Anything else with a "then" is made a promise, which settles once and does not throw.
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

  /** The handler has come to its end, or `sendError` has behind a failure: its response must be whole. */
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

  /** The handler threw. Before anything has left, that is a response; afterwards the connection is cut, so that the client can tell. */
  #failed(request: RequestContext, error: unknown): void {
    try {
      if (this.#isOfStop(error)) error = new HTTPError(503, { detail: "The server is stopping.", headers: RETRY });
      request.error = error;
      this.#report(request, error);
      if (request.hasLeft) return this.#release(request);
      // It has stopped writing content that is not sent: the response of a HEAD is whole with its head.
      if (request.response.gone?.kind === "head-only" && isOfGoing(error, request)) return this.#settled(request);
      if (!request.response.retract()) return this.#giveUp(request);
      const handler = (request.handler ??= new BaseHTTPRequestHandler(request));
      const { fault } = request;
      const sent: unknown =
        error instanceof HTTPError
          ? handler.sendError(error.status, error.message, error.detail, error)
          : fault !== null && isOfGoing(error, request)
            ? handler.sendError(fault.status, undefined, fault.message, { problem: { code: fault.code } })
            : handler.sendError(500);
      // One of the class's own may be asynchronous.
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

  /** What the class overrides has failed, or the error asks for what cannot be sent: then without either. */
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
   * The handler takes too long. Before anything has left, its client gets a 503; afterwards the connection is cut, so that the client
   * can tell. The handler cannot be stopped: it is told by its signal, and nothing that it still says reaches anybody.
   */
  #overdue(request: RequestContext, limit: number): void {
    if (request.hasLeft) return;
    const { exchange, response, handler } = request;
    if (request.isLate) return exchange.abort(); // its class has a sendError that takes too long as well
    const isWhole = response.endIfWhole();
    const isEarly = !isWhole && response.retract();
    const reason = timeoutError(`The handler has taken more than the ${limit} ms of handlerTimeout.`);
    request.abandon(new AbandonedExchange(exchange, !isWhole), reason);
    if (isWhole) return; // its client notices nothing
    const late = new RequestContext(exchange, this.#services);
    exchange.sink = late;
    late.isLate = true;
    late.watched = request.watched;
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

  /** Logs what the people who run the server should know: faults of the handler, not those of its peers. */
  #report(request: RequestContext, error: unknown): void {
    if (error instanceof HTTPError && error.cause === undefined) return; // sendError says it
    if (isOfGoing(error, request)) return;
    (request.handler ?? this.#services.server).logError("%s", loggable(error));
  }

  /** Whether an error only says that the server stops: the reason itself, or what a timer or a stream has made of it. */
  #isOfStop(error: unknown): boolean {
    const { aborted, reason } = this.#services.server.stopping as { aborted: boolean; reason: unknown };
    if (!aborted) return false;
    return error === reason || (error instanceof Error && error.name === "AbortError" && error.cause === reason);
  }

  #release(request: RequestContext): void {
    this.#deadlines?.remove(request);
    request.response.seal();
    request.settle();
    const watcher = this.#watched || isWatched(request.handler) ? request : null;
    watcher?.handlerEnds();
    request.exchange.release(watcher);
    if (--this.running > 0 || this.#drained.length === 0) return;
    const drained = this.#drained;
    this.#drained = [];
    for (const resolve of drained) resolve();
  }
}

/** How many causes of an error are looked at: one may be among its own. */
const MOST_CAUSES = 10;

/** Whether an error only says that nobody is there any more: what was thrown for it, what passed the signal's reason on, or has it as a cause. */
function isOfGoing(error: unknown, request: RequestContext): boolean {
  if (request.gone === null && request.response.gone === null) return false;
  const { reason } = request.signals.main as { reason: unknown };
  for (let one = error, i = 0; one instanceof Error && i < MOST_CAUSES; one = one.cause, i++)
    if (one instanceof PeerGoneError || one === reason) return true;
  return error === reason;
}

/** A server that stops is often one that starts anew. In seconds. */
const RETRY = { "Retry-After": 1 };

/** What a client is told whose handler has taken more than `handlerTimeout`. */
export const TOO_LONG = "The request took longer than this server lets one take.";

const MISSING = "is an await, or a return, missing in front of an async call?";

/** How people call what has run: RequestHandler.do_GET. */
function nameOf({ handler, exchange }: RequestContext): string {
  return `${handler?.constructor.name || "the handler"}.do_${exchange.head.method}`;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
