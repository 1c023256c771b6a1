/** Runs handlers on the event loop: one call after the other, none in parallel, none waiting for another's awaits. */
/// <reference types="node" preserve="true" />
import { inspect } from "node:util";
import type { Exchange, Executor } from "../protocol/exchange.ts";
import { HTTPError, PeerGoneError } from "./errors.ts";
import { BaseHTTPRequestHandler, type RequestHandlerClass } from "./handler.ts";
import { allowed, type MethodFunction, methodsOf, STANDARD_METHODS } from "./methods.ts";
import type { Services } from "./services.ts";
import { Transaction } from "./transaction.ts";

export class LoopExecutor implements Executor {
  /** How many handlers run. */
  running = 0;
  readonly #services: Services;
  readonly #Handler: RequestHandlerClass;
  readonly #methods: ReadonlyMap<string, MethodFunction>;
  readonly #allowed: string;
  /** The class has a `setup` or a `finish` of its own. */
  readonly #around: boolean;
  #drained: (() => void)[] = [];

  constructor(services: Services, Handler: RequestHandlerClass) {
    this.#services = services;
    this.#Handler = Handler;
    this.#methods = methodsOf(Handler);
    this.#allowed = allowed(this.#methods);
    const base = BaseHTTPRequestHandler.prototype;
    this.#around = Handler.prototype.setup !== base.setup || Handler.prototype.finish !== base.finish;
  }

  start(exchange: Exchange): void {
    const transaction = new Transaction(exchange, this.#services);
    exchange.sink = transaction;
    this.running++;
    let handler: BaseHTTPRequestHandler | null = null;
    let promise: Promise<unknown> | null = null;
    try {
      this.#services.handling(transaction);
      handler = new this.#Handler({ transaction });
      const result = this.#around ? this.#runWithin(handler) : this.#run(handler, exchange.head.method);
      // Anything else with a "then" is made a promise, which settles once and does not throw.
      if (isThenable(result)) promise = Promise.resolve(result);
    } catch (error) {
      this.#failed(transaction, handler, error);
      return;
    } finally {
      this.#services.handling(null);
    }
    if (promise !== null) {
      promise.then(
        () => this.#settled(transaction, handler),
        (error: unknown) => this.#failed(transaction, handler, error),
      );
    } else {
      this.#settled(transaction, handler);
    }
  }

  drain(): Promise<void> {
    return this.running === 0 ? Promise.resolve() : new Promise((resolve) => this.#drained.push(resolve));
  }

  close(): void {}

  async #runWithin(handler: BaseHTTPRequestHandler): Promise<void> {
    await handler.setup();
    try {
      await this.#run(handler, handler.method);
    } finally {
      await handler.finish();
    }
  }

  #run(handler: BaseHTTPRequestHandler, method: string): unknown {
    // HEAD is GET without its content, which the protocol drops (RFC 9110 §9.3.2).
    const run = this.#methods.get(method) ?? (method === "HEAD" ? this.#methods.get("GET") : undefined);
    if (run !== undefined) return run.call(handler);
    if (method === "OPTIONS" && this.#methods.size > 0) {
      handler.sendResponse(204);
      handler.sendHeader("Allow", this.#allowed);
      return handler.endHeaders();
    }
    // A tunnel is only for those who build one (RFC 9110 §9.3.6).
    if (STANDARD_METHODS.has(method) && method !== "CONNECT" && this.#methods.size > 0) {
      throw new HTTPError(405, undefined, {
        headers: { Allow: this.#allowed },
        detail: `This resource does not have the method ${method}.`,
      });
    }
    throw new HTTPError(501, undefined, { detail: `This server does not have the method ${method}.` });
  }

  #settled(transaction: Transaction, handler: BaseHTTPRequestHandler | null): void {
    try {
      if (!left(transaction)) transaction.answer.settle();
    } catch (error) {
      this.#failed(transaction, handler, error);
      return;
    }
    this.#release(transaction);
  }

  /** The handler threw. Before anything has left, that is an answer; afterwards the connection is cut, so that the client can tell. */
  #failed(transaction: Transaction, handler: BaseHTTPRequestHandler | null, error: unknown): void {
    try {
      this.#report(transaction, handler, error);
      if (!left(transaction)) {
        if (error instanceof HTTPError) this.#answer(transaction, handler, error.status, error);
        else this.#answer(transaction, handler, 500);
      }
    } catch (second) {
      // What the class overrides has failed, or the error asks for what cannot be sent: then without either.
      try {
        this.#services.server.logError("cannot answer with an error: %s", describe(second));
        this.#answer(transaction, null, 500);
      } catch {
        transaction.exchange.abort();
      }
    }
    this.#release(transaction);
  }

  /** @param handler the one that failed; null where a plain one must do */
  #answer(transaction: Transaction, handler: BaseHTTPRequestHandler | null, status: number, error?: HTTPError): void {
    if (!transaction.answer.retract()) return transaction.exchange.abort();
    handler ??= new BaseHTTPRequestHandler({ transaction });
    handler.sendError(status, error?.message, error?.detail, error?.headers);
    transaction.answer.settle();
  }

  /** Logs what the people who run the server should know: faults of the handler, not those of its peers. */
  #report(transaction: Transaction, handler: BaseHTTPRequestHandler | null, error: unknown): void {
    if (error instanceof HTTPError && error.cause === undefined) return; // sendError says it
    if (transaction.gone !== null && isOfGoing(error, transaction.signal.reason)) return;
    if (handler === null) this.#services.server.logError("%s", describe(error));
    else handler.logError("%s", describe(error));
  }

  #release(transaction: Transaction): void {
    transaction.answer.close();
    transaction.settled = true;
    transaction.exchange.release();
    if (--this.running > 0) return;
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
  return error instanceof PeerGoneError || error === reason || (error instanceof Error && error.cause === reason);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/** Anything can be thrown, and be the cause of anything, itself included. */
function describe(error: unknown): string {
  const text = typeof error === "string" ? error : inspect(error, { customInspect: false });
  return text.replaceAll("\n", "\n    "); // so that the log shows a stack line by line: see escape in log.ts
}
