/** Finds handlers that run for too long. One timer serves all of them: it is set for the handler that began first. */
import { performance } from "node:perf_hooks";
import type { Context } from "../loop/async_context.ts";

export class Deadlines<Task> {
  readonly #limit: number;
  readonly #context: Context;
  readonly #onOverdue: (task: Task) => void;
  /** The tasks that run, each with the time when it is overdue, in the order in which they began. */
  readonly #tasks = new Map<Task, number>();
  #timer: NodeJS.Timeout | null = null;

  /**
   * @param limit milliseconds that a task may take, at most `LONGEST_TIMER`
   * @param context the async context of the timer and of `onOverdue`: the task that sets the timer may be another than the overdue one
   * @param onOverdue called once for each task that takes longer
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
    // Keep the process alive while a task runs, so that its client gets a response.
    else if (this.#tasks.size === 1) this.#timer.ref();
  }

  /** The task has ended. */
  remove(task: Task): void {
    if (this.#tasks.delete(task) && this.#tasks.size === 0) this.#timer?.unref();
  }

  #wait(due: number): void {
    this.#context.run(this.#setTimer, due);
  }

  readonly #setTimer = (due: number): void => {
    this.#timer = setTimeout(this.#onTimer, Math.max(1, Math.ceil(due - performance.now())));
  };

  // If the event loop was blocked, data that a handler waits for may have arrived. It is read before the handler counts as overdue.
  readonly #onTimer = (): void => void setImmediate(this.#findOverdue);

  readonly #findOverdue = (): void => {
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
