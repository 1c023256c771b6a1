/** The handlers that ask their server to shut down, and that it does not wait for. */
import type { ShutdownCaller } from "../handler/services.ts";

export class ShutdownCallers {
  /** The handler that runs, or has read `this.server`, in this very stretch of code. */
  current: ShutdownCaller | null = null;
  readonly #waiting: { asker: ShutdownCaller; resolve: () => void }[] = [];
  readonly #forget = (): void => {
    this.current = null;
  };

  /** A handler has read `this.server`: if the next thing is a call of `shutdown`, it is the handler's. */
  hasServer(asker: ShutdownCaller): void {
    if (this.current === null) queueMicrotask(this.#forget);
    this.current = asker;
  }

  /** How many of those that wait still run: those that went on without it have settled. */
  get running(): number {
    return new Set(this.#waiting.map(({ asker }) => asker).filter(({ settled }) => !settled)).size;
  }

  /** Waits until the handlers that wait for the shutdown themselves are all that is left. */
  wait(asker: ShutdownCaller): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ asker, resolve }));
  }

  /** Only those that wait are left: they go on. */
  letGo(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }
}
