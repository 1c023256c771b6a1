/** One handler thread, as the event loop sees it: whether it works, how it is ended, and why it has ended. */
import process from "node:process";
import { TWICE } from "../../program/program_description.ts";
import { SupervisedThread } from "../../program/supervised_thread.ts";
import { BUSY, COUNT, ENDING, LEAVING, MODE, PARKED, type PoolMemory, SINCE } from "../shared/pool_memory.ts";
import { changeMode, makeLook, ringBell, wakeIdle } from "./thread_wakeup.ts";
import type { FromThread, ThreadReady, ThreadStart, ToThread } from "../shared/messages.ts";

/** A thread that has not ended this long after it was asked to is ended by force. In milliseconds. */
const LEAVE_TIMEOUT = 500;

/** A thread that still runs this long after it was ended counts as stuck. In milliseconds. */
const END_TIMEOUT = 1_000;

/**
 * Whether `terminate()` ends a thread that computes. On Deno, it says that the thread has ended, but the thread goes on until it comes
 * back to its event loop. So on Deno, threads end themselves.
 */
const TERMINATES = !("deno" in process.versions);

const OUT_OF_MEMORY = /\b(?:out of memory|memory limit|heap limit)\b/i;

export interface ThreadHandleOwner {
  /** The thread takes requests from now on. */
  onReady(thread: ThreadHandle, message: ThreadReady): void;
  onMessage(thread: ThreadHandle, message: FromThread): void;
  /** The thread was ended, but goes on: its handler computes on Deno, or blocks in an add-on, or waits for another process. */
  onStuck(thread: ThreadHandle): void;
  /** The thread has ended: because it was told to, by an error, or by `process.exit()`. */
  onEnd(thread: ThreadHandle, why: Error): void;
}

export class ThreadHandle {
  readonly index: number;
  /** The thread has started, and takes requests or did so before it ended. */
  ready = false;
  /** The thread was told to end: there are more than needed, the server stops, or other threads could not be started. */
  isLeaving = false;
  /** The thread was ended, but goes on. */
  isStuck = false;
  /** The ticket of the request whose handler ran longer than `handlerTimeout`, for which the thread is ended; 0 if there is none. */
  overdueTicket = 0;
  /** The ticket of the request whose error ends the thread; 0 if it is not known. */
  faultTicket = 0;
  /** How many checks in a row have found the thread idle. */
  idleChecks = 0;
  readonly #memory: PoolMemory;
  readonly #at: number;
  readonly #owner: ThreadHandleOwner;
  readonly #worker: SupervisedThread<ThreadReady, Exclude<FromThread, 0>>;
  /** How many requests it had taken at the last check. */
  #checkedCount = 0;
  /** How many of the requests that it has taken are settled. */
  #settledCount = 0;
  #isEnding = false;
  #isGone = false;
  #leaveTimer: NodeJS.Timeout | undefined;
  #stuckTimer: NodeJS.Timeout | undefined;

  constructor(memory: PoolMemory, start: ThreadStart, resourceLimits: object | undefined, owner: ThreadHandleOwner) {
    this.index = start.index;
    this.#memory = memory;
    this.#at = memory.threadAt(start.index);
    this.#owner = owner;
    memory.words.fill(0, this.#at, memory.threadAt(start.index + 1));
    const options = {
      workerData: start,
      name: `plinth ${start.index}`,
      ...(resourceLimits === undefined ? {} : { resourceLimits }),
    };
    this.#worker = new SupervisedThread<ThreadReady, Exclude<FromThread, 0>>(
      "threads/worker/main",
      options,
      start.startTimeout,
      {
        onReady: (message) => {
          this.ready = true;
          owner.onReady(this, message);
        },
        onFailed: () => this.end(),
        onMessage: (message) => owner.onMessage(this, message),
        onNudge: () => owner.onMessage(this, 0),
        onExit: (code) => this.#exited(code),
      },
    );
    this.#worker.unref(); // ThreadPool keeps the process alive where that is needed
  }

  /** Whether the thread has failed to start and has said why itself. */
  get hasSaidWhy(): boolean {
    return this.#worker.hasSaidWhy;
  }

