/** How long requests have waited for a thread: counts in classes, so that any number of them takes the same little memory. */

/** Classes a doubling: how exact it is, about 9 %. */
const CLASSES = 8;
/** The shortest time that is told from none: a microsecond, in milliseconds. */
const UNIT = 0.001;

/** How long requests have waited for a thread, in milliseconds; 0 while there were none. Exact to about a tenth. */
export interface WaitingTime {
  /** Half of them have waited so long at most. */
  readonly p50: number;
  /** Nine of ten. */
  readonly p90: number;
  /** All but one in a hundred. */
  readonly p99: number;
  /** All. */
  readonly max: number;
}

export class WaitingTimes {
  readonly #counts = new Float64Array(CLASSES * 48);
  #total = 0;
  #max = 0;

  /** @param time in milliseconds */
  add(time: number): void {
    const index = time <= UNIT ? 0 : Math.ceil(Math.log2(time / UNIT) * CLASSES);
    this.#counts[Math.min(index, this.#counts.length - 1)]++;
    this.#total++;
    if (time > this.#max) this.#max = time;
  }

  get summary(): WaitingTime {
    return { p50: this.#percentile(0.5), p90: this.#percentile(0.9), p99: this.#percentile(0.99), max: this.#max };
  }

  #percentile(part: number): number {
    let left = Math.ceil(part * this.#total);
    if (left === 0) return 0;
    let index = 0;
    while ((left -= this.#counts[index]) > 0) index++;
    return Math.min(this.#max, UNIT * 2 ** (index / CLASSES));
  }
}
