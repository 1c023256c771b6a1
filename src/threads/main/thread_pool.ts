/** The threads of one server: how many there are, who is woken, and who takes the place of one that was lost. */
import { endProcess } from "./end_process.ts";
import type { ThreadRequest } from "./thread_request.ts";
import { now, type PoolMemory } from "../shared/memory.ts";
import type { FromThread, ThreadReady, ThreadsStart } from "../shared/messages.ts";
import { describe } from "../../loop/log.ts";
import { ProcessHold } from "../../program/process_hold.ts";
import { WorkerReplacements, type WorkerReplacementsOwner } from "../../program/worker_replacements.ts";
import type { Settings } from "../shared/threading_options.ts";
import { isOutOfFiles, isThrown, notStarted, ThreadHandle, whyOf } from "./thread_handle.ts";

/** One more thread is started when a request has waited so long. In milliseconds. */
const PATIENCE = 5;
/** How long a request may wait for a thread that is expected to look for itself. In milliseconds. */
const SOON = 2;
/** When there were too few file descriptors for one more thread, it is tried again after so long. In milliseconds. */
const GROWTH_PAUSE = 250;
/** How often what runs is looked at unasked. In milliseconds. */
const LOOK = 250;
/** How often idle threads are looked for, and how many times in a row one must be found so until it ends. */
const IDLE_CHECK = 1_000;
const IDLE_CHECKS = 15;
/** How long more there must be too many of them until the process ends. In milliseconds. */
const STUCK_PATIENCE = 4_000;

export interface ThreadPoolOwner {
  log(message: string, ...args: unknown[]): void;
  /** Whether there are file descriptors for one more thread. */
  admitsThread(): boolean;
  /** So many threads take requests, so many were started in place of others, and so many go on behind their end. */
  onSize(size: number, replaced: number, stuck: number): void;
  onReady(message: ThreadReady): void;
  onMessage(thread: ThreadHandle, message: FromThread): void;
  /** A handler has run for too long, and its thread is ended: nothing that it still does counts. */
  onOverdue(thread: ThreadHandle): void;
  /** A thread that was ended goes on: what it runs is not waited for. */
  onStuck(thread: ThreadHandle): void;
  /** A thread that took requests has ended. */
  onEnd(thread: ThreadHandle, why: Error): void;
  /** There is no thread, and the last attempt to start one has failed. */
  onNone(): void;
  /** When the request was ready that waits longest, by `now`; Infinity where none waits. */
  oldest(): number;
  /** Look at what runs, though no thread has called for it: for lines of the log. */
  look(): void;
  /** What runs. */
  running(): ThreadRequest[];
}

export class ThreadPool implements WorkerReplacementsOwner {
  readonly #memory: PoolMemory;
  readonly #settings: Settings;
  readonly #start: ThreadsStart;
  readonly #owner: ThreadPoolOwner;
  /** By their indexes. */
  readonly #threads: (ThreadHandle | null)[];
  #opened: Promise<void> | null = null;
  #onOpen: { resolve: () => void; reject: (why: Error) => void } | null = null;
  #closed = false;
  /** Something runs. */
  #held = false;
  /** How many threads are still to be started one by one: see `#postpone`. */
  #postponed = 0;
  /** The index of the thread that was last started so; -1 where none was. */
  #alone = -1;
  /** What resolves when the last has ended. */
  #onGone: (() => void)[] = [];
  readonly #replacements: WorkerReplacements;
  #replaced = 0;
  /** How many threads go on behind their end. */
  #stuck = 0;
  /** A thread was lost by an error: from then on, threads are to know whose such errors are. */
  #isTracked = false;
  #soon: NodeJS.Timeout | null = null;
  #soonSet = false;
  #growing: ReturnType<typeof setTimeout> | null = null;
  /** Until then no thread is started, by `now`: there were too few file descriptors. */
  #growAgainAt = 0;
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  readonly #processHold = new ProcessHold();

  constructor(memory: PoolMemory, settings: Settings, start: ThreadsStart, owner: ThreadPoolOwner) {
    this.#memory = memory;
    this.#settings = settings;
    this.#start = start;
    this.#owner = owner;
    this.#threads = new Array<ThreadHandle | null>(settings.max).fill(null);
    const { max, replacementRate } = settings;
    this.#replacements = new WorkerReplacements({ delay: 0, rate: replacementRate, burst: max }, this);
  }

