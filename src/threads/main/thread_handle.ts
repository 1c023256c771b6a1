/** One thread of handlers, as the event loop sees it: its words in shared memory, how it is woken, and how it is ended. */
import process from "node:process";
import { TWICE } from "../../program/program_description.ts";
import { SupervisedWorker } from "../../program/supervised_worker.ts";
import {
  BELL,
  BLOCKED,
  BUSY,
  COUNT,
  ENDING,
  LEAVING,
  MAIL,
  MODE,
  PARKED,
  type PoolMemory,
  RESTING,
  SINCE,
} from "../shared/memory.ts";
import type { FromThread, ThreadReady, ThreadStart, ToThread } from "../shared/messages.ts";

/** How long a thread may take to end when it is asked to. In milliseconds. */
const LEAVE_TIMEOUT = 500;

/** A thread that still runs so long after it was ended counts as stuck. In milliseconds. */
const END_TIMEOUT = 1_000;

/**
 * Deno's `terminate()` says that a thread has ended, but one that computes goes on, for ever or until it comes back to its event loop. So
 * threads end themselves there.
 */
const TERMINATES = !("deno" in process.versions);

const OUT_OF_MEMORY = /\b(?:out of memory|memory limit|heap limit)\b/i;

export interface ThreadHandleOwner {
  /** It takes requests. */
  onReady(thread: ThreadHandle, message: ThreadReady): void;
  onMessage(thread: ThreadHandle, message: FromThread): void;
  /** It was ended, and goes on nevertheless: a handler computes on Deno, or waits in an add-on or for a process. */
  onStuck(thread: ThreadHandle): void;
  /** It has ended, for whatever reason: it was told to, or with an error, or with an exit code. */
  onEnd(thread: ThreadHandle, why: Error): void;
}

