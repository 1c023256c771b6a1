/**
 * Runs handlers in threads: requests enter a queue in shared memory in the order in which they are ready, and each thread takes the
 * next one when it is through with the last. The event loop never waits for a thread.
 */
import { Buffer } from "node:buffer";
import type { Exchange, Executor } from "../../protocol/exchange.ts";
import { HTTPError } from "../../handler/errors.ts";
import { type ExecutorServices, TOO_LONG } from "../../handler/loop_executor.ts";
import { loggable } from "../../loop/log.ts";
import type { Handlers } from "../../handler/router_interface.ts";
import type { Program } from "../../program/program_description.ts";
import type { FlushTask } from "../../loop/flush_scheduler.ts";
import { ThreadPool } from "./thread_pool.ts";
import { BodyBuffering } from "./body_buffering.ts";
import { headSizeFor, type Route } from "../shared/heads.ts";
import { ThreadRequest, type ThreadRequestOwner, type Rings } from "./thread_request.ts";
import { WaitingQueue } from "./waiting_queue.ts";
import { LOOKING, now, PoolMemory } from "../shared/memory.ts";
import { type FromThread, startFor } from "../shared/messages.ts";
import { OverloadResponses } from "./overload_responses.ts";
import { RouteLookup } from "./route_lookup.ts";
import { ContentRing, RecordReader } from "../shared/rings.ts";
import type { Settings, ThreadingOptions } from "../shared/threading_options.ts";
import { Slots } from "./slots.ts";
import { StallWatch } from "./stall_watch.ts";
import { StatsRecorder } from "../shared/stats.ts";
import { StreamingRequests } from "./streaming_requests.ts";
import { type ThreadHandle, whyOf } from "./thread_handle.ts";

/** How long one thread may take for what waits before another is woken as well. In milliseconds. */
const MOMENT = 0.5;
/** Handlers that take less are worth no other thread's waking. In milliseconds. */
const QUICK = 0.1;
/** How much the last handler counts in how long handlers run. */
const WEIGHT = 1 / 16;

export class ThreadExecutor implements Executor, ThreadRequestOwner, FlushTask {
  readonly memory: PoolMemory;
  readonly scratch: Buffer;
  readonly mostThreads: number;
  readonly #services: ExecutorServices;
  /** Somebody wants to know how long requests took. */
  readonly #timed: boolean;
  readonly #settings: Settings;
  readonly #buffering: BodyBuffering;
  readonly #pool: ThreadPool;
  readonly #overload: OverloadResponses;
  readonly #routes: RouteLookup;
  /** Requests that run or wait in shared memory, by their slots. */
  readonly #requests: (ThreadRequest | null)[];
  readonly #slots: Slots;
  readonly #rings: Rings[] = [];
  /** Requests for which there is no slot yet. */
  readonly #waiting = new WaitingQueue<ThreadRequest>();
  /** Requests whose content is still coming. */
  readonly #streams: StreamingRequests;
  /** Requests that the rest of a response is to come for, by their tickets, and the thread it comes from. */
  readonly #resting = new Map<number, { request: ThreadRequest; thread: number }>();
  #running = 0;
  /** How many of them are ready, and run or wait; those that wait in `#streams` do not count. */
  #held = 0;
  #queued = false;
  #drained: (() => void)[] = [];
  /** How long handlers run, in milliseconds: the last ones count most. */
  #mean = Infinity;
  /** When something was last done in this turn for the first time, by `now`: exact enough for how long requests wait. */
  #turnAt = 0;
  readonly #stats: StatsRecorder;
  readonly #stalls: StallWatch;
  readonly #stop = (): void => this.#pool.stop();
  readonly #writeLine = (line: string): void => this.#services.log.write(line);
  /** What was said last of where the server listens: with port 0, it is not known from the beginning. */
  #address: readonly [host: string, port: number] | null = null;

