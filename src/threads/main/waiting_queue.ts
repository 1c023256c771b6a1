/** A first-in, first-out queue from whose middle elements can be removed. Taking the first element moves no others. */

/** Empty places at the front are removed when there are more than this many. */
const MAX_EMPTY = 1024;

export class WaitingQueue<T> {
  /** The elements, behind the empty places of those that were taken. */
  readonly #places: (T | undefined)[] = [];
  /** The index of the first element. */
  #first = 0;

  /** How many elements there are. */
  get size(): number {
    return this.#places.length - this.#first;
  }

  /** The element that was added first. */
  get first(): T | undefined {
    return this.#places[this.#first];
  }

  push(element: T): void {
    this.#places.push(element);
  }

  /** Takes the element that was added first. */
  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const element = this.#places[this.#first];
    this.#places[this.#first++] = undefined;
    if (this.size === 0 || this.#first > MAX_EMPTY) {
      this.#places.splice(0, this.#first);
      this.#first = 0;
    }
    return element;
  }

  /** Removes an element, wherever it is. @returns whether it was in the queue */
  remove(element: T): boolean {
    const at = this.#places.indexOf(element, this.#first);
    if (at >= 0) this.#places.splice(at, 1);
    return at >= 0;
  }

  /** Takes all elements. */
  clear(): T[] {
    const all = this.#places.slice(this.#first) as T[];
    this.#places.length = this.#first = 0;
    return all;
  }
}
