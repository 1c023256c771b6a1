/** The coarse clock of a server. It measures deadlines, and gives the time of day for Date fields and for the log. */

import { performance } from "node:perf_hooks";

/** The longest time of a timer, in milliseconds. A timer with a longer time would fire at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** Milliseconds between ticks: the precision of deadlines. */
const TICK = 250;
/** Milliseconds between ticks while the server stops, since deadlines are short then. */
const STOPPING_TICK = 50;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export class Clock {
  /** Milliseconds by `performance.now`, as of the last tick. */
  now = performance.now();
  /**
   * Milliseconds that the last tick counts for: the time since the tick before it, but at most that of two ticks. If the event loop was
   * blocked for longer, the clock does not know what happened meanwhile.
   */
  step = 0;
  #date = "";
  /** `date` looks at the time whenever it is read: there are no ticks in a thread whose handlers block. */
  readonly #live: boolean;
  readonly #onTick: () => void;
  #timer: ReturnType<typeof setInterval> | null = null;
  #immediate: ReturnType<typeof setImmediate> | null = null;
  #tick = TICK;
  /** When the next second begins, by `now`. */
  #dateUntil = 0;
  #logTime = "";
  #logSecond = 0;
  /** The last tick has not called `onTick`. */
  #skipped = false;

  constructor(onTick: () => void, live = false) {
    this.#onTick = onTick;
    this.#live = live;
    this.#update();
  }

  /** The time in the format of a Date field (IMF-fixdate, RFC 9110 §5.6.7). */
  get date(): string {
    if (this.#live) this.#update();
    return this.#date;
  }

  start(): void {
    if (this.#timer !== null) return;
    this.#update();
    // Timers run before sockets are read, and immediates after that. So a client that has sent its data is not timed out.
    this.#timer = setInterval(() => (this.#immediate = setImmediate(this.#onImmediate)), this.#tick);
    this.#timer.unref();
  }

  readonly #onImmediate = (): void => {
    const passed = performance.now() - this.now;
    const late = passed > 4 * this.#tick;
    this.step = Math.min(passed, 2 * this.#tick);
    this.#update();
    // If the event loop was blocked, data that has arrived may not have been read yet, so deadlines wait for the next tick. They never wait
    // twice in a row: otherwise a loop that is always blocked would time nobody out.
    this.#skipped = late && !this.#skipped;
    if (!this.#skipped) this.#onTick();
  };

  /** Ticks more often from now on, and updates the time. */
  hasten(): void {
    const isTicking = this.#timer !== null;
    this.stop();
    this.#tick = STOPPING_TICK;
    if (isTicking) this.start();
    else this.#update();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    this.#timer = this.#immediate = null;
  }

  /** The local time in the format of Python's logs: 22/Nov/2026 13:05:09. */
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

/** A local time in the format of Python's logs: 22/Nov/2026 13:05:09. */
export function logTimeOf(wall: Date): string {
  const twoDigits = (n: number) => String(n).padStart(2, "0");
  return (
    `${twoDigits(wall.getDate())}/${MONTHS[wall.getMonth()]}/${wall.getFullYear()} ` +
    `${twoDigits(wall.getHours())}:${twoDigits(wall.getMinutes())}:${twoDigits(wall.getSeconds())}`
  );
}
