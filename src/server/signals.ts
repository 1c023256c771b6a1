/** The signals of one request: one aborts when its client goes, the others also when a time is over. */
/// <reference types="node" preserve="true" />
import { setMaxListeners } from "node:events";
import { show } from "../protocol/show.ts";
import { presentContext } from "./context.ts";

/** The most milliseconds that a timer takes; it fires at once for more. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * The request holds its signals, and the timer of each holds it. `AbortSignal.any` and `AbortSignal.timeout` hold each other weakly
 * instead: on Node 20 a signal made of both never aborts once garbage was collected.
 */
export class Signals {
  /** The context in which the handler first asked for a signal: listeners are called in it. */
  readonly #context = presentContext();
  readonly #main = makeController();
  /** The signals that a time was given to which is not over, and their timers; undefined for a time that is never over. */
  readonly #timeouts = new Map<AbortController, ReturnType<typeof setTimeout> | undefined>();

  /** Aborts when `abort` is called. */
  get main(): AbortSignal {
    return this.#main.signal;
  }

  /**
   * Makes another signal, which aborts when `abort` is called, and when a time is over.
   * @param ms milliseconds
   * @throws {TypeError} for what is no number; {RangeError} for NaN and what is below 0
   */
  timeout(ms: number): AbortSignal {
    if (typeof ms !== "number") throw new TypeError(`a timeout is a number of milliseconds, not ${show(ms)}`);
    if (!(ms >= 0)) throw new RangeError(`a timeout is 0 ms or more, or Infinity for none, not ${ms}`);
    const controller = makeController();
    if (this.main.aborted) controller.abort(this.main.reason);
    else this.#timeouts.set(controller, ms <= LONGEST_TIMER ? this.#abortAfter(ms, controller) : undefined);
    return controller.signal;
  }

  #abortAfter(ms: number, controller: AbortController): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.#timeouts.delete(controller);
      controller.abort(timeoutError(`The timeout of ${ms} ms is over.`));
    }, ms);
  }

  /** Aborts all that have not aborted. */
  abort(reason: Error): void {
    this.#context.run((because) => {
      this.#main.abort(because);
      for (const controller of this.#timeouts.keys()) controller.abort(because);
    }, reason);
    this.end();
  }

  /** The request has ended: no time is waited for any more. */
  end(): void {
    for (const timer of this.#timeouts.values()) clearTimeout(timer);
    this.#timeouts.clear();
  }
}

/** An error as `AbortSignal.timeout` has it: code that knows one by its name, TimeoutError, knows this one. */
export function timeoutError(message: string): DOMException {
  return new DOMException(message, "TimeoutError");
}

/** How many listeners a handler adds to its signal is its own affair: Node warns of a leak at 11 otherwise. */
function makeController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
