/** The signals of one request: one aborts when its client goes, the others also when a time is over, or when another signal aborts. */
/// <reference types="node" preserve="true" />
import { setMaxListeners } from "node:events";
import { quote } from "../quote_value.ts";
import { presentContext } from "../loop/async_context.ts";
import { LONGEST_TIMER } from "../loop/clock.ts";

/**
 * The request holds its signals, and the timer of each holds it. `AbortSignal.any` and `AbortSignal.timeout` hold each other weakly
 * instead: on Node 20 a signal made of both never aborts once garbage was collected.
 */
export class RequestSignals {
  /** The context in which the handler first asked for a signal: listeners are called in it. */
  readonly #context = presentContext();
  readonly #main = makeController();
  /** The others that have not aborted, and what lets go of what they wait for. */
  readonly #others = new Map<AbortController, () => void>();
  #ended = false;

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
    if (typeof ms !== "number") throw new TypeError(`a timeout is a number of milliseconds, not ${quote(ms)}`);
    if (!(ms >= 0)) throw new RangeError(`a timeout is 0 ms or more, or Infinity for none, not ${ms}`);
    return this.#other((abort) => {
      if (ms > LONGEST_TIMER) return () => {};
      const timer = setTimeout(() => abort(timeoutError(`The timeout of ${ms} ms is over.`)), ms);
      return () => clearTimeout(timer);
    });
  }

  /**
   * Makes another signal, which aborts when `abort` is called, and when one of those given does, with its reason. Behind the request's
   * end it waits for none of them.
   * @throws {TypeError} for what is no signal
   */
  with(signals: readonly AbortSignal[]): AbortSignal {
    for (const signal of signals)
      if (!(signal instanceof AbortSignal)) throw new TypeError(`signalWith takes AbortSignals, not ${quote(signal)}`);
    return this.#other((abort) => {
      const ends = this.#ended ? [] : signals.map((signal) => whenAborted(signal, abort));
      return () => ends.forEach((end) => end());
    }, signals);
  }

  /** @param wait waits for whatever makes it abort. Returns what lets go of that */
  #other(wait: (abort: (reason: unknown) => void) => () => void, signals: readonly AbortSignal[] = []): AbortSignal {
    const controller = makeController();
    const aborted = [this.main, ...signals].find((signal) => signal.aborted);
    if (aborted !== undefined) controller.abort(aborted.reason);
    else {
      const letGo = wait((reason) => {
        letGo();
        this.#others.delete(controller);
        this.#context.run((because) => controller.abort(because), reason);
      });
      this.#others.set(controller, letGo);
    }
    return controller.signal;
  }

  /** Aborts all that have not aborted. */
  abort(reason: Error): void {
    this.#context.run((because) => {
      this.#main.abort(because);
      for (const controller of this.#others.keys()) controller.abort(because);
    }, reason);
    this.end();
  }

  /** The request has ended: nothing else is waited for any more. */
  end(): void {
    this.#ended = true;
    for (const letGo of this.#others.values()) letGo();
    this.#others.clear();
  }
}

/** Who waits for a signal of somebody else's. It has one listener for all of them: Node warns of a leak where there are more than ten. */
const waiting = new WeakMap<AbortSignal, Set<(reason: unknown) => void>>();

/** Calls `abort` when a signal aborts. @returns what lets go of the signal */
function whenAborted(signal: AbortSignal, abort: (reason: unknown) => void): () => void {
  const all = waiting.get(signal) ?? new Set();
  all.add(abort);
  if (all.size === 1) {
    waiting.set(signal, all);
    signal.addEventListener("abort", tellAll, { once: true });
  }
  return () => {
    if (!all.delete(abort) || all.size > 0) return;
    waiting.delete(signal);
    signal.removeEventListener("abort", tellAll);
  };
}

function tellAll(this: AbortSignal): void {
  for (const abort of waiting.get(this) ?? []) abort(this.reason);
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