  constructor(
    services: ExecutorServices,
    settings: Settings,
    handlers: Handlers,
    program: Program,
    options: ThreadingOptions,
  ) {
    const { slots, ringSize, max } = settings;
    this.mostThreads = max;
    const headSize = headSizeFor(services.limits);
    this.memory = new PoolMemory({ threads: max, slots, headSize, ringSize });
    this.#stats = new StatsRecorder(this.memory);
    this.#timed = services.watched || services.dispatcher.watched || !services.log.silent;
    this.scratch = Buffer.allocUnsafeSlow(settings.threadBuffer + 1); // whose one byte more shows that there is more
    this.#streams = new StreamingRequests(settings.streamingThreads, settings.queue);
    this.#buffering = new BodyBuffering(settings.threadBuffer, handlers, services);
    this.#stalls = new StallWatch(settings, services.logError);
    this.#overload = new OverloadResponses(services, settings);
    this.#services = services;
    this.#settings = settings;
    this.#routes = new RouteLookup(handlers, program);
    this.#requests = new Array<ThreadRequest | null>(slots).fill(null);
    this.#slots = new Slots(this.memory, slots);
    this.#pool = new ThreadPool(this.memory, settings, startFor(program, services, settings, options), {
      log: services.logError,
      admitsThread: () => services.admitsThread(),
      onSize: (size, replaced, stuck) => this.#stats.pool(size, replaced, stuck),
      onReady: ({ needsRoutes }) => {
        this.#routes.threadReady(needsRoutes);
        this.#lookLater();
      },
      onMessage: (thread, message) => this.#hear(thread, message),
      onOverdue: (thread) => this.#giveUp(thread, thread.overdue),
      onStuck: (thread) => this.#giveUp(thread),
      onEnd: (thread, why) => this.#lost(thread, why),
      onNone: () => this.#giveUpWaiting(),
      oldest: () => this.#oldest(),
      look: () => {
        for (const request of this.#requests) if (request?.isRunning === true) request.look();
        this.#stalls.look(this.#oldest(), this.#held, this.#pool.stuck, () => this.#runningRequests());
        this.#stalls.lookAtStreams(this.#streams);
      },
      running: () => this.#runningRequests(),
    });
    services.server.stopping.addEventListener("abort", this.#stop);
  }

  get running(): number {
    return this.#running + this.#overload.loop.running;
  }

  open(): Promise<void> {
    return this.#pool.open();
  }

