/** Starts threads in place of lost ones: after a delay, and at a limited rate. */
import { performance } from "node:perf_hooks";
import { LONGEST_TIMER } from "../loop/clock.ts";

export interface ThreadReplacementsOptions {
  /** Milliseconds from a loss to the start of its replacement, and from a failed attempt to the next one. */
  readonly delay: number;
  /** The most threads that are started in a second; Infinity for no limit. */
  readonly rate: number;
  /** The most threads that are started at once, when none was started for a while. */
  readonly burst: number;
}

export interface ThreadReplacementsOwner {
  /** Whether there is room for one more thread. */
  hasRoom(): boolean;
  /** Starts a thread. @returns whether that was possible; otherwise it is tried again after the delay */
  startReplacement(): boolean;
  /** Threads are lost faster than they may be replaced: the next one is started after `milliseconds`. */
  replacementsWait(milliseconds: number): void;
}

export class ThreadReplacements {
  readonly #options: ThreadReplacementsOptions;
  readonly #owner: ThreadReplacementsOwner;
  /** The number of replacements whose delay is over, and that have not been started. */
  #due = 0;
  /** The timers of the replacements whose delay is not over. */
  readonly #delayed = new Set<ReturnType<typeof setTimeout>>();
  /** The number of threads that may be started now; it grows by `rate` a second, up to `burst`. */
  #allowed: number;
  /** When `#allowed` was computed. */
  #allowedAt = performance.now();
  /** The timer that waits until the next start is allowed. */
  #next: ReturnType<typeof setTimeout> | null = null;

  constructor(options: ThreadReplacementsOptions, owner: ThreadReplacementsOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#allowed = options.burst;
  }

  /** Whether lost threads have not been replaced yet. */
  get isOwing(): boolean {
    return this.#due + this.#delayed.size > 0;
  }

  /** A thread was lost. */
  add(): void {
    const { delay } = this.#options;
    if (delay === 0) {
      this.#due++;
      return this.look();
    }
    const timer = setTimeout(() => {
      this.#delayed.delete(timer);
      this.#due++;
      this.look();
    }, delay);
    this.#delayed.add(timer);
  }

  /** Starts as many replacements as there is room for and the rate allows. */
  look(): void {
    const { rate, burst } = this.#options;
    const now = performance.now();
    if (rate < Infinity) this.#allowed = Math.min(burst, this.#allowed + ((now - this.#allowedAt) / 1000) * rate);
    this.#allowedAt = now;
    while (this.#due > 0 && this.#owner.hasRoom() && (this.#allowed >= 1 || rate === Infinity)) {
      this.#allowed--;
      this.#due--;
      if (!this.#owner.startReplacement()) this.add();
    }
    if (this.#due === 0 || this.#next !== null || !this.#owner.hasRoom()) return;
    const wait = Math.min(LONGEST_TIMER, Math.ceil(((1 - this.#allowed) * 1000) / rate));
    this.#owner.replacementsWait(wait);
    this.#next = setTimeout(() => {
      this.#next = null;
      this.look();
    }, wait);
  }

  /** Clears the timers: replacements that still wait for them are not started. A thread that is lost later is replaced. */
  stop(): void {
    if (this.#next !== null) clearTimeout(this.#next);
    this.#next = null;
    for (const timer of this.#delayed) clearTimeout(timer);
    this.#delayed.clear();
    this.#due = 0;
  }
}
