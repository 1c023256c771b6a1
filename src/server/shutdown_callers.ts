/** The handlers that have called `shutdown` of their own server: it must not wait for them, since they wait for it. */
import type { ShutdownCaller } from "../handler/services.ts";

export class ShutdownCallers {
  /** The handler whose synchronous code runs now, or that has just read `this.server`. */
  current: ShutdownCaller | null = null;
  readonly #waiting: { caller: ShutdownCaller; resolve: () => void }[] = [];
  readonly #forget = (): void => {
    this.current = null;
  };

  /** A handler has read `this.server`: if the next thing is a call of `shutdown`, it is the handler's. */
  hasServer(caller: ShutdownCaller): void {
    if (this.current === null) queueMicrotask(this.#forget);
    this.current = caller;
  }

  /** How many of those that wait still run: others did not await the promise, and have settled. */
  get running(): number {
    return new Set(this.#waiting.map(({ caller }) => caller).filter(({ settled }) => !settled)).size;
  }

  /** Waits until the handlers that wait for the shutdown themselves are all that is left. */
  wait(caller: ShutdownCaller): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ caller, resolve }));
  }

  /** All other handlers have settled: resolves the promises of those that wait. */
  letGo(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }
}