  #exited(code: number): void {
    this.#isGone = true;
    clearTimeout(this.#leaveTimer);
    clearTimeout(this.#stuckTimer);
    this.#owner.onEnd(this, this.why ?? exitOf(code));
  }

  /** Whether the thread takes requests. */
  get isServing(): boolean {
    return this.ready && !this.isLeaving && !this.#isEnding;
  }

  /** Wakes the thread, if it is idle, so that it takes a waiting request. @returns whether it was idle */
  wake(): boolean {
    if (!this.isServing) return false;
    return wakeIdle(this.#memory, this.#at, this);
  }

  /**
   * Whether the thread will look at the queue without being woken. It will if it is awake and has no request, or if it took its request
   * after `quickSince` and so will soon finish.
   * @param quickSince a time by `now`; Infinity if handlers are not quick
   */
  isAwake(quickSince: number): boolean {
    if (this.#isEnding) return false;
    const { words } = this.#memory;
    const looks =
      this.#taken === this.#settledCount ||
      (quickSince < Infinity && ((words[this.#at + SINCE] - quickSince * 1000) | 0) > 0);
    return looks && Atomics.load(words, this.#at + MODE) === BUSY;
  }

  /** There is news of the request that the thread runs, such as content: makes the thread look. */
  nudge(): void {
    makeLook(this.#memory, this.#at, this);
  }

  /** How many requests the thread has taken. */
  get #taken(): number {
    return Atomics.load(this.#memory.words, this.#at + COUNT);
  }

  /** The thread's request has settled. */
  settled(): void {
    this.#settledCount = (this.#settledCount + 1) | 0;
  }

  /** Whether the thread has ever taken a request. */
  get hasWorked(): boolean {
    return this.#taken > 0;
  }

  /**
   * A sentence for the log if it is not known whether the running request has caused the end of its thread.
   * @returns "" if the request took too long, if the thread has said that the request is the cause, or if memory ran out
   */
  doubtOf(ticket: number): string {
    const { overdueTicket, faultTicket } = this;
    const isKnown = overdueTicket === ticket || faultTicket === ticket || OUT_OF_MEMORY.test(this.why?.message ?? "");
    return isKnown ? "" : ". It is not known whether this request has caused it, or an earlier one";
  }

  /** Why the thread has ended, or is to end; null if no error is known. */
  get why(): Error | null {
    return this.#worker.why;
  }

  post(message: ToThread | 0): void {
    if (message === 0) this.#worker.nudge();
    else this.#worker.post(message);
  }

  /** Whether the thread has taken no request since the last call, and is idle now. */
  isIdle(): boolean {
    const count = this.#taken;
    const same = count === this.#checkedCount;
    this.#checkedCount = count;
    return same && Atomics.load(this.#memory.words, this.#at + MODE) === PARKED;
  }

  /** Ends the thread if it is idle. @returns whether it was */
  leaveIfIdle(): boolean {
    if (!changeMode(this.#memory, this.#at, PARKED, LEAVING)) return false;
    this.leave();
    return true;
  }

  /** Asks the thread to end at the next turn of its event loop; ends it by force if it has not ended after 500 ms. */
  leave(): void {
    this.isLeaving = true;
    this.post({ exit: true });
    this.#leaveTimer = setTimeout(() => this.end(), LEAVE_TIMEOUT).unref();
  }

  /** Ends the thread by force, as far as the runtime can. */
  end(): void {
    // After its end, its words in shared memory may belong to another thread.
    if (this.#isEnding || this.#isGone) return;
    this.#isEnding = true;
    Atomics.store(this.#memory.words, this.#at + ENDING, 1);
    if (TERMINATES) this.#worker.terminate();
    else {
      this.post({ exit: true });
      ringBell(this.#memory, this.#at);
    }
    this.#stuckTimer = setTimeout(() => {
      this.isStuck = true;
      this.#owner.onStuck(this);
    }, END_TIMEOUT).unref();
  }

  /** Terminates the worker of a thread that is stuck: the server has ended, and waits for it no more. */
  letGo(): void {
    this.#worker.terminate();
  }
}

/** The reason of a thread that has ended without an error. It is logged without its stack, which says nothing about the thread. */
function exitOf(code: number): Error {
  const error = new Error(`exit code ${code}`);
  error.name = "ThreadExit";
  return error;
}

/** Why a thread has ended, in the form that the log takes: the error, which is logged with its stack, or only its message. */
export function loggableReason(error: Error): Error | string {
  return isThrown(error) ? error : error.message;
}

/** Whether a thread has ended by an error, and not by `process.exit()` or because it was ended. */
export function isThrown(why: Error): boolean {
  return why.name !== "ThreadExit";
}

/** The error of a thread that has ended while it started, with advice. @param hasSaidWhy whether the thread has given the reason itself */
export function startError(why: Error, hasSaidWhy: boolean): Error {
  if (isOutOfFiles(why)) {
    const advice = "Raise the limit of open files (ulimit -n), or take fewer threads";
    return new Error(`a thread could not be started: ${why.message}. ${advice}`, { cause: why });
  }
  if (hasSaidWhy) return why;
  // The program has ended the thread by something that it does besides constructing its server, such as process.exit().
  return new Error(`a thread has ended while it started: ${why.message}. ${TWICE}`, { cause: why });
}

/**
 * Whether an error says that too many files are open. The message is searched: errors from a thread may have lost their `code`, and Node
 * 22 and later give another code where they cannot open a package.json.
 */
export function isOutOfFiles(error: Error): boolean {
  return /\bE[MN]FILE\b|\btoo many open files\b|\btoo few file descriptors\b/i.test(error.message);
}
