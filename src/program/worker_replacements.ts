/** Starts threads in place of those that were lost: not at once where that is not wanted, and no faster than is allowed. */
import { performance } from "node:perf_hooks";
import { LONGEST_TIMER } from "../loop/clock.ts";

export interface WorkerReplacementsOptions {
  /** How long after a loss its replacement is started, and how long after an attempt that has failed the next one. In milliseconds. */
  readonly delay: number;
  /** How many may be started in a second; Infinity for no limit. */
  readonly rate: number;
  /** How many of them may be started at once, when none was started for a while. */
  readonly burst: number;
}

export interface WorkerReplacementsOwner {
  /** Whether there is a place for one more. */
  hasRoom(): boolean;
  /** Starts one. @returns whether that was possible; otherwise it is tried again after the delay */
  startReplacement(): boolean;
  /** They are lost faster than they may be replaced: the next is started after so many milliseconds. */
  replacementsWait(milliseconds: number): void;
}

export class WorkerReplacements {
  readonly #options: WorkerReplacementsOptions;
  readonly #owner: WorkerReplacementsOwner;
  /** How many were lost whose replacements have not been started: those that may be started now, and those whose delay runs. */
  #due = 0;
  readonly #delayed = new Set<ReturnType<typeof setTimeout>>();
  /** How many may be started now; one more for each part of a second. */
  #allowed: number;
  #allowedAt = performance.now();
  /** Rings when the next one is allowed. */
  #next: ReturnType<typeof setTimeout> | null = null;

  constructor(options: WorkerReplacementsOptions, owner: WorkerReplacementsOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#allowed = options.burst;
  }

  /** Whether there are some that have not been replaced yet. */
  get isOwing(): boolean {
    return this.#due + this.#delayed.size > 0;
  }

  /** One was lost. */
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

  /** Starts as many as there is room for, and as are allowed. */
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

  /** Nothing is started any more for what was lost until now, but for what is lost from now on. */
  stop(): void {
    if (this.#next !== null) clearTimeout(this.#next);
    this.#next = null;
    for (const timer of this.#delayed) clearTimeout(timer);
    this.#delayed.clear();
  }
}
