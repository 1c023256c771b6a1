/**
 * Runs handlers in threads. Requests enter a queue in shared memory in the order in which they become ready, and each thread takes the
 * next one when its last request has settled. The event loop never waits for a thread.
 */
import { Buffer } from "node:buffer";
import type { Exchange, Executor } from "../../protocol/exchange.ts";
import { HTTPError } from "../../handler/errors.ts";
import type { ExecutorServices } from "../../handler/loop_executor.ts";
import { loggable } from "../../loop/log.ts";
import type { Handlers } from "../../handler/router_interface.ts";
import type { Program } from "../../program/program_description.ts";
import type { FlushTask } from "../../loop/flush_scheduler.ts";
import { carryOut } from "../../program/server_calls.ts";
import { ThreadPool } from "./thread_pool.ts";
import { BodyBuffering } from "./body_buffering.ts";
import { LostRequests } from "./lost_requests.ts";
import { headSizeFor, type Route } from "../shared/heads.ts";
import { ThreadRequest, type ThreadRequestOwner, type Rings } from "./thread_request.ts";
import { WaitingQueue } from "./waiting_queue.ts";
import { LOOKING, now, PoolMemory } from "../shared/pool_memory.ts";
import { type FromThread, startFor } from "../shared/messages.ts";
import { OverloadResponses } from "./overload_responses.ts";
import { RouteLookup } from "./route_lookup.ts";
import { ContentRing, RecordReader } from "../shared/rings.ts";
import type { Settings, ThreadingOptions } from "../shared/threading_options.ts";
import { RequestSlots } from "./request_slots.ts";
import { StallWatch } from "./stall_watch.ts";
import { StatsRecorder } from "../shared/stats.ts";
import { StreamingRequests } from "./streaming_requests.ts";
import type { ThreadHandle } from "./thread_handle.ts";

/** So many threads are woken that each is expected to have this much work. In milliseconds. */
const BACKLOG_TIME = 0.5;
/** If handlers take less than this on average, it is quicker to wait for a busy thread than to wake an idle one. In milliseconds. */
const QUICK_TIME = 0.1;
/** The weight of the last handler's time in the moving average of handler times. */
const MEAN_WEIGHT = 1 / 16;

