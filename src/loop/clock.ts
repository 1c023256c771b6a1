/** One coarse clock a server: what deadlines are measured with, and the two ways of writing the time of day. */

import { performance } from "node:perf_hooks";

/** The most milliseconds that a timer takes; it fires at once for more. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** Milliseconds between ticks: how exact a deadline is. */
const TICK = 250;
/** The same while the server stops: what it waits for then is short. */
const STOPPING_TICK = 50;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export class Clock {
  /** Milliseconds, never going back, as of the last tick. */
  now = performance.now();
  /**
   * Milliseconds that the last tick counts for: those since the one before, but no more than two ticks take. Where something has held
   * the event loop up for longer, what happened meanwhile has not been seen.
   */
  step = 0;
  #date = "";
  /** There are no ticks where handlers block: the time is looked at when it is asked for. */
  readonly #live: boolean;
  readonly #onTick: () => void;
  #timer: ReturnType<typeof setInterval> | null = null;
  #ringing: ReturnType<typeof setImmediate> | null = null;
  #tick = TICK;
  /** When there is another second, by `now`. */
  #dateUntil = 0;
  #logTime = "";
  #logSecond = 0;
  #skipped = false;

  constructor(onTick: () => void, live = false) {
    this.#onTick = onTick;
    this.#live = live;
    this.#update();
  }

  /** The time as a Date field has it (IMF-fixdate, RFC 9110 §5.6.7). */
  get date(): string {
    if (this.#live) this.#update();
    return this.#date;
  }

  start(): void {
    if (this.#timer !== null) return;
    this.#update();
    // Timers run before sockets are read, immediates after that: so a client that has sent its data is not timed out.
    this.#timer = setInterval(() => (this.#ringing = setImmediate(this.#ring)), this.#tick);
    this.#timer.unref();
  }

  readonly #ring = (): void => {
    const passed = performance.now() - this.now;
    const late = passed > 4 * this.#tick;
    this.step = Math.min(passed, 2 * this.#tick);
    this.#update();
    // Where the event loop was blocked, data that has come may not have been read yet, so deadlines wait for the next tick. They never
    // wait for two in a row: otherwise a loop that is always blocked would time nobody out.
    this.#skipped = late && !this.#skipped;
    if (!this.#skipped) this.#onTick();
  };

  /** Ticks more often from now on, and says what time it is. */
  hasten(): void {
    const ticks = this.#timer !== null;
    this.stop();
    this.#tick = STOPPING_TICK;
    if (ticks) this.start();
    else this.#update();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#ringing !== null) clearImmediate(this.#ringing);
    this.#timer = this.#ringing = null;
  }

  /** The local time as Python's logs have it: 22/Nov/2026 13:05:09. */
  get logTime(): string {
    const wall = new Date();
    const second = Math.floor(wall.getTime() / 1000);
    if (second !== this.#logSecond) {
      this.#logSecond = second;
      this.#logTime = logTimeOf(wall);
    }
    return this.#logTime;
  }

  #update(): void {
    this.now = performance.now();
    if (this.now < this.#dateUntil) return;
    const wall = Date.now();
    this.#dateUntil = this.now + 1000 - (wall % 1000);
    this.#date = new Date(wall).toUTCString();
  }
}

/** A local time as Python's logs have it: 22/Nov/2026 13:05:09. */
export function logTimeOf(wall: Date): string {
  const two = (n: number) => String(n).padStart(2, "0");
  return (
    `${two(wall.getDate())}/${MONTHS[wall.getMonth()]}/${wall.getFullYear()} ` +
    `${two(wall.getHours())}:${two(wall.getMinutes())}:${two(wall.getSeconds())}`
  );
}
