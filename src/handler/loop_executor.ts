/** Runs handlers on the event loop: one call after the other, none in parallel, none waiting for another's awaits. */
/// <reference types="node" preserve="true" />
import { performance } from "node:perf_hooks";
import type { Exchange, Executor } from "../protocol/exchange.ts";
import { AbandonedExchange } from "./abandoned_exchange.ts";
import { Deadlines } from "./handler_deadlines.ts";
import { HTTPError, PeerGoneError } from "./errors.ts";
import { BaseHTTPRequestHandler, isWatched, type RequestHandlerClass } from "./handler.ts";
import { loggable } from "../loop/log.ts";
import type { Services } from "./services.ts";
import { LONGEST_TIMER, timeoutError } from "./request_signals.ts";
import { Transaction } from "./request_context.ts";

export class LoopExecutor implements Executor {
  /** How many handlers run. */
  running = 0;
  readonly #services: Services;
  /** Somebody wants to know how each request ended. */
  readonly #watched: boolean;
  /** Somebody wants to know how long requests took. */
  readonly #timed: boolean;
  /** Null where handlers may take as long as they like. */
  readonly #deadlines: Deadlines<Transaction> | null = null;
  #drained: (() => void)[] = [];
  /** When the head of the request that is being started was complete; undefined where its exchange says so, or it was just now. */
  #began: number | undefined = undefined;
  readonly #start = (exchange: Exchange): void => this.#startHere(exchange);

