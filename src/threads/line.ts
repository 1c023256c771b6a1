/** Who waits, in the order in which they came; one may leave from anywhere. */

/** Places of those that have left are let go when there are so many of them. */
const MANY = 1024;

export class Line<T extends object> {
  /** How many wait. */
  size = 0;
  /** null where one has left. */
  readonly #places: (T | null)[] = [];
  #first = 0;

  /** The one that has waited longest. */
  get first(): T | undefined {
    if (this.size === 0) return undefined;
    while (this.#places[this.#first] === null) this.#first++;
    return this.#places[this.#first]!;
  }

  push(one: T): void {
    this.size++;
    this.#places.push(one);
  }

  /** Takes the one that has waited longest. */
  shift(): T | undefined {
    const one = this.first;
    if (one === undefined) return undefined;
    this.#places[this.#first++] = null;
    this.#left();
    return one;
  }

  /** @returns whether it has waited here */
  remove(one: T): boolean {
    const at = this.#places.indexOf(one, this.#first);
    if (at < 0) return false;
    this.#places[at] = null;
    this.#left();
    return true;
  }

  /** Takes all. */
  clear(): T[] {
    const all = this.#places.slice(this.#first).filter((one) => one !== null);
    this.#places.length = this.#first = this.size = 0;
    return all;
  }

  #left(): void {
    if (--this.size > 0 && this.#first <= MANY) return;
    this.#places.splice(0, this.size === 0 ? Infinity : this.#first);
    this.#first = 0;
  }
}
