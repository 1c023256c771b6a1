/**
 * Runs handlers in threads: requests enter a queue in shared memory in the order in which they are ready, and each thread takes the
 * next one when it is through with the last. The event loop never waits for a thread.
 */
import { Buffer } from "node:buffer";
import type { Exchange, Executor } from "../../protocol/exchange.ts";
import { pathOf } from "../../handler/request_path.ts";
import { HTTPError } from "../../handler/errors.ts";
import { TOO_LONG } from "../../handler/loop_executor.ts";
import { loggable } from "../../loop/log.ts";
import { classesOf, type Handlers, isApart, isRouter, type Program } from "../../program/program.ts";
import type { Services } from "../../handler/services.ts";
import type { TurnTask } from "../../loop/flush_scheduler.ts";
import { Crew } from "./thread_pool.ts";
import { Gathering } from "./body_buffering.ts";
import { headSizeFor, type Route } from "../shared/heads.ts";
import { Job, type JobOwner, type Rings } from "./thread_request.ts";
import { Line } from "./waiting_queue.ts";
import { LOOKING, now, PoolMemory } from "../shared/memory.ts";
import { type FromThread, startFor } from "../shared/messages.ts";
import { Refusals } from "./refusals.ts";
import { ContentRing, RecordReader } from "../shared/rings.ts";
import type { Settings, ThreadingOptions } from "../options.ts";
import { Slots } from "./slots.ts";
import { Stalls } from "./stall_watch.ts";
import { Account } from "../shared/stats.ts";
import { Streams } from "./streaming_requests.ts";
import { type Thread, whyOf } from "./thread_handle.ts";

/** How long one thread may take for what waits before another is woken as well. In milliseconds. */
const MOMENT = 0.5;
/** Handlers that take less are worth no other thread's waking. In milliseconds. */
const QUICK = 0.1;
/** How much the last handler counts in how long handlers run. */
const WEIGHT = 1 / 16;

export class ThreadExecutor implements Executor, JobOwner, TurnTask {
  readonly memory: PoolMemory;
  readonly scratch: Buffer;
  readonly mostThreads: number;
  readonly #services: Services;
  /** Somebody wants to know how long requests took. */
  readonly #timed: boolean;
  readonly #settings: Settings;
  readonly #handlers: Handlers;
  readonly #gathering: Gathering;
  readonly #crew: Crew;
  readonly #refusals: Refusals;
  /** The router runs here, and threads are told what it finds; null until a thread has said whether it has one of its own. */
  #routes: boolean | null;
  readonly #classes: readonly unknown[];
  /** Requests that run or wait in shared memory, by their slots. */
  readonly #jobs: (Job | null)[];
  readonly #slots: Slots;
  readonly #rings: Rings[] = [];
  /** Requests for which there is no slot yet. */
  readonly #waiting = new Line<Job>();
  /** Requests whose content is still coming. */
  readonly #streams: Streams;
  /** Requests that the rest of an answer is to come for, by their tickets, and the thread it comes from. */
  readonly #resting = new Map<number, { job: Job; thread: number }>();
  #running = 0;
  /** How many of them are ready, and run or wait; those that wait in `#streams` do not count. */
  #held = 0;
  #queued = false;
  #drained: (() => void)[] = [];
  /** How long handlers run, in milliseconds: the last ones count most. */
  #mean = Infinity;
  /** When something was last done in this turn for the first time, by `now`: exact enough for how long requests wait. */
  #turnAt = 0;
  readonly #account: Account;
  readonly #stalls: Stalls;
  readonly #stop = (): void => this.#crew.stop();
  readonly #writeLine = (line: string): void => this.#services.log.write(line);
  /** What was said last of where the server listens: with port 0, it is not known from the beginning. */
  #address: readonly [host: string, port: number] | null = null;

