/** Runs handlers on the event loop: one call after the other, none in parallel, none waiting for another's awaits. */
/// <reference types="node" preserve="true" />
import type { Exchange, Executor } from "../protocol/exchange.ts";
import { HTTPError, PeerGoneError } from "./errors.ts";
import { BaseHTTPRequestHandler } from "./handler.ts";
import { describe } from "./log.ts";
import type { Services } from "./services.ts";
import { Transaction } from "./transaction.ts";

export class LoopExecutor implements Executor {
  /** How many handlers run. */
  running = 0;
  readonly #services: Services;
  #drained: (() => void)[] = [];
  readonly #start = (exchange: Exchange): void => this.#startHere(exchange);

  constructor(services: Services) {
    this.#services = services;
  }

  start(exchange: Exchange): void {
    this.#services.context.run(this.#start, exchange);
  }

  #startHere(exchange: Exchange): void {
    const transaction = new Transaction(exchange, this.#services);
    exchange.sink = transaction;
    this.running++;
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
      const missing = left(transaction) ? null : transaction.answer.settle();
      // Who has seen that the client is not there may leave it at that, though it could be one that only half-closed.
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
      this.#report(transaction, error);
      if (left(transaction)) return this.#release(transaction);
      if (!transaction.answer.retract()) return this.#giveUp(transaction);
      const handler = transaction.handler ?? new BaseHTTPRequestHandler(transaction);
      const sent: unknown =
        error instanceof HTTPError
          ? handler.sendError(error.status, error.message, error.detail, error)
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
      this.#services.server.logError("cannot answer with an error: %s", describe(second));
      if (left(transaction)) return this.#release(transaction);
      if (!transaction.answer.retract()) return this.#giveUp(transaction);
      new BaseHTTPRequestHandler(transaction).sendError(500);
      transaction.answer.settle();
    } catch {
      return this.#giveUp(transaction);
    }
    this.#release(transaction);
  }

  #giveUp(transaction: Transaction): void {
    transaction.exchange.abort();
    this.#release(transaction);
  }

  /** Logs what the people who run the server should know: faults of the handler, not those of its peers. */
  #report(transaction: Transaction, error: unknown): void {
    if (error instanceof HTTPError && error.cause === undefined) return; // sendError says it
    if (transaction.gone !== null && isOfGoing(error, transaction.signal.reason)) return;
    (transaction.handler ?? this.#services.server).logError("%s", describe(error));
  }

  #release(transaction: Transaction): void {
    transaction.answer.seal();
    transaction.settled = true;
    transaction.exchange.release();
    if (--this.running > 0 || this.#drained.length === 0) return;
    const drained = this.#drained;
    this.#drained = [];
    for (const resolve of drained) resolve();
  }
}

/** Whether there is nobody any more to answer. */
function left(transaction: Transaction): boolean {
  return transaction.gone !== null && transaction.gone.kind !== "half-closed";
}

/** Whether an error only says that the peer went: what was thrown for it, or what passed the signal's reason on. */
function isOfGoing(error: unknown, reason: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return [error, cause].some((one) => one instanceof PeerGoneError || (one !== undefined && one === reason));
}

const MISSING = "is an await, or a return, missing in front of an async call?";

/** How people call what has run: RequestHandler.do_GET. */
function nameOf({ handler, exchange }: Transaction): string {
  return `${handler?.constructor.name || "the handler"}.do_${exchange.head.method}`;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
