/** The signals of one request. One aborts when the client goes. The others also abort after a time, or when another signal aborts. */
/// <reference types="node" preserve="true" />
import { setMaxListeners } from "node:events";
import { quote } from "../quote_value.ts";
import { presentContext } from "../loop/async_context.ts";
import { LONGEST_TIMER } from "../loop/clock.ts";

/**
 * The request holds its signals, and a signal's timer holds the signal. The signals of `AbortSignal.any` and `AbortSignal.timeout` hold
 * each other only weakly: on Node 20, a signal made of both never aborts after a garbage collection.
 */
export class RequestSignals {
  /** The context in which the handler first asked for a signal: listeners are called in it. */
  readonly #context = presentContext();
  readonly #main = makeController();
  /** The signals of `timeout` and `with` that have not aborted; the functions clear their timers or remove their listeners. */
  readonly #derived = new Map<AbortController, () => void>();
  #ended = false;

  /** Aborts when `abort` is called. */
  get main(): AbortSignal {
    return this.#main.signal;
  }

  /**
   * Makes another signal, which aborts when `abort` is called, and after a time.
   * @param ms milliseconds
   * @throws {TypeError} when `ms` is not a number; {RangeError} when it is NaN or below 0
   */
  timeout(ms: number): AbortSignal {
    if (typeof ms !== "number") throw new TypeError(`a timeout is a number of milliseconds, not ${quote(ms)}`);
    if (!(ms >= 0)) throw new RangeError(`a timeout is 0 ms or more, or Infinity for none, not ${ms}`);
    return this.#derive((abort) => {
      if (ms > LONGEST_TIMER) return () => {};
      const timer = setTimeout(() => abort(timeoutError(`The timeout of ${ms} ms is over.`)), ms);
      return () => clearTimeout(timer);
    });
  }

  /**
   * Makes another signal, which aborts when `abort` is called, and when one of `signals` aborts, with the same reason. After the request's
   * end it listens to none of them.
   * @throws {TypeError} for a value that is not an AbortSignal
   */
  with(signals: readonly AbortSignal[]): AbortSignal {
    for (const signal of signals)
      if (!(signal instanceof AbortSignal)) throw new TypeError(`signalWith takes AbortSignals, not ${quote(signal)}`);
    return this.#derive((abort) => {
      const removers = this.#ended ? [] : signals.map((signal) => whenAborted(signal, abort));
      return () => removers.forEach((remove) => remove());
    }, signals);
  }

  /** @param wait sets the timer, or adds the listeners, that make the signal abort. Returns the function that removes them */
  #derive(wait: (abort: (reason: unknown) => void) => () => void, signals: readonly AbortSignal[] = []): AbortSignal {
    const controller = makeController();
    const aborted = [this.main, ...signals].find((signal) => signal.aborted);
    if (aborted !== undefined) controller.abort(aborted.reason);
    else {
      const stopWaiting = wait((reason) => {
        stopWaiting();
        this.#derived.delete(controller);
        this.#context.run((because) => controller.abort(because), reason);
      });
      this.#derived.set(controller, stopWaiting);
    }
    return controller.signal;
  }

  /** Aborts all signals that have not aborted. */
  abort(reason: Error): void {
    this.#context.run((because) => {
      this.#main.abort(because);
      for (const controller of this.#derived.keys()) controller.abort(because);
    }, reason);
    this.end();
  }

  /** The request has ended: clears the timers, and removes the listeners from other signals. */
  end(): void {
    this.#ended = true;
    for (const stopWaiting of this.#derived.values()) stopWaiting();
    this.#derived.clear();
  }
}

/** The callbacks that wait for a signal. Each signal has one listener for all of them: with more than ten, Node warns of a leak. */
const waiting = new WeakMap<AbortSignal, Set<(reason: unknown) => void>>();

/** Calls `abort` when a signal aborts. @returns a function that stops waiting for it */
function whenAborted(signal: AbortSignal, abort: (reason: unknown) => void): () => void {
  const all = waiting.get(signal) ?? new Set();
  all.add(abort);
  if (all.size === 1) {
    waiting.set(signal, all);
    signal.addEventListener("abort", callAll, { once: true });
  }
  return () => {
    if (!all.delete(abort) || all.size > 0) return;
    waiting.delete(signal);
    signal.removeEventListener("abort", callAll);
  };
}

function callAll(this: AbortSignal): void {
  for (const abort of waiting.get(this) ?? []) abort(this.reason);
}

/** Makes an error that has the name of `AbortSignal.timeout`'s error, TimeoutError: code that checks the name recognizes it. */
export function timeoutError(message: string): DOMException {
  return new DOMException(message, "TimeoutError");
}

/** Makes a controller whose signal may have any number of listeners. By default, Node warns of a leak at 11. */
function makeController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
