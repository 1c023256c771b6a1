/** Keeps the process alive while it waits for something that the runtime itself would not wait for. */

/** About 12 days, in milliseconds. The timer does nothing when it fires, so it should fire rarely. */
const LONG = 2 ** 30;

export class ProcessHold {
  readonly #timer = setInterval(() => {}, LONG).unref();

  /** @param isNeeded whether the process must stay alive */
  set(isNeeded: boolean): void {
    if (isNeeded) this.#timer.ref();
    else this.#timer.unref();
  }

  /** Removes the timer: the process need not stay alive for it any more. */
  end(): void {
    clearInterval(this.#timer);
  }
}