  constructor(services: Services, settings: Settings, handlers: Handlers, program: Program, options: ThreadingOptions) {
    const { slots, ringSize, max } = settings;
    this.mostThreads = max;
    const headSize = headSizeFor(services.limits);
    this.memory = new PoolMemory({ threads: max, slots, headSize, ringSize });
    this.#account = new Account(this.memory);
    this.#timed = services.watched || services.dispatcher.watched || !services.log.silent;
    this.scratch = Buffer.allocUnsafeSlow(settings.threadBuffer + 1); // whose one byte more shows that there is more
    this.#streams = new Streams(settings.streamingThreads, settings.queue);
    this.#gathering = new Gathering(settings.threadBuffer, handlers, services);
    this.#stalls = new Stalls(settings, services.logError);
    this.#refusals = new Refusals(services, settings);
    this.#services = services;
    this.#settings = settings;
    this.#handlers = handlers;
    this.#routes = isRouter(handlers) ? isApart(program) || null : false;
    this.#classes = classesOf(handlers);
    this.#jobs = new Array<Job | null>(slots).fill(null);
    this.#slots = new Slots(this.memory, slots);
    this.#crew = new Crew(this.memory, settings, startFor(program, services, settings, options), {
      log: services.logError,
      admitsThread: () => services.admitsThread(),
      onSize: (size, replaced, stuck) => this.#account.crew(size, replaced, stuck),
      onReady: (needsRoutes) => {
        this.#routes = this.#routes === true || needsRoutes;
        this.#lookLater();
      },
      onMessage: (thread, message) => this.#hear(thread, message),
      onOverdue: (thread) => this.#giveUp(thread, thread.overdue),
      onStuck: (thread) => this.#giveUp(thread),
      onEnd: (thread, why) => this.#lost(thread, why),
      onNone: () => this.#giveUpWaiting(),
      oldest: () => this.#oldest(),
      look: () => {
        for (const job of this.#jobs) if (job?.isRunning === true) job.look();
        this.#stalls.look(this.#oldest(), this.#held, this.#crew.stuck, () => this.#runningJobs());
        this.#stalls.lookAtStreams(this.#streams);
      },
      running: () => this.#runningJobs(),
    });
    services.server.stopping.addEventListener("abort", this.#stop);
  }

  get running(): number {
    return this.#running + this.#refusals.loop.running;
  }

  open(): Promise<void> {
    return this.#crew.open();
  }