  start(exchange: Exchange): void {
    const { serverAddress } = this.#services.server;
    if (serverAddress !== this.#address) this.memory.address = this.#address = serverAddress;
    if (this.#running++ === 0) this.#pool.hold(true);
    const request = new ThreadRequest(exchange, this);
    if (this.#timed) request.beganAt = now();
    request.begin();
  }

  async drain(): Promise<void> {
    await this.#overload.loop.drain();
    if (this.#running > 0) await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  close(): Promise<void> {
    this.#services.server.stopping.removeEventListener("abort", this.#stop);
    return this.#pool.close();
  }

  // What requests tell

  limitFor(exchange: Exchange): number {
    // A client that asks before it sends content is not told to send it for nothing.
    return exchange.waitsForContinue && this.#isFull ? 0 : this.#buffering.limitFor(exchange);
  }

  requestReady(request: ThreadRequest): void {
    if (this.#pool.isStuck) return this.#refuse(request, this.#overload.stuck());
    if (this.#isFull) return this.#refuse(request, this.#overload.busy(this.#mean));
    this.#lookLater();
    request.readyAt = request.queuedAt = this.#turnAt;
    if (request.streams && !this.#streams.admits(request)) {
      if (!this.#streams.add(request)) return this.#refuse(request, this.#overload.streaming(this.#mean));
      request.keepContent();
      return this.#recount();
    }
    this.#hold(1);
    if (this.#waiting.size > 0 || !this.#enter(request)) {
      request.keepContent();
      this.#waiting.push(request);
    }
  }

  leavePlace(request: ThreadRequest): void {
    if (this.#streams.leave(request)) this.#lookLater();
  }

  ringsOf(slot: number): Rings {
    return (this.#rings[slot] ??= {
      content: new ContentRing(this.memory, slot),
      response: new RecordReader(this.memory, slot),
    });
  }

  requestDropped(request: ThreadRequest): void {
    if (request.slot >= 0) this.#leave(request);
    else if (this.#waiting.remove(request)) this.#hold(-1);
    else if (this.#streams.remove(request)) this.#recount();
    this.leavePlace(request);
    this.#release(request, false);
  }

  nudge(thread: number): void {
    this.#pool.nudge(thread);
  }

  log(line: string): void {
    this.#services.context.run(this.#writeLine, line);
  }

  requestDone(request: ThreadRequest, restFollows: boolean): void {
    const { thread, ticket } = request;
    this.#mean = this.#mean === Infinity ? request.took : this.#mean + (request.took - this.#mean) * WEIGHT;
    this.#stats.done(Math.max(0, request.startedAt - request.readyAt));
    this.#pool.settled(thread);
    this.#leave(request);
    if (restFollows) this.#resting.set(ticket, { request, thread });
    else this.#release(request);
  }

  // The end of a turn

  /** Wakes threads for what is in the queue, and looks at what they call for. */
  turnEnded(): void {
    this.#queued = false;
    this.#look();
    this.#feed();
    this.#wake();
    if (this.#running === 0) this.#pool.hold(false);
  }

  /**
   * Counts on threads for what waits: on as many as it takes to be through with it in a moment, since to wake one costs more than a
   * short handler does. But whatever was expected, nothing waits long while a thread rests.
   */
  #wake(): void {
    const waiting = this.memory.queued;
    if (waiting === 0) return;
    const quickSince = this.#mean < QUICK ? now() - MOMENT : Infinity;
    this.#pool.wake(Math.min(waiting, Math.ceil((waiting * this.#mean) / MOMENT)), quickSince);
    this.#pool.wakeSoon();
  }

  #lookLater(): void {
    if (this.#queued) return;
    this.#queued = true;
    this.#turnAt = now();
    // Until then no thread need send a message.
    Atomics.store(this.memory.words, LOOKING, 1);
    this.#services.scheduler.add(this);
  }

  #look(): void {
    Atomics.store(this.memory.words, LOOKING, 0);
    this.memory.eachCall((slot) => this.#requests[slot]?.look());
  }

  // The queue

  /** Puts a request into shared memory. @returns false where there is no place */
  #enter(request: ThreadRequest): boolean {
    const slot = this.#slots.next;
    if (slot === undefined || !this.memory.hasRoom || !this.#routes.isKnown) return false;
    let route: Route | null = null;
    if (this.#routes.isNeeded) {
      try {
        route = this.#services.context.run(this.#routes.find, request.exchange.head);
      } catch (error) {
        this.#services.logError("the router has thrown: %s", loggable(error));
        this.#hold(-1);
        this.#refuse(request, new HTTPError(500));
        return true;
      }
    }
    if (!request.enter(slot, route)) {
      this.#hold(-1);
      this.#refuse(
        request,
        new HTTPError(431, { detail: "The header section is too large for a thread of handlers." }),
      );
      return true;
    }
    this.#slots.take();
    this.#requests[slot] = request;
    request.ticket = this.memory.push(slot);
    return true;
  }

  #feed(): void {
    for (let request; (request = this.#streams.next()) !== undefined;) {
      this.#hold(1);
      request.queuedAt = this.#turnAt;
      this.#waiting.push(request);
    }
    for (let request; (request = this.#waiting.first) !== undefined && this.#enter(request);) this.#waiting.shift();
  }

  /** When the request came into the queue that has waited longest; Infinity where none waits. */
  #oldest(): number {
    const slot = this.memory.first;
    const request = slot === undefined ? this.#waiting.first : this.#requests[slot];
    return request?.queuedAt ?? Infinity;
  }

  #runningRequests(): ThreadRequest[] {
    return this.#requests.filter((request): request is ThreadRequest => request?.isRunning === true);
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
    this.#stats.holds(this.#held + this.#streams.waiting, this.#slots.kept);
  }

  /** Takes a request out of its slot. @param goesOn the thread that may write there still; -1 for none */
  #leave(request: ThreadRequest, goesOn = -1): void {
    this.#requests[request.slot] = null;
    if (goesOn < 0) this.#slots.give(request.slot);
    else this.#slots.keep(request.slot, goesOn);
    request.slot = -1;
    this.#hold(-1);
    this.leavePlace(request);
    if (this.#waiting.size > 0) this.#lookLater();
  }

  /**
   * @param handled a thread's handler has settled, and knows how its request ended
   * @param why the thread was lost
   */
  #release(request: ThreadRequest, handled = true, why?: Error): void {
    request.settled = true;
    this.#running--;
    request.exchange.release(this.#overload.watcherOf(request, handled, why)); // may start the next one, before it returns
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.#running > 0) return;
    this.#lookLater();
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  // What goes wrong

  /** Responds in the place of a handler. The request has no slot, and is not held any more. */
  #refuse(request: ThreadRequest, error: HTTPError): void {
    this.leavePlace(request);
    request.settled = true;
    this.#running--;
    this.#overload.refuse(request, error);
    this.#checkDrained();
  }

  #hear(thread: ThreadHandle, message: FromThread): void {
    if (message === 0) {
      this.#look();
      this.#lookLater();
    } else if ("log" in message) {
      for (const request of this.#requests) if (request?.thread === thread.index) request.look(); // lines that were put before
      this.log(message.log);
    } else if ("own" in message) {
      thread.fault = message.own;
    } else if ("rest" in message) {
      this.#look(); // takes what was put before
      const resting = this.#resting.get(message.ticket);
      if (resting === undefined) return;
      this.#resting.delete(message.ticket);
      resting.request.giveRest(message.rest);
      this.#release(resting.request);
    } else if (thread.overdue === 0) {
      this.#shutDown(thread, message);
    }
  }

  #shutDown(
    thread: ThreadHandle,
    { shutdown, atOnce, ticket }: { shutdown: number; atOnce: boolean; ticket: number },
  ): void {
    const { server, handling } = this.#services;
    if (atOnce) return server.serverClose();
    const caller = this.#requests.find((request) => request?.ticket === ticket) ?? null;
    handling(caller);
    void server.shutdown().then(() => thread.post({ down: shutdown }));
    handling(null);
  }

  /** A thread has ended: what it has put is taken, and the request that it ran gets its response here. */
  #lost(thread: ThreadHandle, why: Error): void {
    this.#slots.threadEnded(thread.index);
    this.#look();
    for (const request of this.#requests) {
      if (request?.thread !== thread.index) continue;
      request.look();
      if (request.slot < 0) continue;
      this.#fail(request, thread, why);
    }
    // Messages come before the end of their thread: the rest of these will not.
    for (const [ticket, { request, thread: index }] of this.#resting) {
      if (index !== thread.index) continue;
      this.#resting.delete(ticket);
      this.#release(request);
    }
    this.#lookLater();
  }

  /** Responds to what a thread runs that is to end, while it goes on. @param ticket of the request; left out, whatever it runs */
  #giveUp(thread: ThreadHandle, ticket?: number): void {
    for (const request of this.#requests) {
      if (request?.thread !== thread.index || (ticket !== undefined && request.ticket !== ticket)) continue;
      request.look();
      if (request.slot >= 0) this.#fail(request, thread, thread.why ?? new Error("it was ended"), thread.index);
    }
  }

  #fail(request: ThreadRequest, thread: ThreadHandle, why: Error, goesOn = -1): void {
    const overdue = thread.overdue === request.ticket;
    if (!thread.leaving) {
      const what = overdue ? `it took more than ${this.#settings.handlerTimeout} ms` : whyOf(why);
      const { method, target } = request.exchange.head;
      const doubt = thread.doubtOf(request.ticket);
      this.#services.logError("a thread was lost while it ran %s %s: %s%s", method, target, what, doubt);
    }
    this.#stats.failed();
    this.#leave(request, goesOn);
    if (!request.lost && request.exchange.retract()) {
      this.#refuse(request, overdue ? new HTTPError(503, { detail: TOO_LONG }) : new HTTPError(500));
    } else {
      request.exchange.abort();
      this.#release(request, false, why);
    }
  }

  /** There is no thread, and none can be started now. */
  #giveUpWaiting(): void {
    const waiting = this.#waiting.clear();
    this.#hold(-waiting.length);
    waiting.push(...this.#streams.clear());
    this.#recount();
    for (const request of this.#requests) {
      if (request === null || !this.memory.cancel(request.slot)) continue;
      this.#leave(request);
      waiting.push(request);
    }
    for (const request of waiting) this.#refuse(request, this.#overload.none());
  }
}
