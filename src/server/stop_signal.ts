/** The signal by which a server tells its handlers that it stops. */
import { setMaxListeners } from "node:events";
import type { Context } from "../loop/async_context.ts";

export class StopSignal {
  readonly #controller = new AbortController();
  readonly #context: Context;
  #aborted = false;

  /**
   * @param context in which listeners are called: not in that of a request which happens to shut the server down
   * @param isStopping for a thread, which hears of the stop only when its event loop has a turn: whether shared memory says so. It is
   * asked whenever a handler looks at `aborted`, so that one that gives its event loop no turn sees it as well
   */
  constructor(context: Context, isStopping: (() => boolean) | null = null) {
    this.#context = context;
    const { signal } = this.#controller;
    setMaxListeners(0, signal); // every handler that runs may be one of them
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

  /** The server stops. */
  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    const reason = new DOMException("The server is stopping.", "AbortError");
    this.#context.run((controller) => controller.abort(reason), this.#controller);
  }
}
