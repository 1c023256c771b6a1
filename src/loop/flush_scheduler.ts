/** What waits for the end of the present turn of the event loop: all of it shares one callback of the runtime's. */
import { performance } from "node:perf_hooks";

export interface FlushTask {
  turnEnded(): void;
}

/** With more responses than this in a turn, those of the next are held back: it is then that this saves something. */
const FEW = 4;
/** How often the clock is looked at meanwhile: for each so many responses. */
const LOOK = 8;
/** Milliseconds: a turn that takes longer holds nothing back any more. */
const LONG = 1;
/** Milliseconds: nor does a turn behind one whose responses took as long as this on average. */
const SLOW = 0.1;

/**
 * The responses of many connections that leave right behind each other cost less than those that leave one by one, with handlers in
 * between: who reads them is woken up once, and finds the others when it has read the first. So where there are many, they are
 * held back until the end of the turn; but for no more than a few handlers that are not as quick as the others were: nobody's response
 * is to wait for others' computations.
 */
export class FlushScheduler {
  readonly #endOfTurn: (task: () => void) => void;
  readonly #now: () => number;
  readonly #tasks: FlushTask[] = [];
  readonly #held: FlushTask[] = [];
  /** The end of the turn has been asked for. */
  #awaited = false;
  /** Whether responses are held back. */
  #holds = false;
  /** How many responses there were since the last end of a turn that was asked for, and since when they are timed. */
  #responses = 0;
  #began = 0;
  readonly #run = (): void => {
    this.#holds = this.#responses > FEW && this.#now() - this.#began < this.#responses * SLOW;
    // A task may add another, which belongs to this turn as well: responses commit their heads, then connections send them.
    try {
      while (this.#tasks.length > 0 || this.#held.length > 0) {
        runAll(this.#tasks);
        runAll(this.#held);
      }
    } finally {
      this.#responses = 0; // of those that came meanwhile, too: they have had their end of a turn
      this.#awaited = false;
      if (this.#tasks.length > 0 || this.#held.length > 0) this.#await(); // behind a task that has thrown
    }
  };

  /** @param now a clock, in milliseconds */
  constructor(endOfTurn: (task: () => void) => void, now: () => number = () => performance.now()) {
    this.#endOfTurn = endOfTurn;
    this.#now = now;
  }

  /** Calls `task.turnEnded` at the end of this turn. A task adds itself once a turn. */
  add(task: FlushTask): void {
    this.#tasks.push(task);
    this.#await();
  }

  /** A response is complete. @returns whether it is held back, and `task.turnEnded` will be called; otherwise it should leave now */
  hold(task: FlushTask): boolean {
    const responses = ++this.#responses;
    if (responses === (this.#holds ? 1 : FEW)) {
      this.#began = this.#now();
      this.#await();
    }
    if (!this.#holds) return false;
    if (responses % LOOK === 0 && this.#now() - this.#began > LONG) {
      this.#holds = false;
      runAll(this.#held);
      return false;
    }
    this.#held.push(task);
    return true;
  }

  #await(): void {
    if (this.#awaited) return;
    this.#awaited = true;
    this.#endOfTurn(this.#run);
  }
}

function runAll(tasks: FlushTask[]): void {
  let done = 0;
  try {
    while (done < tasks.length) tasks[done++].turnEnded();
  } finally {
    if (done < tasks.length) tasks.splice(0, done);
    else tasks.length = 0;
  }
}