export class ThreadExecutor implements Executor, ThreadRequestOwner, FlushTask {
  readonly memory: PoolMemory;
  readonly scratch: Buffer;
  readonly mostThreads: number;
  readonly #services: ExecutorServices;
  /** Whether the time that each request took is logged, or reported to `requestEnded`. */
  readonly #isTimed: boolean;
  readonly #settings: Settings;
  readonly #buffering: BodyBuffering;
  readonly #pool: ThreadPool;
  readonly #overload: OverloadResponses;
  readonly #routes: RouteLookup;
  /** Requests that run or wait in shared memory, by their slots. */
  readonly #requests: (ThreadRequest | null)[];
  readonly #slots: RequestSlots;
  readonly #lostRequests: LostRequests;
  readonly #rings: Rings[] = [];
  /** Requests for which there is no slot yet. */
  readonly #waiting = new WaitingQueue<ThreadRequest>();
  /** Requests whose content is still coming. */
  readonly #streams: StreamingRequests;
  /** Requests that are settled while a message with the last records of the response is on its way from the thread, by their tickets. */
  readonly #unfinished = new Map<number, { request: ThreadRequest; thread: number }>();
  /** How many requests have been started and not released. */
  #running = 0;
  /** How many requests run, or wait for a thread; those that wait in `#streams` do not count. */
  #pending = 0;
  #isLookPlanned = false;
  #drained: (() => void)[] = [];
  /** How long handlers run, in milliseconds: a moving average; Infinity before the first has settled. */
  #meanTime = Infinity;
  /** When the work of this turn began, by `now`: read once a turn, and exact enough for how long requests wait. */
  #turnAt = 0;
  readonly #stats: StatsRecorder;
  readonly #stalls: StallWatch;
  readonly #stop = (): void => this.#pool.stop();
  readonly #writeLine = (line: string): void => this.#services.log.write(line);
  /** The server's address as it stands in shared memory. With port 0, it is known only when the server listens. */
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
    const headSize = headSizeFor(services.limits, services.tls?.asksForCertificates === true);
    this.memory = new PoolMemory({ threads: max, slots, headSize, ringSize });
    this.#stats = new StatsRecorder(this.memory);
    this.#isTimed = services.reportsEnds || services.dispatcher.reportsEnds || !services.log.silent;
    this.scratch = Buffer.allocUnsafeSlow(settings.threadBuffer + 1); // the last byte shows that content is longer than threadBuffer
    this.#streams = new StreamingRequests(settings.streamingThreads, settings.queue);
    this.#buffering = new BodyBuffering(settings.threadBuffer, handlers, services);
    this.#stalls = new StallWatch(settings, services.logError);
    this.#overload = new OverloadResponses(services, settings);
    this.#services = services;
    this.#settings = settings;
    this.#routes = new RouteLookup(handlers, program);
    this.#requests = new Array<ThreadRequest | null>(slots).fill(null);
    this.#slots = new RequestSlots(this.memory, slots);
    const lostRequestsOwner = {
      requests: this.#requests,
      leave: (request: ThreadRequest, writer: number) => {
        this.#stats.failed();
        this.#leave(request, writer);
      },
      refuse: (request: ThreadRequest, error: HTTPError) => this.#refuse(request, error),
      release: (request: ThreadRequest, why: Error) => this.#release(request, false, why),
    };
    this.#lostRequests = new LostRequests(lostRequestsOwner, services, settings.handlerTimeout);
    this.#pool = new ThreadPool(this.memory, settings, startFor(program, services, settings, options), {
      log: services.logError,
      admitsThread: () => services.admitsThread(),
      onSize: (size, replaced, stuck) => this.#stats.pool(size, replaced, stuck),
      onReady: ({ needsRoutes }) => {
        this.#routes.threadReady(needsRoutes);
        this.#lookLater();
      },
      onMessage: (thread, message) => this.#onMessage(thread, message),
      onOverdue: (thread) => this.#lostRequests.threadGoesOn(thread, thread.overdueTicket),
      onStuck: (thread) => this.#lostRequests.threadGoesOn(thread),
      onEnd: (thread, why) => this.#lost(thread, why),
      onNone: () => this.#giveUpWaiting(),
      oldest: () => this.#oldest(),
      look: () => {
        for (const request of this.#requests) if (request?.isRunning === true) request.look();
        this.#stalls.look(this.#oldest(), this.#pending, this.#pool.stuck, () => this.#runningRequests());
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
    if (this.#isTimed) request.beganAt = now();
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

  // What ThreadRequest asks of its owner

  limitFor(exchange: Exchange): number {
    // When the queue is full, a client that waits for 100 (Continue) must not be told to send content that will be refused.
    return exchange.waitsForContinue && this.#isFull ? 0 : this.#buffering.limitFor(exchange);
  }

  requestReady(request: ThreadRequest): void {
    if (this.#pool.isStuck) return this.#refuse(request, this.#overload.stuck());
    if (this.#isFull) return this.#refuse(request, this.#overload.busy(this.#meanTime));
    this.#lookLater();
    request.readyAt = request.queuedAt = this.#turnAt;
    if (request.isStreaming && !this.#streams.admit(request)) {
      if (!this.#streams.add(request)) return this.#refuse(request, this.#overload.streaming(this.#meanTime));
      request.keepContent();
      return this.#publishCounts();
    }
    this.#addPending(1);
    if (this.#waiting.size > 0 || !this.#enter(request)) {
      request.keepContent();
      this.#waiting.push(request);
    }
  }

  leaveStreams(request: ThreadRequest): void {
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
    else if (this.#waiting.remove(request)) this.#addPending(-1);
    else if (this.#streams.remove(request)) this.#publishCounts();
    this.leaveStreams(request);
    this.#release(request, false);
  }

  nudge(thread: number): void {
    this.#pool.nudge(thread);
  }

  log(line: string): void {
    this.#services.context.run(this.#writeLine, line);
  }

  requestDone(request: ThreadRequest, unsentFollow: boolean): void {
    const { thread, ticket } = request;
    this.#meanTime =
      this.#meanTime === Infinity ? request.took : this.#meanTime + (request.took - this.#meanTime) * MEAN_WEIGHT;
    this.#stats.done(Math.max(0, request.startedAt - request.readyAt));
    this.#pool.settled(thread);
    this.#leave(request);
    if (unsentFollow) this.#unfinished.set(ticket, { request, thread });
    else this.#release(request);
  }

  // The end of a turn

  /** Looks at the slots that threads have called for, and wakes threads for the requests in the queue. */
  turnEnded(): void {
    this.#isLookPlanned = false;
    this.#look();
    this.#fillQueue();
    this.#wake();
    if (this.#running === 0) this.#pool.hold(false);
  }

  /**
   * Makes sure that enough threads will look at the queue to empty it in about 0.5 ms. One for each request would be too many: waking a
   * thread costs more than a short handler does. If a handler takes longer than expected, `wakeSoon` wakes another thread.
   */
  #wake(): void {
    const waiting = this.memory.queued;
    if (waiting === 0) return;
    const quickSince = this.#meanTime < QUICK_TIME ? now() - BACKLOG_TIME : Infinity;
    this.#pool.wake(Math.min(waiting, Math.ceil((waiting * this.#meanTime) / BACKLOG_TIME)), quickSince);
    this.#pool.wakeSoon();
  }

  #lookLater(): void {
    if (this.#isLookPlanned) return;
    this.#isLookPlanned = true;
    this.#turnAt = now();
    // Until then, threads need not send a message to be looked at.
    Atomics.store(this.memory.words, LOOKING, 1);
    this.#services.scheduler.add(this);
  }

  #look(): void {
    Atomics.store(this.memory.words, LOOKING, 0);
    this.memory.eachCall((slot) => this.#requests[slot]?.look());
  }

  // The queue

  /** Puts a request into a slot and the queue. @returns false if there is no room, or if it is not known yet whether threads need routes */
  #enter(request: ThreadRequest): boolean {
    const slot = this.#slots.next;
    if (slot === undefined || !this.memory.hasRoom || !this.#routes.isKnown) return false;
    let route: Route | null = null;
    if (this.#routes.isNeeded) {
      try {
        route = this.#services.context.run(this.#routes.find, request.exchange.head);
      } catch (error) {
        this.#services.logError("the router has thrown: %s", loggable(error));
        this.#addPending(-1);
        this.#refuse(request, new HTTPError(500));
        return true;
      }
    }
    if (!request.enter(slot, route)) {
      this.#addPending(-1);
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

  #fillQueue(): void {
    for (let request; (request = this.#streams.next()) !== undefined;) {
      this.#addPending(1);
      request.queuedAt = this.#turnAt;
      this.#waiting.push(request);
    }
    for (let request; (request = this.#waiting.first) !== undefined && this.#enter(request);) this.#waiting.shift();
  }

  /** When the request that has waited longest entered the queue, by `now`; Infinity if no request waits. */
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
    return this.#pending >= max + queue;
  }

  #addPending(change: number): void {
    this.#pending += change;
    this.#publishCounts();
  }

  #publishCounts(): void {
    this.#stats.pending(this.#pending + this.#streams.waiting, this.#slots.kept);
  }

  /** Takes a request out of its slot. @param writer the index of a thread that goes on and may still write there; -1 for none */
  #leave(request: ThreadRequest, writer = -1): void {
    this.#requests[request.slot] = null;
    if (writer < 0) this.#slots.give(request.slot);
    else this.#slots.keep(request.slot, writer);
    request.slot = -1;
    this.#addPending(-1);
    this.leaveStreams(request);
    if (this.#waiting.size > 0) this.#lookLater();
  }

  /**
   * Ends a request whose response is complete or broken off.
   * @param handled the handler has settled in its thread, which has logged how the request ended
   * @param why the error by which the thread was lost
   */
  #release(request: ThreadRequest, handled = true, why?: Error): void {
    request.settled = true;
    this.#running--;
    request.exchange.release(this.#overload.watcherOf(request, handled, why)); // may start the connection's next request
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.#running > 0) return;
    this.#lookLater();
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  // Failures

  /** Sends an error response in place of a handler. The request has no slot, and does not count as pending any more. */
  #refuse(request: ThreadRequest, error: HTTPError): void {
    this.leaveStreams(request);
    request.settled = true;
    this.#running--;
    this.#overload.refuse(request, error);
    this.#checkDrained();
  }

  #onMessage(thread: ThreadHandle, message: FromThread): void {
    if (message === 0) {
      this.#look();
      this.#lookLater();
    } else if ("log" in message) {
      for (const request of this.#requests) if (request?.thread === thread.index) request.look(); // earlier lines
      this.log(message.log);
    } else if ("fault" in message) {
      thread.faultTicket = message.fault;
    } else if ("unsent" in message) {
      this.#look(); // takes the records before these
      const unfinished = this.#unfinished.get(message.ticket);
      if (unfinished === undefined) return;
      this.#unfinished.delete(message.ticket);
      unfinished.request.giveUnsent(message.unsent);
      this.#release(unfinished.request);
    } else if (thread.overdueTicket !== 0) {
      return;
    } else if ("call" in message) {
      carryOut(this.#services.server, message, (end) => thread.post(end));
    } else {
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

  /** A thread has ended: its request, and responses whose last records it had still to send, end as well. */
  #lost(thread: ThreadHandle, why: Error): void {
    this.#slots.threadEnded(thread.index);
    this.#look();
    this.#lostRequests.threadEnded(thread, why);
    // All messages of the thread have come: the last records of these responses are lost.
    for (const [ticket, { request, thread: index }] of this.#unfinished) {
      if (index !== thread.index) continue;
      this.#unfinished.delete(ticket);
      this.#release(request);
    }
    this.#lookLater();
  }

  /** No thread takes requests, and none can be started now: refuses all waiting requests. */
  #giveUpWaiting(): void {
    const waiting = this.#waiting.clear();
    this.#addPending(-waiting.length);
    waiting.push(...this.#streams.clear());
    this.#publishCounts();
    for (const request of this.#requests) {
      if (request === null || !this.memory.cancel(request.slot)) continue;
      this.#leave(request);
      waiting.push(request);
    }
    for (const request of waiting) this.#refuse(request, this.#overload.none());
  }
}
