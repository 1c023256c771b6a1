/**
 * Requests whose content is still coming when they could have a thread. Their handlers wait for their clients, so only a part of the
 * threads may run them; the others are for requests whose content is there, which pass those that wait here.
 */
import type { ThreadRequest } from "./thread_request.ts";
import { WaitingQueue } from "./waiting_queue.ts";

export class StreamingRequests {
  /** How many may run, or wait in the queue of all. */
  readonly #most: number;
  /** How many may wait here. */
  readonly #queue: number;
  #count = 0;
  readonly #line = new WaitingQueue<ThreadRequest>();

  constructor(most: number, queue: number) {
    this.#most = most;
    this.#queue = queue;
  }

  /** How many wait here. */
  get waiting(): number {
    return this.#line.size;
  }

  /** When the one was ready that waits longest, by `now`; Infinity where none waits. */
  get oldest(): number {
    return this.#line.first?.readyAt ?? Infinity;
  }

  /** @returns whether a request may have a thread; then it counts, until it leaves */
  admits(request: ThreadRequest): boolean {
    if (this.#count >= this.#most) return false;
    this.#count++;
    return (request.hasPlace = true);
  }

  /** Lets a request wait. @returns false where as many do as may */
  add(request: ThreadRequest): boolean {
    if (this.#line.size >= this.#queue) return false;
    this.#line.push(request);
    return true;
  }

  /** The one that has waited longest, if there is a place for it now. */
  next(): ThreadRequest | undefined {
    const request = this.#line.first;
    return request !== undefined && this.admits(request) ? this.#line.shift() : undefined;
  }

  /** A request has its content, or is gone. @returns whether another may have its place */
  leave(request: ThreadRequest): boolean {
    if (!request.hasPlace) return false;
    request.hasPlace = false;
    this.#count--;
    return this.#line.size > 0;
  }

  /** @returns whether it has waited here */
  remove(request: ThreadRequest): boolean {
    return this.#line.remove(request);
  }

  /** Takes all that wait. */
  clear(): ThreadRequest[] {
    return this.#line.clear();
  }
}
