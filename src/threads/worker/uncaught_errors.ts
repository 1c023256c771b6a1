/**
 * Finds out which request has caused an error that nobody catches in a handler thread, by the asynchronous context in which it was
 * thrown. The error ends the thread. If it comes from an earlier request, the request that runs is handled to its end first.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import process from "node:process";
import type { RequestHead } from "../../protocol/exchange.ts";
import type { ExecutorServices } from "../../handler/loop_executor.ts";
import type { RequestContext } from "../../handler/request_context.ts";

export interface UncaughtErrorsOwner {
  /** The head of the request that runs; null between requests. */
  readonly running: RequestHead | null;
  /** The request that runs has caused the error, and the thread ends now. */
  onOwnError(): void;
  /** An earlier request, `cause`, has caused the error: the thread ends when the request that runs is over. */
  onEarlierError(error: unknown, cause: RequestHead): void;
}

export class UncaughtErrors {
  readonly #storage = new AsyncLocalStorage<RequestHead>();
  readonly #owner: UncaughtErrorsOwner;
  readonly #isTracked: boolean;
  /** The thread takes no more requests, and ends when the request that runs is over. */
  isEnding = false;
  #error: unknown = undefined;
  #isThrown = false;

  /** @param isTracked whether to find out which request caused an error: on Node 20 and 22, that takes 10 % of a small request's time */
  constructor(owner: UncaughtErrorsOwner, isTracked: boolean) {
    this.#owner = owner;
    this.#isTracked = isTracked;
    process.on("uncaughtException", this.#caught);
  }

  /**
   * Runs each handler in an AsyncLocalStorage that holds the head of its request, so that timers and promises can be traced to it.
   * It runs inside the context in which each request begins.
   */
  watch(services: ExecutorServices): ExecutorServices {
    if (!this.#isTracked) return services;
    const { dispatcher, ...others } = services;
    const { reportsEnds, hasOwnLimits } = dispatcher;
    const dispatch = (request: RequestContext): unknown => dispatcher.dispatch(request);
    return {
      ...others,
      dispatcher: {
        reportsEnds,
        hasOwnLimits,
        limitsFor: (head) => dispatcher.limitsFor(head),
        dispatch: (request) => this.#storage.run(request.exchange.head, dispatch, request),
      },
    };
  }

  readonly #caught = (error: unknown): void => {
    // A program that listens for uncaught exceptions itself decides what happens to its threads.
    if (process.listenerCount("uncaughtException") > 1) return;
    const cause = this.#storage.getStore();
    const { running } = this.#owner;
    // If several errors come before the thread ends, the last one ends it.
    this.isEnding = true;
    this.#error = error;
    if (running !== null && cause !== undefined && cause !== running) return this.#owner.onEarlierError(error, cause);
    if (running !== null && cause === running) this.#owner.onOwnError();
    this.end();
  };

  /** Ends the thread by throwing the error again without a listener. */
  end(): void {
    if (this.#isThrown) return;
    this.#isThrown = true;
    process.off("uncaughtException", this.#caught);
    setImmediate(() => {
      throw this.#error;
    });
  }
}
