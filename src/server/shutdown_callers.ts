/** The handlers that have called `shutdown` of their own server. The shutdown must not wait for them, since they wait for the shutdown. */
import type { ShutdownCaller } from "../handler/services.ts";

export class ShutdownCallers {
  /** The handler whose synchronous code runs now, or that has just read `this.server`. */
  current: ShutdownCaller | null = null;
  readonly #waiting: { caller: ShutdownCaller; resolve: () => void }[] = [];
  readonly #forget = (): void => {
    this.current = null;
  };

  /** A handler has read `this.server`. If `shutdown` is called before the next microtask, the call is this handler's. */
  hasServer(caller: ShutdownCaller): void {
    if (this.current === null) queueMicrotask(this.#forget);
    this.current = caller;
  }

  /** How many of the callers still run. A caller that does not await the promise may have settled. */
  get running(): number {
    return new Set(this.#waiting.map(({ caller }) => caller).filter(({ settled }) => !settled)).size;
  }

  /** Adds a caller. @returns resolves when only such callers still run, or the server has stopped */
  wait(caller: ShutdownCaller): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ caller, resolve }));
  }

  /** All other handlers have settled: resolves the promises of the callers. */
  letGo(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }
}
