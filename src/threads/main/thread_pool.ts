/** The threads of one server: how many there are, which are woken, and when lost threads are replaced. */
import { endProcess } from "./end_process.ts";
import type { ThreadRequest } from "./thread_request.ts";
import { now, type PoolMemory } from "../shared/pool_memory.ts";
import type { FromThread, ThreadReady, ThreadsStart } from "../shared/messages.ts";
import { describe } from "../../loop/log.ts";
import { ProcessHold } from "../../program/process_hold.ts";
import { ThreadReplacements, type ThreadReplacementsOwner } from "../../program/thread_replacements.ts";
import type { Settings } from "../shared/threading_options.ts";
import { isOutOfFiles, isThrown, startError, ThreadHandle, loggableReason } from "./thread_handle.ts";

/** One more thread is started when a request has waited this long. In milliseconds. */
const GROWTH_DELAY = 5;
/** How long a request may wait for a thread that is awake and expected to take it; then another thread is woken. In milliseconds. */
const WAKE_DELAY = 2;
/** When there were too few file descriptors for one more thread, the pool tries again after this long. In milliseconds. */
const GROWTH_PAUSE = 250;
/** How often the slots of running requests are looked at although no thread has asked for it. In milliseconds. */
const LOOK_INTERVAL = 250;
/** How often idle threads are looked for, in milliseconds. A thread ends when IDLE_CHECKS such checks in a row have found it idle. */
const IDLE_CHECK = 1_000;
const IDLE_CHECKS = 15;
/** The process ends if there are still too many stuck threads this long after that was found. In milliseconds. */
const STUCK_PATIENCE = 4_000;

export interface ThreadPoolOwner {
  log(message: string, ...args: unknown[]): void;
  /** Whether there are file descriptors for one more thread. */
  admitsThread(): boolean;
  /** @param size how many threads take requests @param replaced how many were replaced so far @param stuck how many are stuck */
  onSize(size: number, replaced: number, stuck: number): void;
  onReady(message: ThreadReady): void;
  onMessage(thread: ThreadHandle, message: FromThread): void;
  /** A handler has run longer than `handlerTimeout`, and its thread is ended: the request gets its response without it. */
  onOverdue(thread: ThreadHandle): void;
  /** A thread that was ended goes on: its request is not to wait for it. */
  onStuck(thread: ThreadHandle): void;
  /** A thread that took requests has ended. */
  onEnd(thread: ThreadHandle, why: Error): void;
  /** No thread takes requests, and the last attempt to start one has failed. */
  onNone(): void;
  /** When the request that has waited longest began to wait, by `now`; Infinity if no request waits. */
  oldest(): number;
  /** Looks at the slots of running requests although no thread has asked for it: lines of the log may be there. */
  look(): void;
  /** The running requests. */
  running(): ThreadRequest[];
}

