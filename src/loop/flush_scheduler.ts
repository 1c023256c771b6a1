/** Calls tasks at the end of the present turn of the event loop. All tasks share one callback of the runtime. */
import { performance } from "node:perf_hooks";

export interface FlushTask {
  turnEnded(): void;
}

/** If a turn has more responses than this, those of the next turn are held back. With fewer responses, that would save nothing. */
const FEW = 4;
/** While responses are held back, the clock is read once for this many of them. */
const CLOCK_INTERVAL = 8;
/** Milliseconds. A turn that takes longer holds nothing back any more. */
const LONG_TURN = 1;
/** Milliseconds. If the responses of a turn took this long on average, the next turn holds nothing back. */
const SLOW_RESPONSE = 0.1;

/**
 * Holds responses back until the end of the turn, if there are many. Responses of many connections cost less if they leave right after
 * each other than if handlers run in between: a client that reads them is woken up once, and finds the others when it has read the first.
 * Responses are held back only while handlers are quick, and for a few slow ones at most, since no response should wait for the
 * computations of other requests.
 */
export class FlushScheduler {
  readonly #endOfTurn: (task: () => void) => void;
  readonly #now: () => number;
  readonly #tasks: FlushTask[] = [];
  readonly #held: FlushTask[] = [];
  /** The callback for the end of the turn is scheduled. */
  #isScheduled = false;
  /** Whether responses are held back. */
  #holds = false;
  /** The number of responses since the last scheduled end of a turn. */
  #responses = 0;
  /** When the measuring of these responses began. */
  #began = 0;
  readonly #endTurn = (): void => {
    this.#holds = this.#responses > FEW && this.#now() - this.#began < this.#responses * SLOW_RESPONSE;
    // A task may add another, which belongs to this turn as well: responses commit their heads, then connections send them.
    try {
      while (this.#tasks.length > 0 || this.#held.length > 0) {
        runAll(this.#tasks);
        runAll(this.#held);
      }
    } finally {
      this.#responses = 0; // also forgets the responses that the tasks have caused: they leave with this turn
      this.#isScheduled = false;
      if (this.#tasks.length > 0 || this.#held.length > 0) this.#schedule(); // a task has thrown
    }
  };

  /**
   * @param endOfTurn calls a function at the end of the present turn
   * @param now a clock, in milliseconds
   */
  constructor(endOfTurn: (task: () => void) => void, now: () => number = () => performance.now()) {
    this.#endOfTurn = endOfTurn;
    this.#now = now;
  }

  /** Calls `task.turnEnded` at the end of this turn. A task adds itself once a turn. */
  add(task: FlushTask): void {
    this.#tasks.push(task);
    this.#schedule();
  }

  /** A response is complete. @returns whether it is held back, and `task.turnEnded` will be called; otherwise it should leave now */
  hold(task: FlushTask): boolean {
    const responses = ++this.#responses;
    if (responses === (this.#holds ? 1 : FEW)) {
      this.#began = this.#now();
      this.#schedule();
    }
    if (!this.#holds) return false;
    if (responses % CLOCK_INTERVAL === 0 && this.#now() - this.#began > LONG_TURN) {
      this.#holds = false;
      runAll(this.#held);
      return false;
    }
    this.#held.push(task);
    return true;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#endOfTurn(this.#endTurn);
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