export class ThreadHandle {
  readonly index: number;
  /** It takes requests, or has done so. */
  ready = false;
  /** It was told to end, because there are enough, the server stops, or not all could be started. */
  leaving = false;
  /** It was ended, and goes on nevertheless. */
  stuck = false;
  /** The ticket of the request whose handler took more time than it has, for which the thread is ended; 0 where there is none. */
  overdue = 0;
  /** The ticket of the request by whose error the thread ends, as far as it is known; 0 where it is not. */
  fault = 0;
  /** How many checks in a row it was found idle. */
  idle = 0;
  readonly #memory: PoolMemory;
  readonly #at: number;
  readonly #owner: ThreadHandleOwner;
  readonly #worker: SupervisedWorker<ThreadReady, FromThread>;
  #count = 0;
  /** How many of the requests that it has taken are settled. */
  #settled = 0;
  #ending = false;
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
    this.#worker = new SupervisedWorker<ThreadReady, FromThread>("threads/worker/main", options, start.startTimeout, {
      onReady: (message) => {
        this.ready = true;
        owner.onReady(this, message);
      },
      onFailed: () => this.end(),
      onMessage: (message) => owner.onMessage(this, message),
      onExit: (code) => this.#exited(code),
    });
    this.#worker.isHolding = false; // a server that does not listen keeps no process
  }

  /** It has not found its handlers, and said so itself. */
  get hasSaidWhy(): boolean {
    return this.#worker.hasSaidWhy;
  }

  #exited(code: number): void {
    this.#isGone = true;
    clearTimeout(this.#leaveTimer);
    clearTimeout(this.#stuckTimer);
    this.#owner.onEnd(this, this.why ?? exitOf(code));
  }

  /** Whether it takes requests. */
  get isServing(): boolean {
    return this.ready && !this.leaving && !this.#ending;
  }

  /** Counts on the thread for a request that waits, if it rests. @returns whether it did */
  wake(): boolean {
    if (!this.isServing) return false;
    if (this.#change(RESTING, BUSY)) this.#ring();
    else if (this.#change(PARKED, BUSY)) this.#mail();
    else return false;
    return true;
  }

  /**
   * Whether it will look at the queue without being woken: it is awake and has no request, or took one after `quickSince` and will soon
   * finish.
   * @param quickSince by `now`; Infinity where handlers are not quick
   */
  isAwake(quickSince: number): boolean {
    if (this.#ending) return false;
    const { words } = this.#memory;
    const looks =
      this.#taken === this.#settled ||
      (quickSince < Infinity && ((words[this.#at + SINCE] - quickSince * 1000) | 0) > 0);
    return looks && Atomics.load(words, this.#at + MODE) === BUSY;
  }

  /** There is something new of the request that it runs. */
  nudge(): void {
    const mode = Atomics.load(this.#memory.words, this.#at + MODE);
    if (mode === BLOCKED) this.#ring();
    else this.#mail();
  }

  /** How many requests it has taken. */
  get #taken(): number {
    return Atomics.load(this.#memory.words, this.#at + COUNT);
  }

  /** It was through with a request. */
  settled(): void {
    this.#settled = (this.#settled + 1) | 0;
  }

  /** Whether it has taken any request. */
  get hasWorked(): boolean {
    return this.#taken > 0;
  }

  /**
   * A sentence for the log, where it is not known whether a request has caused the end of the thread that ran it.
   * @returns "" where the request took too long, the thread has said that it is the cause, or had taken too much memory
   */
  doubtOf(ticket: number): string {
    const isKnown = this.overdue === ticket || this.fault === ticket || OUT_OF_MEMORY.test(this.why?.message ?? "");
    return isKnown ? "" : ". It is not known whether that request has caused it, or one before it";
  }

  /** Why it has ended, or is to end. */
  get why(): Error | null {
    return this.#worker.why;
  }

  post(message: ToThread | 0): void {
    this.#worker.post(message);
  }

  /** Whether it has taken no request since it was asked this the last time, and takes none now. */
  isIdle(): boolean {
    const count = this.#taken;
    const same = count === this.#count;
    this.#count = count;
    return same && Atomics.load(this.#memory.words, this.#at + MODE) === PARKED;
  }

  /** Ends the thread if it has nothing to do. @returns whether it has not */
  leaveIfIdle(): boolean {
    if (!this.#change(PARKED, LEAVING)) return false;
    this.leave();
    return true;
  }

  /** Asks it to end as soon as its event loop has a turn, and does not ask twice. */
  leave(): void {
    this.leaving = true;
    this.post({ exit: true });
    this.#leaveTimer = setTimeout(() => this.end(), LEAVE_TIMEOUT).unref();
  }

  /** Ends the thread, whatever it does, as far as the runtime can. */
  end(): void {
    // Behind its end, its words may be another thread's.
    if (this.#ending || this.#isGone) return;
    this.#ending = true;
    Atomics.store(this.#memory.words, this.#at + ENDING, 1);
    if (TERMINATES) this.#worker.terminate();
    else {
      this.post({ exit: true });
      this.#ring();
    }
    this.#stuckTimer = setTimeout(() => {
      this.stuck = true;
      this.#owner.onStuck(this);
    }, END_TIMEOUT).unref();
  }

  /** The server has ended: stops watching a thread that is stuck. */
  letGo(): void {
    this.#worker.terminate();
  }

  #change(from: number, to: number): boolean {
    return Atomics.compareExchange(this.#memory.words, this.#at + MODE, from, to) === from;
  }

  #ring(): void {
    Atomics.add(this.#memory.words, this.#at + BELL, 1);
    Atomics.notify(this.#memory.words, this.#at + BELL);
  }

  #mail(): void {
    // A thread that is about to block counts the bell, and looks again behind that.
    Atomics.add(this.#memory.words, this.#at + BELL, 1);
    Atomics.notify(this.#memory.words, this.#at + BELL);
    if (Atomics.exchange(this.#memory.words, this.#at + MAIL, 1) === 0) this.post(0);
  }
}

/** That a thread has ended by itself: where that was found out is of no interest to anybody. */
function exitOf(code: number): Error {
  const error = new Error(`exit code ${code}`);
  error.name = "ThreadExit";
  return error;
}

/** Why a thread has ended, for the log: an error, of which it shows the stack, or a message. */
export function whyOf(error: Error): Error | string {
  return isThrown(error) ? error : error.message;
}

/** Whether a thread has ended by an error, and not by a call or an end from outside. */
export function isThrown(why: Error): boolean {
  return why.name !== "ThreadExit";
}

/** Why a thread has ended that was being started, and what to do about it. @param hasSaidWhy the reason is the thread's own */
export function notStarted(why: Error, hasSaidWhy: boolean): Error {
  if (isOutOfFiles(why)) {
    const advice = "Raise the limit of open files (ulimit -n), or take fewer threads";
    return new Error(`a thread could not be started: ${why.message}. ${advice}`, { cause: why });
  }
  if (hasSaidWhy) return why;
  // Something that the program does besides constructing its server has ended the thread, such as process.exit().
  return new Error(`a thread has ended while it started: ${why.message}. ${TWICE}`, { cause: why });
}

/** Whether an error, which may have lost its code on its way from a thread, is of too many open files. */
export function isOutOfFiles(error: Error): boolean {
  return /\bE[MN]FILE\b|\btoo few file descriptors\b/.test(error.message);
}