export class ThreadPool implements ThreadReplacementsOwner {
  readonly #memory: PoolMemory;
  readonly #settings: Settings;
  readonly #start: ThreadsStart;
  readonly #owner: ThreadPoolOwner;
  /** The threads, by index; null where there is none. */
  readonly #threads: (ThreadHandle | null)[];
  #opened: Promise<void> | null = null;
  #onOpen: { resolve: () => void; reject: (why: Error) => void } | null = null;
  #closed = false;
  /** A request runs or waits. */
  #hasRequests = false;
  /** How many threads are still to be started one by one: see `#postpone`. */
  #postponed = 0;
  /** The index of the last thread that was started alone; -1 if there was none. */
  #aloneIndex = -1;
  /** Called when the last thread has ended. */
  #onGone: (() => void)[] = [];
  readonly #replacements: ThreadReplacements;
  #replaced = 0;
  /** How many threads go on after they were ended. */
  #stuck = 0;
  /** A thread was lost by an error: threads that start from now on find out which request has caused such an error. */
  #isTracked = false;
  #wakeTimer: NodeJS.Timeout | null = null;
  #isWakeTimerSet = false;
  #growthTimer: ReturnType<typeof setTimeout> | null = null;
  /** The pool does not grow before this time, by `now`: there were too few file descriptors. */
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
    this.#replacements = new ThreadReplacements({ delay: 0, rate: replacementRate, burst: max }, this);
  }

  /** How many threads take requests. */
  get size(): number {
    return this.#count((thread) => thread.isServing);
  }

  /** How many threads go on after they were ended. */
  get stuck(): number {
    return this.#stuck;
  }

  /** Whether all `threads.max` threads are stuck, so that no request can be handled. */
  get isStuck(): boolean {
    return this.#stuck === this.#threads.length;
  }

  /** Starts `threads.min` threads. Rejects if one of them cannot be started, or cannot find its handlers. */
  open(): Promise<void> {
    return (this.#opened ??= this.#open());
  }

  async #open(): Promise<void> {
    await this.#allGone(); // of an earlier attempt that has failed
    if (this.#closed) return;
    const { max, min } = this.#settings;
    if (max - this.#stuck < min) {
      this.#opened = null;
      this.#owner.onNone();
      throw new Error(
        `cannot start ${min} threads: ${this.#stuck} of the ${max} that threads.max allows are left of an earlier attempt and cannot be ended`,
      );
    }
    await new Promise<void>((resolve, reject) => {
      this.#onOpen = { resolve, reject };
      this.#keep();
      this.#postponed = 0;
      this.#aloneIndex = -1;
      for (let i = 0; i < min; i++) this.#add();
      this.#every(IDLE_CHECK, () => this.#shrink());
      this.#every(LOOK_INTERVAL, () => this.#owner.look());
      const { handlerTimeout } = this.#settings;
      if (handlerTimeout < Infinity)
        this.#every(Math.min(250, Math.max(5, handlerTimeout / 10)), () => this.#endOverdue());
    });
  }

  /** Keeps the process alive while there are requests. */
  hold(hasRequests: boolean): void {
    this.#hasRequests = hasRequests;
    this.#keep();
    // A server that does not listen, because only `inject` uses it, starts its threads with its first request.
    if (hasRequests && this.#opened === null && !this.#closed)
      void this.open().catch((why: Error) => this.#owner.log("%s", why.message));
  }

  /** Keeps the process alive also while threads start or stop; otherwise it could exit under a pending open() or close(). */
  #keep(): void {
    this.#processHold.set(this.#hasRequests || this.#onOpen !== null || this.#onGone.length > 0);
  }

  /**
   * Makes sure that `count` threads will look at the queue. Threads that are awake count first; then idle threads are woken, the lowest
   * index first.
   * @param quickSince a thread that took its request after this time, by `now`, counts as awake: it will finish before another wakes up
   */
  wake(count: number, quickSince: number): void {
    for (const thread of this.#threads) if (thread?.isAwake(quickSince) === true && --count === 0) return;
    this.#wakeIdle(count);
  }

  #wakeIdle(count: number): void {
    for (const thread of this.#threads) if (thread?.wake() === true && --count === 0) return;
    this.#growSoon();
  }

  /** The request of a thread has settled. */
  settled(index: number): void {
    this.#threads[index]?.settled();
  }

  /** Wakes another thread if a request still waits after 2 ms: the thread that was expected to take it has not. */
  wakeSoon(): void {
    if (this.#isWakeTimerSet || this.#closed) return;
    this.#isWakeTimerSet = true;
    if (this.#wakeTimer !== null) this.#wakeTimer.refresh();
    else this.#wakeTimer = setTimeout(() => this.#wakeNow(), WAKE_DELAY).unref();
  }

  #wakeNow(): void {
    this.#isWakeTimerSet = false;
    const { queued } = this.#memory;
    if (queued === 0 || this.#closed) return;
    if (now() - this.#owner.oldest() >= WAKE_DELAY) this.#wakeIdle(queued);
    this.wakeSoon();
  }

  nudge(index: number): void {
    this.#threads[index]?.nudge();
  }

  /** Tells all threads that the server stops. */
  stop(): void {
    this.#memory.stop();
    for (const thread of this.#threads) thread?.post({ stopping: true });
  }

  /** Ends all threads. Each may finish the present turn of its event loop, and so send what it was about to send. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stopTimers();
    if (this.#wakeTimer !== null) clearTimeout(this.#wakeTimer);
    this.#onOpen?.resolve(); // an `open` that is under way need not wait for threads any more
    this.#onOpen = null;
    this.#opened = null;
    for (const thread of this.#threads) if (thread !== null && !thread.isLeaving) thread.leave();
    await this.#allGone();
    for (const thread of this.#threads) thread?.letGo();
    this.#processHold.end();
  }

  /** Waits until all threads have ended, but for stuck ones. */
  async #allGone(): Promise<void> {
    if (this.#isGone) return;
    await new Promise<void>((resolve) => {
      this.#onGone.push(resolve);
      this.#keep();
    });
  }

  /** Whether all threads have ended, but for stuck ones. */
  get #isGone(): boolean {
    return this.#threads.every((thread) => thread === null || thread.isStuck);
  }

  #reportSize(): void {
    this.#owner.onSize(this.size, this.#replaced, this.#stuck);
  }

  #resolveGone(): void {
    if (this.#isGone) for (const resolve of this.#onGone.splice(0)) resolve();
    this.#keep();
  }

  #stopTimers(): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    this.#replacements.stop();
    if (this.#growthTimer !== null) clearTimeout(this.#growthTimer);
    this.#growthTimer = null;
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
      // The system cannot start a thread, or threadData has become something that cannot be copied.
      const why = error instanceof Error ? error : new Error(describe(error));
      queueMicrotask(() => this.#missing(index, why, false));
    }
  }

  /**
   * Threads that start together may need more file descriptors than there are, since each opens the files of the program. Node 20
   * opens them all at once. A thread that failed for that reason is started once more, alone, when no other thread is starting.
   * @returns false if there is another reason, or if the thread was started alone already
   */
  #postpone(index: number, why: Error): boolean {
    // If Node 20 cannot open a package.json for that reason, it says that the package cannot be found.
    const mayBe = isOutOfFiles(why) || /\bCannot find (?:package|module)\b/.test(why.message);
    if (!mayBe || index === this.#aloneIndex) return false;
    this.#postponed++;
    this.#startPostponed();
    return true;
  }

  /** Whether a thread is being started. */
  get #isStarting(): boolean {
    return this.#count((thread) => !thread.ready && !thread.isStuck) > 0;
  }

  #startPostponed(): void {
    if (this.#postponed === 0 || this.#isStarting) return;
    this.#postponed--;
    this.#aloneIndex = this.#threads.indexOf(null);
    this.#add();
  }

  #ready(message: ThreadReady): void {
    this.#reportSize();
    this.#owner.onReady(message);
    this.#startPostponed();
    if (this.#onOpen === null || this.size < this.#settings.min) return;
    this.#onOpen.resolve();
    this.#onOpen = null;
    this.#keep();
  }

  #ended(thread: ThreadHandle, why: Error): void {
    if (thread.ready && isThrown(why)) this.#isTracked = true;
    const wasStuck = thread.isStuck;
    if (wasStuck) this.#stuck--;
    this.#threads[thread.index] = null;
    this.#reportSize();
    if (thread.ready) this.#owner.onEnd(thread, why);
    this.#resolveGone();
    if (this.#closed) return;
    // A stuck thread was counted as lost when it got stuck. Its place is free now, and a replacement may be waiting for one.
    if (wasStuck || thread.isLeaving) return this.#replacements.look();
    this.#missing(
      thread.index,
      this.#onOpen !== null ? startError(why, thread.hasSaidWhy) : why,
      thread.ready && thread.hasWorked,
      thread.overdueTicket !== 0,
    );
  }

  /** A thread was ended, and goes on. */
  #foundStuck(thread: ThreadHandle): void {
    this.#stuck++;
    this.#reportSize();
    this.#resolveGone();
    if (this.#closed || this.#opened === null) return;
    this.#owner.onStuck(thread);
    this.#owner.log(
      "thread %d goes on though it was ended: its handler computes, or blocks in a call that cannot be interrupted. So do %d of %d threads," +
        " and no others take their place",
      thread.index,
      this.#stuck,
      this.#settings.max,
    );
    if (this.#stuck > this.#settings.maxStuckThreads) setTimeout(() => this.#endProcess(), STUCK_PATIENCE).unref();
    if (thread.isLeaving) return;
    this.#missing(thread.index, thread.why ?? new Error("it goes on"), thread.ready && !this.isStuck, thread.ready);
  }

  /** Ends the process if too many threads are still stuck. A thread that was only collecting garbage has ended meanwhile. */
  #endProcess(): void {
    const { maxStuckThreads } = this.#settings;
    if (this.#closed || this.#stuck <= maxStuckThreads) return;
    this.#owner.log(
      "more than %d threads go on after they were ended (maxStuckThreads): ending the process",
      maxStuckThreads,
    );
    endProcess();
  }

  /** A thread has ended, or could not be started. @param isLogged whether the log says why already */
  #missing(index: number, why: Error, wasReady: boolean, isLogged = false): void {
    if (this.#opened === null) return;
    if (this.#onOpen !== null) {
      if (this.#postpone(index, why)) return;
      this.#onOpen.reject(why);
      this.#onOpen = this.#opened = null; // `open` may be called again
      this.#keep();
      this.#stopTimers();
      for (const other of this.#threads) {
        if (other === null) continue;
        other.isLeaving = true;
        other.end();
      }
      this.#owner.onNone();
      return;
    }
    if (!isLogged) {
      const what = wasReady ? "has ended" : "could not be started";
      this.#owner.log("thread %d %s: %s", index, what, loggableReason(why));
    }
    // Replacements may fail for ever, so waiting requests are refused when no thread is left.
    if (!wasReady && this.size === 0) this.#owner.onNone();
    this.#replacements.add();
  }

  // What ThreadReplacements asks for, in place of threads that were lost

  hasRoom(): boolean {
    return this.#threads.includes(null) && !this.#closed;
  }

  startReplacement(): boolean {
    this.#replaced++;
    this.#reportSize();
    this.#add();
    return true; // if it fails, it counts as another lost thread
  }

  replacementsWait(milliseconds: number): void {
    const { replacementRate } = this.#settings;
    this.#owner.log(
      "threads end faster than %d a second (replacementRate): the next is started in %d ms",
      replacementRate,
      milliseconds,
    );
  }

  /** Requests wait, and no thread is idle: starts one more thread when a request has waited for 5 ms. */
  #growSoon(): void {
    if (this.#growthTimer !== null || this.#closed || this.#opened === null || !this.#canGrow()) return;
    const wait = Math.max(1, this.#owner.oldest() + GROWTH_DELAY - now(), this.#growAgainAt - now());
    if (wait === Infinity) return;
    this.#growthTimer = setTimeout(() => {
      this.#growthTimer = null;
      if (this.#closed || !this.#canGrow()) return;
      if (this.#owner.oldest() + GROWTH_DELAY <= now() + 1) {
        if (this.#owner.admitsThread()) this.#add();
        else this.#growAgainAt = now() + GROWTH_PAUSE;
      }
      this.#growSoon();
    }, wait);
  }

  #canGrow(): boolean {
    // When threads are lost faster than they may be replaced, growth must not bypass that limit.
    return !this.#replacements.isOwing && this.#threads.includes(null) && !this.#isStarting;
  }

  /** Ends a thread that has been idle for 15 s: the one with the highest index, since those with low indexes are woken first. */
  #shrink(): void {
    for (const thread of this.#threads)
      if (thread?.ready === true) thread.idleChecks = thread.isIdle() ? thread.idleChecks + 1 : 0;
    if (this.size <= this.#settings.min) return;
    const idle = this.#threads.findLast((one) => one !== null && one.idleChecks >= IDLE_CHECKS && !one.isLeaving);
    idle?.leaveIfIdle();
  }

  /** Ends threads whose handlers have run longer than `handlerTimeout`. */
  #endOverdue(): void {
    const time = now() - this.#settings.handlerTimeout;
    for (const request of this.#owner.running()) {
      const thread = this.#threads[request.thread];
      if (thread === null || thread === undefined || thread.overdueTicket !== 0) continue;
      if (request.startedAt === 0 || request.startedAt > time) continue;
      thread.overdueTicket = request.ticket;
      thread.end();
      this.#owner.onOverdue(thread);
    }
  }
}
