/**
 * Requests whose content is still coming when they could have a thread. Their handlers wait for their clients, so only a part of the
 * threads may run them; the others are for requests whose content is there, which pass those that wait here.
 */
import type { Job } from "./thread_request.ts";
import { Line } from "./waiting_queue.ts";

export class Streams {
  /** How many may run, or wait in the queue of all. */
  readonly #most: number;
  /** How many may wait here. */
  readonly #queue: number;
  #count = 0;
  readonly #line = new Line<Job>();

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
  admits(job: Job): boolean {
    if (this.#count >= this.#most) return false;
    this.#count++;
    return (job.hasPlace = true);
  }

  /** Lets a request wait. @returns false where as many do as may */
  add(job: Job): boolean {
    if (this.#line.size >= this.#queue) return false;
    this.#line.push(job);
    return true;
  }

  /** The one that has waited longest, if there is a place for it now. */
  next(): Job | undefined {
    const job = this.#line.first;
    return job !== undefined && this.admits(job) ? this.#line.shift() : undefined;
  }

  /** A request has its content, or is gone. @returns whether another may have its place */
  leave(job: Job): boolean {
    if (!job.hasPlace) return false;
    job.hasPlace = false;
    this.#count--;
    return this.#line.size > 0;
  }

  /** @returns whether it has waited here */
  remove(job: Job): boolean {
    return this.#line.remove(job);
  }

  /** Takes all that wait. */
  clear(): Job[] {
    return this.#line.clear();
  }
}