  /** How many threads take requests. */
  get size(): number {
    return this.#count((thread) => thread.isServing);
  }

  /** How many threads go on behind their end. */
  get stuck(): number {
    return this.#stuck;
  }

  /** Whether there is no thread, nor will be: all go on behind their end. */
  get isStuck(): boolean {
    return this.#stuck === this.#threads.length;
  }

  /** Starts as many threads as there must be. Rejects when they cannot find their handlers. */
  open(): Promise<void> {
    return (this.#opened ??= this.#open());
  }

  async #open(): Promise<void> {
    await this.#allGone(); // those of an attempt that has failed
    if (this.#closed) return;
    const { max, min } = this.#settings;
    if (max - this.#stuck < min) {
      this.#opened = null;
      this.#owner.onNone();
      throw new Error(`${this.#stuck} threads of an attempt that has failed go on, so ${min} cannot be started`);
    }
    await new Promise<void>((resolve, reject) => {
      this.#onOpen = { resolve, reject };
      this.#keep();
      this.#postponed = 0;
      this.#alone = -1;
      for (let i = 0; i < min; i++) this.#add();
      this.#every(IDLE_CHECK, () => this.#shrink());
      this.#every(LOOK, () => this.#owner.look());
      const { handlerTimeout } = this.#settings;
      if (handlerTimeout < Infinity)
        this.#every(Math.min(250, Math.max(5, handlerTimeout / 10)), () => this.#endOverdue());
    });
  }

  /** Keeps the process alive while a request runs. */
  hold(held: boolean): void {
    this.#held = held;
    this.#keep();
    // A server that does not listen, because only `inject` uses it, starts its threads with its first request.
    if (held && this.#opened === null && !this.#closed)
      void this.open().catch((why: Error) => this.#owner.log("%s", why.message));
  }

  /** Keeps the process alive also while threads start or stop; otherwise it could exit under a pending open() or close(). */
  #keep(): void {
    this.#processHold.set(this.#held || this.#onOpen !== null || this.#onGone.length > 0);
  }

  /**
   * Makes sure that so many threads will look at the queue: those that are awake count first, then others are woken, the lowest index
   * first.
   * @param quickSince a thread that took its request after this time, by `now`, counts as awake: it will finish before another wakes up
   */
  wake(count: number, quickSince: number): void {
    for (const thread of this.#threads) if (thread?.isAwake(quickSince) === true && --count === 0) return;
    this.#rouse(count);
  }

  #rouse(count: number): void {
    for (const thread of this.#threads) if (thread?.wake() === true && --count === 0) return;
    this.#growSoon();
  }

  /** A thread was through with a request. */
  settled(index: number): void {
    this.#threads[index]?.settled();
  }

  /** Wakes another thread if a request still waits, after a moment, for one that was expected to take it. */
  wakeSoon(): void {
    if (this.#soonSet || this.#closed) return;
    this.#soonSet = true;
    if (this.#soon !== null) this.#soon.refresh();
    else this.#soon = setTimeout(() => this.#wakeNow(), SOON).unref();
  }

  #wakeNow(): void {
    this.#soonSet = false;
    const { queued } = this.#memory;
    if (queued === 0 || this.#closed) return;
    if (now() - this.#owner.oldest() >= SOON) this.#rouse(queued);
    this.wakeSoon();
  }

  nudge(index: number): void {
    this.#threads[index]?.nudge();
  }

  /** Says to all threads that the server stops. */
  stop(): void {
    this.#memory.stop();
    for (const thread of this.#threads) thread?.post({ stopping: true });
  }

  /** Ends all threads. What they were about to say in this turn of their event loops they may say. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopTimers();
    if (this.#soon !== null) clearTimeout(this.#soon);
    this.#onOpen?.resolve(); // nobody waits for requests any more
    this.#onOpen = null;
    this.#opened = null;
    for (const thread of this.#threads) if (thread !== null && !thread.leaving) thread.leave();
    await this.#allGone();
    for (const thread of this.#threads) thread?.letGo();
    this.#processHold.end();
  }

  /** Waits until there is no thread. */
  async #allGone(): Promise<void> {
    if (this.#isGone) return;
    await new Promise<void>((resolve) => {
      this.#onGone.push(resolve);
      this.#keep();
    });
  }

  /** Whether no thread is there but such as cannot be ended. */
  get #isGone(): boolean {
    return this.#threads.every((thread) => thread === null || thread.stuck);
  }

  #tellSize(): void {
    this.#owner.onSize(this.size, this.#replaced, this.#stuck);
  }

  #tellGone(): void {
    if (this.#isGone) for (const resolve of this.#onGone.splice(0)) resolve();
    this.#keep();
  }

  #stopTimers(): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    this.#replacements.stop();
    if (this.#growing !== null) clearTimeout(this.#growing);
    this.#growing = null;
  }

  #every(time: number, task: () => void): void {
    const timer = setInterval(task, time);
    timer.unref();
    this.#timers.push(timer);
  }

  #count(counts: (thread: ThreadHandle) => boolean): number {
    return this.#threads.filter((thread) => thread !== null && counts(thread)).length;
  }

  #add(): void {
    const index = this.#threads.indexOf(null);
    if (index < 0 || this.#closed) return;
    const { layout, buffer } = this.#memory;
    const start = { ...this.#start, isTracked: this.#isTracked, index, layout, buffer };
    try {
      if (!this.#owner.admitsThread()) throw new Error("too few file descriptors are left (ulimit -n)");
      this.#threads[index] = new ThreadHandle(this.#memory, start, this.#settings.resourceLimits, {
        onReady: (_thread, message) => this.#ready(message),
        onMessage: (thread, message) => this.#owner.onMessage(thread, message),
        onStuck: (thread) => this.#foundStuck(thread),
        onEnd: (thread, why) => this.#ended(thread, why),
      });
    } catch (error) {
      // The system has no thread to give, or threadData cannot be copied any more.
      const why = error instanceof Error ? error : new Error(describe(error));
      queueMicrotask(() => this.#missing(index, why, false));
    }
  }

  /**
   * Threads that start together may need more file descriptors than there are, since each opens the files of the program. Node 20
   * opens them all at once. A thread that failed for that reason starts once more, by itself, when no other thread is starting.
   * @returns false for another reason, and for a thread that has started by itself already
   */
  #postpone(index: number, why: Error): boolean {
    // To Node 20, a package whose package.json it cannot open for that reason is not there.
    const mayBe = isOutOfFiles(why) || /\bCannot find (?:package|module)\b/.test(why.message);
    if (!mayBe || index === this.#alone) return false;
    this.#postponed++;
    this.#startPostponed();
    return true;
  }

  /** Whether a thread starts that may yet take requests. */
  get #isStarting(): boolean {
    return this.#count((thread) => !thread.ready && !thread.stuck) > 0;
  }

  #startPostponed(): void {
    if (this.#postponed === 0 || this.#isStarting) return;
    this.#postponed--;
    this.#alone = this.#threads.indexOf(null);
    this.#add();
  }

  #ready(message: ThreadReady): void {
    this.#tellSize();
    this.#owner.onReady(message);
    this.#startPostponed();
    if (this.#onOpen === null || this.size < this.#settings.min) return;
    this.#onOpen.resolve();
    this.#onOpen = null;
    this.#keep();
  }

  #ended(thread: ThreadHandle, why: Error): void {
    if (thread.ready && isThrown(why)) this.#isTracked = true;
    const wasStuck = thread.stuck;
    if (wasStuck) this.#stuck--;
    this.#threads[thread.index] = null;
    this.#tellSize();
    if (thread.ready) this.#owner.onEnd(thread, why);
    this.#tellGone();
    if (this.#closed) return;
    // One that was stuck counts as lost since then; and there is a place now, where there was none for those that are owed.
    if (wasStuck || thread.leaving) return this.#replacements.look();
    this.#missing(
      thread.index,
      this.#onOpen !== null ? notStarted(why, thread.hasSaidWhy) : why,
      thread.ready && thread.hasWorked,
      thread.overdue !== 0,
    );
  }

  /** A thread was ended, and goes on. */
  #foundStuck(thread: ThreadHandle): void {
    this.#stuck++;
    this.#tellSize();
    this.#tellGone();
    if (this.#closed || this.#opened === null) return;
    this.#owner.onStuck(thread);
    this.#owner.log(
      "thread %d goes on though it was ended: it computes, or waits for what it cannot be called away from. So do %d of %d threads, and" +
        " no others take their place",
      thread.index,
      this.#stuck,
      this.#settings.max,
    );
    if (this.#stuck > this.#settings.maxStuckThreads) setTimeout(() => this.#endProcess(), STUCK_PATIENCE).unref();
    if (thread.leaving) return;
    this.#missing(thread.index, thread.why ?? new Error("it goes on"), thread.ready && !this.isStuck, thread.ready);
  }

  /** Ends the process if too many threads are still stuck: a thread that only collected garbage has ended meanwhile. */
  #endProcess(): void {
    const { maxStuckThreads } = this.#settings;
    if (this.#closed || this.#stuck <= maxStuckThreads) return;
    this.#owner.log(
      "more than %d threads go on after they were ended (maxStuckThreads): ending the process",
      maxStuckThreads,
    );
    endProcess();
  }

  /** A thread has ended, or could not start. @param isTold the log says why already */
  #missing(index: number, why: Error, wasReady: boolean, isTold = false): void {
    if (this.#opened === null) return;
    if (this.#onOpen !== null) {
      if (this.#postpone(index, why)) return;
      this.#onOpen.reject(why);
      this.#onOpen = this.#opened = null; // it may be tried again
      this.#keep();
      this.#stopTimers();
      for (const other of this.#threads) {
        if (other === null) continue;
        other.leaving = true;
        other.end();
      }
      this.#owner.onNone();
      return;
    }
    if (!isTold) {
      const what = wasReady ? "has ended" : "could not be started";
      this.#owner.log("thread %d %s: %s", index, what, whyOf(why));
    }
    // WorkerReplacements may fail for ever. With no thread left, the requests that wait are refused.
    if (!wasReady && this.size === 0) this.#owner.onNone();
    this.#replacements.add();
  }

  // For the replacements of threads that were lost

  hasRoom(): boolean {
    return this.#threads.includes(null) && !this.#closed;
  }

  startReplacement(): boolean {
    this.#replaced++;
    this.#tellSize();
    this.#add();
    return true; // where it fails, it is lost as well
  }

  replacementsWait(milliseconds: number): void {
    const { replacementRate } = this.#settings;
    this.#owner.log("threads end faster than %d a second: the next is started in %d ms", replacementRate, milliseconds);
  }

  /** No thread rests, and requests wait. */
  #growSoon(): void {
    if (this.#growing !== null || this.#closed || this.#opened === null || !this.#canGrow()) return;
    const wait = Math.max(1, this.#owner.oldest() + PATIENCE - now(), this.#growAgainAt - now());
    if (wait === Infinity) return;
    this.#growing = setTimeout(() => {
      this.#growing = null;
      if (this.#closed || !this.#canGrow()) return;
      if (this.#owner.oldest() + PATIENCE <= now() + 1) {
        if (this.#owner.admitsThread()) this.#add();
        else this.#growAgainAt = now() + GROWTH_PAUSE;
      }
      this.#growSoon();
    }, wait);
  }

  #canGrow(): boolean {
    // Where threads are lost faster than they may be replaced, growth must not be the way around that.
    return !this.#replacements.isOwing && this.#threads.includes(null) && !this.#isStarting;
  }

  /** Ends a thread that has been idle for a while: the last of them, so that the first ones work. */
  #shrink(): void {
    for (const thread of this.#threads) if (thread?.ready === true) thread.idle = thread.isIdle() ? thread.idle + 1 : 0;
    if (this.size <= this.#settings.min) return;
    const idle = this.#threads.findLast((thread) => thread !== null && thread.idle >= IDLE_CHECKS && !thread.leaving);
    idle?.leaveIfIdle();
  }

  /** Ends the threads whose handlers take too long. */
  #endOverdue(): void {
    const time = now() - this.#settings.handlerTimeout;
    for (const request of this.#owner.running()) {
      const thread = this.#threads[request.thread];
      if (thread === null || thread === undefined || thread.overdue !== 0) continue;
      if (request.startedAt === 0 || request.startedAt > time) continue;
      thread.overdue = request.ticket;
      thread.end();
      this.#owner.onOverdue(thread);
    }
  }
}
