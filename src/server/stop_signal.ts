/** The signal by which a server tells its handlers that it stops. */
import { setMaxListeners } from "node:events";
import type { Context } from "../loop/async_context.ts";

export class StopSignal {
  readonly #controller = new AbortController();
  readonly #context: Context;
  #aborted = false;

  /**
   * @param context the asynchronous context in which listeners are called, since the call of `shutdown` may be in a request's
   * @param isStopping for threads: reads from shared memory whether the server stops. A thread gets the message only when its event loop
   *   has a turn. So this is also called whenever a handler reads `aborted`, for handlers that block the event loop.
   */
  constructor(context: Context, isStopping: (() => boolean) | null = null) {
    this.#context = context;
    const { signal } = this.#controller;
    setMaxListeners(0, signal); // each running handler may add a listener
    if (isStopping === null) return;
    const poll = (): void => {
      if (!this.#aborted && isStopping()) this.abort();
    };
    Object.defineProperties(signal, {
      aborted: {
        get(): boolean {
          poll();
          return Reflect.get(AbortSignal.prototype, "aborted", signal) as boolean;
        },
      },
      throwIfAborted: {
        value(): void {
          poll();
          AbortSignal.prototype.throwIfAborted.call(signal);
        },
      },
    });
    poll();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborts the signal: the server stops. */
  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    const reason = new DOMException("The server is stopping.", "AbortError");
    this.#context.run((controller) => controller.abort(reason), this.#controller);
  }
}
