/** Keeps the process alive while something runs, or is waited for, that the runtime itself would not wait for. */

/** About 12 days: what is timed does nothing, however often it comes. In milliseconds. */
const LONG = 2 ** 30;

export class ProcessHold {
  readonly #timer = setInterval(() => {}, LONG).unref();

  /** Whether the process must go on. */
  set(isNeeded: boolean): void {
    if (isNeeded) this.#timer.ref();
    else this.#timer.unref();
  }

  /** The process need not go on for this any more. */
  end(): void {
    clearInterval(this.#timer);
  }
}