  /** @param handlerTimeout how long a handler may run, in milliseconds */
  constructor(services: Services, handlerTimeout: number = Infinity) {
    this.#services = services;
    this.#watched = services.watched || !services.log.silent;
    this.#timed = this.#watched || services.dispatcher.watched;
    if (handlerTimeout <= LONGEST_TIMER)
      this.#deadlines = new Deadlines(handlerTimeout, services.context, (transaction) =>
        this.#overdue(transaction, handlerTimeout),
      );
  }

  /** @param began when the request's head was complete, in milliseconds by `performance.now`; undefined where that was just now */
  start(exchange: Exchange, began?: number): void {
    this.#began = began;
    this.#services.context.run(this.#start, exchange);
  }

  #startHere(exchange: Exchange): void {
    const began = this.#began ?? exchange.began;
    const transaction = new Transaction(exchange, this.#services);
    exchange.sink = transaction;
    transaction.watched = this.#timed;
    transaction.began = this.#timed ? (began ?? performance.now()) : this.#services.clock.now;
    this.running++;
    const deadlines = this.#deadlines;
    const startedAt = deadlines === null ? 0 : performance.now();
    let promise: Promise<unknown> | null = null;
    try {
      this.#services.handling(transaction);
      const result = this.#services.dispatcher.dispatch(transaction);
      // Anything else with a "then" is made a promise, which settles once and does not throw.
      if (isThenable(result)) promise = Promise.resolve(result);
    } catch (error) {
      this.#failed(transaction, error);
      return;
    } finally {
      this.#services.handling(null);
    }
    if (promise !== null) {
      deadlines?.add(transaction, startedAt);
      promise.then(
        () => this.#settled(transaction),
        (error: unknown) => this.#failed(transaction, error),
      );
    } else {
      this.#settled(transaction);
    }
  }

  drain(): Promise<void> {
    return this.running === 0 ? Promise.resolve() : new Promise((resolve) => this.#drained.push(resolve));
  }

  close(): void {}

  /** The handler has come to its end, or `sendError` has behind a failure: its answer must be whole. */
  #settled(transaction: Transaction, failing = false): void {
    try {
      const missing = transaction.hasLeft ? null : transaction.answer.settle();
      if (missing !== null && !failing && transaction.fault !== null)
        return this.#failed(transaction, new PeerGoneError(transaction.gone!));
      // A handler that saw the client leave may return without responding, though the client may have half-closed only.
      if (missing !== null && !failing && transaction.knowsGone) return this.#giveUp(transaction);
      if (missing !== null)
        throw new Error(`${failing ? "sendError" : nameOf(transaction)} has ended without ${missing} (${MISSING})`);
    } catch (error) {
      if (failing) this.#failedAgain(transaction, error);
      else this.#failed(transaction, error);
      return;
    }
    this.#release(transaction);
  }

  /** The handler threw. Before anything has left, that is an answer; afterwards the connection is cut, so that the client can tell. */
  #failed(transaction: Transaction, error: unknown): void {
    try {
      if (this.#isOfStop(error)) error = new HTTPError(503, { detail: "The server is stopping.", headers: RETRY });
      transaction.error = error;
      this.#report(transaction, error);
      if (transaction.hasLeft) return this.#release(transaction);
      // It has stopped writing content that is not sent: the response of a HEAD is whole with its head.
      if (transaction.answer.gone?.kind === "head-only" && isOfGoing(error, transaction))
        return this.#settled(transaction);
      if (!transaction.answer.retract()) return this.#giveUp(transaction);
      const handler = (transaction.handler ??= new BaseHTTPRequestHandler(transaction));
      const { fault } = transaction;
      const sent: unknown =
        error instanceof HTTPError
          ? handler.sendError(error.status, error.message, error.detail, error)
          : fault !== null && isOfGoing(error, transaction)
            ? handler.sendError(fault.status, undefined, fault.message, { problem: { code: fault.code } })
            : handler.sendError(500);
      // One of the class's own may be asynchronous.
      if (isThenable(sent)) {
        Promise.resolve(sent).then(
          () => this.#settled(transaction, true),
          (second: unknown) => this.#failedAgain(transaction, second),
        );
      } else {
        this.#settled(transaction, true);
      }
    } catch (second) {
      this.#failedAgain(transaction, second);
    }
  }

  /** What the class overrides has failed, or the error asks for what cannot be sent: then without either. */
  #failedAgain(transaction: Transaction, second: unknown): void {
    try {
      this.#services.server.logError("cannot answer with an error: %s", loggable(second));
      if (transaction.hasLeft) return this.#release(transaction);
      if (!transaction.answer.retract()) return this.#giveUp(transaction);
      new BaseHTTPRequestHandler(transaction).sendError(500);
      transaction.answer.settle();
    } catch {
      return this.#giveUp(transaction);
    }
    this.#release(transaction);
  }

  /**
   * The handler takes too long. Before anything has left, its client gets a 503; afterwards the connection is cut, so that the client
   * can tell. The handler cannot be stopped: it is told by its signal, and nothing that it still says reaches anybody.
   */
  #overdue(transaction: Transaction, limit: number): void {
    if (transaction.hasLeft) return;
    const { exchange, answer, handler } = transaction;
    if (transaction.isLate) return exchange.abort(); // its class has a sendError that takes too long as well
    const isWhole = answer.endIfWhole();
    const isEarly = !isWhole && answer.retract();
    const reason = timeoutError(`The handler has taken more than the ${limit} ms of handlerTimeout.`);
    transaction.abandon(new AbandonedExchange(exchange, !isWhole), reason);
    if (isWhole) return; // its client notices nothing
    const late = new Transaction(exchange, this.#services);
    exchange.sink = late;
    late.isLate = true;
    late.watched = transaction.watched;
    late.began = transaction.began;
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

  #giveUp(transaction: Transaction): void {
    transaction.brokenOff = true;
    transaction.exchange.abort();
    this.#release(transaction);
  }

  /** Logs what the people who run the server should know: faults of the handler, not those of its peers. */
  #report(transaction: Transaction, error: unknown): void {
    if (error instanceof HTTPError && error.cause === undefined) return; // sendError says it
    if (isOfGoing(error, transaction)) return;
    (transaction.handler ?? this.#services.server).logError("%s", loggable(error));
  }

  /** Whether an error only says that the server stops: the reason itself, or what a timer or a stream has made of it. */
  #isOfStop(error: unknown): boolean {
    const { aborted, reason } = this.#services.server.stopping as { aborted: boolean; reason: unknown };
    if (!aborted) return false;
    return error === reason || (error instanceof Error && error.name === "AbortError" && error.cause === reason);
  }

  #release(transaction: Transaction): void {
    this.#deadlines?.remove(transaction);
    transaction.answer.seal();
    transaction.settle();
    const watcher = this.#watched || isWatched(transaction.handler) ? transaction : null;
    watcher?.handlerEnds();
    transaction.exchange.release(watcher);
    if (--this.running > 0 || this.#drained.length === 0) return;
    const drained = this.#drained;
    this.#drained = [];
    for (const resolve of drained) resolve();
  }
}

/** How many causes of an error are looked at: one may be among its own. */
const MOST_CAUSES = 10;

/** Whether an error only says that nobody is there any more: what was thrown for it, what passed the signal's reason on, or has it as a cause. */
function isOfGoing(error: unknown, transaction: Transaction): boolean {
  if (transaction.gone === null && transaction.answer.gone === null) return false;
  const { reason } = transaction.signals.main as { reason: unknown };
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
function nameOf({ handler, exchange }: Transaction): string {
  return `${handler?.constructor.name || "the handler"}.do_${exchange.head.method}`;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
