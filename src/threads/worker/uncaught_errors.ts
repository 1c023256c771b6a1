/**
 * Finds out which request has caused an error that nobody catches in a thread of handlers, by the asynchronous context in which it was
 * thrown. The error ends the thread; a request that runs by then and has nothing to do with it is handled to its end before.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import process from "node:process";
import type { RequestHead } from "../../protocol/exchange.ts";
import type { ExecutorServices } from "../../handler/loop_executor.ts";
import type { RequestContext } from "../../handler/request_context.ts";

export interface UncaughtErrorsOwner {
  /** The head of the request that runs; null between requests. */
  readonly running: RequestHead | null;
  /** The request that runs has caused the end of the thread itself. */
  isOwn(): void;
  /** What a request before the one that runs has left behind ends the thread, when that is over. */
  isAnothers(error: unknown, cause: RequestHead): void;
}

export class UncaughtErrors {
  readonly #storage = new AsyncLocalStorage<RequestHead>();
  readonly #owner: UncaughtErrorsOwner;
  readonly #isTracked: boolean;
  /** The thread takes no more requests: it ends when the one that runs is over. */
  isEnding = false;
  #error: unknown = undefined;
  #isThrown = false;

  /** @param isTracked whether it is to be known whose such errors are: on Node 20 and 22 that takes a tenth of a small request */
  constructor(owner: UncaughtErrorsOwner, isTracked: boolean) {
    this.#owner = owner;
    this.#isTracked = isTracked;
    process.on("uncaughtException", this.#caught);
  }

  /**
   * Runs each handler in an AsyncLocalStorage that holds the head of its request, so that timers and promises can be traced to it.
   * (Inside of the context in which each request begins.)
   */
  watch(services: ExecutorServices): ExecutorServices {
    if (!this.#isTracked) return services;
    const { dispatcher, ...others } = services;
    const { watched, limited } = dispatcher;
    const dispatch = (request: RequestContext): unknown => dispatcher.dispatch(request);
    return {
      ...others,
      dispatcher: {
        watched,
        limited,
        limitsFor: (head) => dispatcher.limitsFor(head),
        dispatch: (request) => this.#storage.run(request.exchange.head, dispatch, request),
      },
    };
  }

  readonly #caught = (error: unknown): void => {
    // A program that listens itself decides what becomes of its threads.
    if (process.listenerCount("uncaughtException") > 1) return;
    const cause = this.#storage.getStore();
    const { running } = this.#owner;
    // The thread ends by the last one, unless it is to go on until the request that runs is over.
    this.isEnding = true;
    this.#error = error;
    if (running !== null && cause !== undefined && cause !== running) return this.#owner.isAnothers(error, cause);
    if (running !== null && cause === running) this.#owner.isOwn();
    this.end();
  };

  /** Ends the thread by the error, as it would have ended if nobody had listened. */
  end(): void {
    if (this.#isThrown) return;
    this.#isThrown = true;
    process.off("uncaughtException", this.#caught);
    setImmediate(() => {
      throw this.#error;
    });
  }
}
