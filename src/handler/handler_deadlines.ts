/** Minds how long handlers run: one timer for all of them, which is set for the one that has run longest. */
import { performance } from "node:perf_hooks";
import type { Context } from "../loop/async_context.ts";

export class Deadlines<Task> {
  readonly #limit: number;
  readonly #context: Context;
  readonly #onOverdue: (task: Task) => void;
  /** What runs, and when it is overdue: the first is the one that began first. */
  readonly #tasks = new Map<Task, number>();
  #timer: NodeJS.Timeout | null = null;

  /**
   * @param limit milliseconds that a task may take, at most what a timer takes
   * @param context where the others are called: the task that began first is not the one that takes longer
   * @param onOverdue told once of each task that takes longer
   */
  constructor(limit: number, context: Context, onOverdue: (task: Task) => void) {
    this.#limit = limit;
    this.#context = context;
    this.#onOverdue = onOverdue;
  }

  /** @param began when the task began, by `performance.now` */
  add(task: Task, began: number): void {
    const due = began + this.#limit;
    this.#tasks.set(task, due);
    if (this.#timer === null) this.#wait(due);
    // While something runs, the process goes on, so that whoever waits for a response gets one.
    else if (this.#tasks.size === 1) this.#timer.ref();
  }

  /** The task has come to its end. */
  remove(task: Task): void {
    if (this.#tasks.delete(task) && this.#tasks.size === 0) this.#timer?.unref();
  }

  #wait(due: number): void {
    this.#context.run(this.#setTimer, due);
  }

  readonly #setTimer = (due: number): void => {
    this.#timer = setTimeout(this.#ring, Math.max(1, Math.ceil(due - performance.now())));
  };

  // Where the event loop was blocked, what a handler waits for may have come: it is read before the handler counts as late.
  readonly #ring = (): void => void setImmediate(this.#look);

  readonly #look = (): void => {
    this.#timer = null;
    const now = performance.now();
    for (const [task, due] of this.#tasks) {
      if (due > now) {
        this.#wait(due);
        return;
      }
      this.#tasks.delete(task);
      this.#context.run(this.#onOverdue, task);
    }
  };
}
