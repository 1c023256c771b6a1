/** Who waits, in the order in which they came; one may leave from anywhere. */

/** The places of those that were served are given up when there are so many of them. */
const MANY = 1024;

export class WaitingQueue<T> {
  /** Those that were served are undefined, and come before all that wait. */
  readonly #places: (T | undefined)[] = [];
  #first = 0;

  /** How many wait. */
  get size(): number {
    return this.#places.length - this.#first;
  }

  /** The one that has waited longest. */
  get first(): T | undefined {
    return this.#places[this.#first];
  }

  push(one: T): void {
    this.#places.push(one);
  }

  /** Takes the one that has waited longest. */
  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const one = this.#places[this.#first];
    this.#places[this.#first++] = undefined;
    if (this.size === 0 || this.#first > MANY) {
      this.#places.splice(0, this.#first);
      this.#first = 0;
    }
    return one;
  }

  /** @returns whether it has waited here */
  remove(one: T): boolean {
    const at = this.#places.indexOf(one, this.#first);
    if (at >= 0) this.#places.splice(at, 1);
    return at >= 0;
  }

  /** Takes all. */
  clear(): T[] {
    const all = this.#places.slice(this.#first) as T[];
    this.#places.length = this.#first = 0;
    return all;
  }
}
