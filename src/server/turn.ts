/** What waits for the end of the present turn of the event loop: all of it shares one callback of the runtime's. */

export interface TurnTask {
  turnEnded(): void;
}

export class Turn {
  readonly #endOfTurn: (task: () => void) => void;
  #tasks: TurnTask[] = [];
  readonly #run = (): void => {
    // A task may add another, which belongs to this turn as well: answers commit their heads, then links send them.
    const tasks = this.#tasks;
    try {
      for (let i = 0; i < tasks.length; i++) tasks[i].turnEnded();
    } finally {
      tasks.length = 0; // or nothing would ever be run again
    }
  };

  constructor(endOfTurn: (task: () => void) => void) {
    this.#endOfTurn = endOfTurn;
  }

  /** Calls `task.turnEnded` at the end of this turn. A task adds itself once a turn. */
  add(task: TurnTask): void {
    if (this.#tasks.push(task) === 1) this.#endOfTurn(this.#run);
  }
}
