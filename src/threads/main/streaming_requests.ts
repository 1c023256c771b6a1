/**
 * Requests whose content is still coming when they could have a thread. Their handlers wait for their clients, so only some of the
 * threads (`streamingThreads`) may run them. The other threads are for requests whose content is there: these do not wait behind the
 * requests that wait here.
 */
import type { ThreadRequest } from "./thread_request.ts";
import { WaitingQueue } from "./waiting_queue.ts";

export class StreamingRequests {
  readonly #maxAdmitted: number;
  readonly #maxWaiting: number;
  #admitted = 0;
  readonly #waiting = new WaitingQueue<ThreadRequest>();

  /**
   * @param maxAdmitted how many such requests may run, or wait in the queue that all requests share
   * @param maxWaiting how many more may wait here
   */
  constructor(maxAdmitted: number, maxWaiting: number) {
    this.#maxAdmitted = maxAdmitted;
    this.#maxWaiting = maxWaiting;
  }

  /** How many requests wait here. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** When the request that has waited longest was ready, by `now`; Infinity if no request waits. */
  get oldest(): number {
    return this.#waiting.first?.readyAt ?? Infinity;
  }

  /** Admits a request, if there is a place. It keeps the place until `leave`. @returns whether it may have a thread */
  admit(request: ThreadRequest): boolean {
    if (this.#admitted >= this.#maxAdmitted) return false;
    this.#admitted++;
    return (request.isAdmitted = true);
  }

  /** Lets a request wait. @returns false if as many requests wait as may */
  add(request: ThreadRequest): boolean {
    if (this.#waiting.size >= this.#maxWaiting) return false;
    this.#waiting.push(request);
    return true;
  }

  /** Admits the request that has waited longest, if there is a place, and takes it out of here. */
  next(): ThreadRequest | undefined {
    const request = this.#waiting.first;
    return request !== undefined && this.admit(request) ? this.#waiting.shift() : undefined;
  }

  /** A request has all its content, or is over: it gives up its place. @returns whether a request waits for that place */
  leave(request: ThreadRequest): boolean {
    if (!request.isAdmitted) return false;
    request.isAdmitted = false;
    this.#admitted--;
    return this.#waiting.size > 0;
  }

  /** Takes a request out. @returns whether it has waited here */
  remove(request: ThreadRequest): boolean {
    return this.#waiting.remove(request);
  }

  /** Takes all waiting requests out. */
  clear(): ThreadRequest[] {
    return this.#waiting.clear();
  }
}