  start(exchange: Exchange): void {
    const { serverAddress } = this.#services.server;
    if (serverAddress !== this.#address) this.memory.address = this.#address = serverAddress;
    if (this.#running++ === 0) this.#crew.hold(true);
    const job = new Job(exchange, this);
    if (this.#timed) job.beganAt = now();
    job.begin();
  }

  async drain(): Promise<void> {
    await this.#refusals.loop.drain();
    if (this.#running > 0) await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  close(): Promise<void> {
    this.#services.server.stopping.removeEventListener("abort", this.#stop);
    return this.#crew.close();
  }

  // What jobs tell

  limitFor(exchange: Exchange): number {
    // A client that asks before it sends content is not told to send it for nothing.
    return exchange.waitsForContinue && this.#isFull ? 0 : this.#gathering.limitFor(exchange);
  }

  jobReady(job: Job): void {
    if (this.#crew.isStuck) return this.#refuse(job, this.#refusals.stuck());
    if (this.#isFull) return this.#refuse(job, this.#refusals.busy(this.#mean));
    this.#lookLater();
    job.readyAt = job.queuedAt = this.#turnAt;
    if (job.streams && !this.#streams.admits(job)) {
      if (!this.#streams.add(job)) return this.#refuse(job, this.#refusals.streaming(this.#mean));
      job.keepContent();
      return this.#recount();
    }
    this.#hold(1);
    if (this.#waiting.size > 0 || !this.#enter(job)) {
      job.keepContent();
      this.#waiting.push(job);
    }
  }

  leavePlace(job: Job): void {
    if (this.#streams.leave(job)) this.#lookLater();
  }

  ringsOf(slot: number): Rings {
    return (this.#rings[slot] ??= {
      content: new ContentRing(this.memory, slot),
      answer: new RecordReader(this.memory, slot),
    });
  }

  jobDropped(job: Job): void {
    if (job.slot >= 0) this.#leave(job);
    else if (this.#waiting.remove(job)) this.#hold(-1);
    else if (this.#streams.remove(job)) this.#recount();
    this.leavePlace(job);
    this.#release(job, false);
  }

  nudge(thread: number): void {
    this.#crew.nudge(thread);
  }

  log(line: string): void {
    this.#services.context.run(this.#writeLine, line);
  }

  jobDone(job: Job, restFollows: boolean): void {
    const { thread, ticket } = job;
    this.#mean = this.#mean === Infinity ? job.took : this.#mean + (job.took - this.#mean) * WEIGHT;
    this.#account.done(Math.max(0, job.startedAt - job.readyAt));
    this.#crew.settled(thread);
    this.#leave(job);
    if (restFollows) this.#resting.set(ticket, { job, thread });
    else this.#release(job);
  }

  // The end of a turn

  /** Wakes threads for what is in the queue, and looks at what they call for. */
  turnEnded(): void {
    this.#queued = false;
    this.#look();
    this.#feed();
    this.#wake();
    if (this.#running === 0) this.#crew.hold(false);
  }

  /**
   * Counts on threads for what waits: on as many as it takes to be through with it in a moment, since to wake one costs more than a
   * short handler does. But whatever was expected, nothing waits long while a thread rests.
   */
  #wake(): void {
    const waiting = this.memory.queued;
    if (waiting === 0) return;
    const quickSince = this.#mean < QUICK ? now() - MOMENT : Infinity;
    this.#crew.wake(Math.min(waiting, Math.ceil((waiting * this.#mean) / MOMENT)), quickSince);
    this.#crew.wakeSoon();
  }

  #lookLater(): void {
    if (this.#queued) return;
    this.#queued = true;
    this.#turnAt = now();
    // Until then no thread need send a message.
    Atomics.store(this.memory.words, LOOKING, 1);
    this.#services.turn.add(this);
  }

  #look(): void {
    Atomics.store(this.memory.words, LOOKING, 0);
    this.memory.eachCall((slot) => this.#jobs[slot]?.look());
  }

  // The queue

  /** Puts a request into shared memory. @returns false where there is no place */
  #enter(job: Job): boolean {
    const slot = this.#slots.next;
    if (slot === undefined || !this.memory.hasRoom || this.#routes === null) return false;
    let route: Route | null = null;
    if (this.#routes) {
      try {
        route = this.#services.context.run(this.#find, job.exchange);
      } catch (error) {
        this.#services.logError("the router has thrown: %s", loggable(error));
        this.#hold(-1);
        this.#refuse(job, new HTTPError(500));
        return true;
      }
    }
    if (!job.enter(slot, route)) {
      this.#hold(-1);
      this.#refuse(job, new HTTPError(431, { detail: "The header section is too large for a thread of handlers." }));
      return true;
    }
    this.#slots.take();
    this.#jobs[slot] = job;
    job.ticket = this.memory.push(slot);
    return true;
  }

  readonly #find = ({ head }: Exchange): Route | null => {
    const { target } = head;
    if (target === "*") return null;
    const found = (this.#handlers as Exclude<Handlers, new (...args: never) => unknown>).find(pathOf(target));
    if (found === undefined) return { index: this.#classes.length, params: undefined, fallback: false };
    const index = this.#classes.indexOf(found.Handler);
    if (index < 0) throw new Error("the router has found a class that is not among its handlers");
    return { index, params: found.params, fallback: found.fallback === true };
  };

  #feed(): void {
    for (let job; (job = this.#streams.next()) !== undefined;) {
      this.#hold(1);
      job.queuedAt = this.#turnAt;
      this.#waiting.push(job);
    }
    for (let job; (job = this.#waiting.first) !== undefined && this.#enter(job);) this.#waiting.shift();
  }

  /** When the request came into the queue that has waited longest; Infinity where none waits. */
  #oldest(): number {
    const slot = this.memory.first;
    const job = slot === undefined ? this.#waiting.first : this.#jobs[slot];
    return job?.queuedAt ?? Infinity;
  }

  #runningJobs(): Job[] {
    return this.#jobs.filter((job): job is Job => job?.isRunning === true);
  }

  /** Whether as many requests run or wait as may. */
  get #isFull(): boolean {
    const { max, queue } = this.#settings;
    return this.#held >= max + queue;
  }

  /** More requests, or fewer, are ready, and run or wait. */
  #hold(more: number): void {
    this.#held += more;
    this.#recount();
  }

  #recount(): void {
    this.#account.holds(this.#held + this.#streams.waiting, this.#slots.kept);
  }

  /** Takes a request out of its slot. @param goesOn the thread that may write there still; -1 for none */
  #leave(job: Job, goesOn = -1): void {
    this.#jobs[job.slot] = null;
    if (goesOn < 0) this.#slots.give(job.slot);
    else this.#slots.keep(job.slot, goesOn);
    job.slot = -1;
    this.#hold(-1);
    this.leavePlace(job);
    if (this.#waiting.size > 0) this.#lookLater();
  }

  /**
   * @param handled a thread's handler has settled, and knows how its request ended
   * @param why the thread was lost
   */
  #release(job: Job, handled = true, why?: Error): void {
    job.settled = true;
    this.#running--;
    job.exchange.release(this.#refusals.watcherOf(job, handled, why)); // may start the next one, before it returns
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.#running > 0) return;
    this.#lookLater();
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  // What goes wrong

  /** Answers in the place of a handler. The job has no slot, and is not held any more. */
  #refuse(job: Job, error: HTTPError): void {
    this.leavePlace(job);
    job.settled = true;
    this.#running--;
    this.#refusals.refuse(job, error);
    this.#checkDrained();
  }

  #hear(thread: Thread, message: Exclude<FromThread, { ready: true } | { failed: Error }>): void {
    if (message === 0) {
      this.#look();
      this.#lookLater();
    } else if ("log" in message) {
      for (const job of this.#jobs) if (job?.thread === thread.index) job.look(); // lines that were put before
      this.log(message.log);
    } else if ("own" in message) {
      thread.fault = message.own;
    } else if ("rest" in message) {
      this.#look(); // takes what was put before
      const resting = this.#resting.get(message.ticket);
      if (resting === undefined) return;
      this.#resting.delete(message.ticket);
      resting.job.giveRest(message.rest);
      this.#release(resting.job);
    } else if (thread.overdue === 0) {
      this.#shutDown(thread, message);
    }
  }

  #shutDown(thread: Thread, { shutdown, atOnce, ticket }: { shutdown: number; atOnce: boolean; ticket: number }): void {
    const { server, handling } = this.#services;
    if (atOnce) return server.serverClose();
    const asker = this.#jobs.find((job) => job?.ticket === ticket) ?? null;
    handling(asker);
    void server.shutdown().then(() => thread.post({ down: shutdown }));
    handling(null);
  }

  /** A thread has ended: what it has put is taken, and the request that it ran is answered here. */
  #lost(thread: Thread, why: Error): void {
    this.#slots.threadEnded(thread.index);
    this.#look();
    for (const job of this.#jobs) {
      if (job?.thread !== thread.index) continue;
      job.look();
      if (job.slot < 0) continue;
      this.#fail(job, thread, why);
    }
    // Messages come before the end of their thread: the rest of these will not.
    for (const [ticket, { job, thread: index }] of this.#resting) {
      if (index !== thread.index) continue;
      this.#resting.delete(ticket);
      this.#release(job);
    }
    this.#lookLater();
  }

  /** Answers what a thread runs that is to end, while it goes on. @param ticket of the request; left out, whatever it runs */
  #giveUp(thread: Thread, ticket?: number): void {
    for (const job of this.#jobs) {
      if (job?.thread !== thread.index || (ticket !== undefined && job.ticket !== ticket)) continue;
      job.look();
      if (job.slot >= 0) this.#fail(job, thread, thread.why ?? new Error("it was ended"), thread.index);
    }
  }

  #fail(job: Job, thread: Thread, why: Error, goesOn = -1): void {
    const overdue = thread.overdue === job.ticket;
    if (!thread.leaving) {
      const what = overdue ? `it took more than ${this.#settings.handlerTimeout} ms` : whyOf(why);
      const { method, target } = job.exchange.head;
      const doubt = thread.doubtOf(job.ticket);
      this.#services.logError("a thread was lost while it ran %s %s: %s%s", method, target, what, doubt);
    }
    this.#account.failed();
    this.#leave(job, goesOn);
    if (!job.lost && job.exchange.retract()) {
      this.#refuse(job, overdue ? new HTTPError(503, { detail: TOO_LONG }) : new HTTPError(500));
    } else {
      job.exchange.abort();
      this.#release(job, false, why);
    }
  }

  /** There is no thread, and none can be started now. */
  #giveUpWaiting(): void {
    const waiting = this.#waiting.clear();
    this.#hold(-waiting.length);
    waiting.push(...this.#streams.clear());
    this.#recount();
    for (const job of this.#jobs) {
      if (job === null || !this.memory.cancel(job.slot)) continue;
      this.#leave(job);
      waiting.push(job);
    }
    for (const job of waiting) this.#refuse(job, this.#refusals.none());
  }
}
