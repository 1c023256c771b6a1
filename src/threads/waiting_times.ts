/** How long requests have waited for a thread: counts in classes, so that any number of them takes the same little memory. */

/** Classes a doubling: how exact it is. */
const CLASSES = 8;
const BITS = 3;
/** What times are counted in: an eighth of a microsecond, in milliseconds. */
const UNIT = 0.001 / CLASSES;

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
  readonly #counts = new Float64Array(classOf(MOST) + 1);
  #total = 0;
  #max = 0;

  /** @param time in milliseconds */
  add(time: number): void {
    this.#counts[classOf(Math.min(MOST, Math.floor(time / UNIT)))]++;
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
    return Math.min(this.#max, UNIT * endOf(index));
  }
}

/** The most units that are told from more: about four minutes. */
const MOST = 2 ** 31 - 1;

/** The number of the class that so many units fall into: one each, as long as they are few, then eight for each doubling. */
function classOf(units: number): number {
  const shift = Math.max(0, 31 - Math.clz32(units) - BITS);
  return shift * CLASSES + (units >> shift);
}

/** The first number of units behind a class. */
function endOf(index: number): number {
  const shift = Math.max(0, Math.floor(index / CLASSES) - 1);
  return (index - shift * CLASSES + 1) * 2 ** shift;
}
