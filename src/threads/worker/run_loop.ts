/** The main loop of a handler thread: takes requests from the queue, one at a time, and runs their handlers. */
import { performance } from "node:perf_hooks";
import process from "node:process";
import type { MessagePort } from "node:worker_threads";
import type { Executor } from "../../protocol/exchange.ts";
import type { FlushScheduler, FlushTask } from "../../loop/flush_scheduler.ts";
import { type ThreadExchangeOwner, ThreadExchange } from "./thread_exchange.ts";
import type { Route } from "../shared/heads.ts";
import type { UncaughtErrors } from "./uncaught_errors.ts";
import {
  BELL,
  BLOCKED,
  BUSY,
  COUNT,
  ENDING,
  LEAVING,
  MAIL,
  MODE,
  origin,
  PARKED,
  type PoolMemory,
  RESTING,
  SINCE,
  STARTED,
  TOOK,
} from "../shared/pool_memory.ts";
import { ContentRing, RecordWriter, type UnsentRecord } from "../shared/rings.ts";

/** How long a thread without work blocks before it lets its event loop run. A blocked thread is cheaper to wake. In milliseconds. */
const IDLE_BLOCK = 0.2;
/** How long a thread takes requests before its event loop has a turn, for the timers and sockets of handlers. In milliseconds. */
const MAX_STRETCH = 1;

export class RunLoop implements ThreadExchangeOwner {
  readonly memory: PoolMemory;
  readonly writer: RecordWriter;
  /** The exchange of the request that runs; null between requests. */
  current: ThreadExchange | null = null;
  readonly #index: number;
  readonly #words: Int32Array;
  /** Where the thread's words are. */
  readonly #at: number;
  readonly #port: MessagePort;
  readonly #contents: ContentRing[] = [];
  #executor: Executor | null = null;
  #scheduler: FlushScheduler | null = null;
  /** The loop of `#work` runs. */
  #isWorking = false;
  /** The handler runs up to its first await. It may settle before that. */
  #isStarting = false;
  /** The exchange, if it has asked for the end of the turn while its handler was being started. */
  #turnEndTask: FlushTask | null = null;
  #turnBegan = 0;
  /** When the handler was started. */
  #startedAt = 0;
  /** When the handler settled, if that was just now: saves a reading of the clock. Otherwise 0. */
  #settledAt = 0;
  #isTurnPlanned = false;
  #uncaughtErrors: Pick<UncaughtErrors, "isEnding" | "end"> | null = null;

  constructor(memory: PoolMemory, index: number, port: MessagePort) {
    this.memory = memory;
    this.writer = new RecordWriter(memory);
    this.#index = index;
    this.#words = memory.words;
    this.#at = memory.threadAt(index);
    this.#port = port;
  }

  /** The route of the request that runs, if a router on the event loop has found it. */
  get route(): Route | null {
    return this.current?.head.route ?? null;
  }

  /** Begins to take requests. @param uncaughtErrors says when the thread is to end after the request that runs */
  run(executor: Executor, scheduler: FlushScheduler, uncaughtErrors: Pick<UncaughtErrors, "isEnding" | "end">): void {
    this.#executor = executor;
    this.#scheduler = scheduler;
    this.#uncaughtErrors = uncaughtErrors;
    this.#work();
  }

  /** A message has come from the event loop: there is news of the request that runs, or a request in the queue. */
  look(): void {
    Atomics.store(this.#words, this.#at + MAIL, 0);
    this.#turnBegan = performance.now();
    if (this.current !== null) this.current.poll();
    else this.#work();
  }

  // What ThreadExchange asks of its owner

  contentOf(slot: number): ContentRing {
    return (this.#contents[slot] ??= new ContentRing(this.memory, slot));
  }

  call(slot: number): void {
    if (this.memory.callFor(slot)) this.#port.postMessage(0);
  }

  atTurnEnd(task: FlushTask): void {
    if (this.#isStarting) this.#turnEndTask = task;
    else this.#scheduler!.add(task);
  }

  wait(isReady: () => boolean): void {
    const words = this.#words;
    const bell = this.#at + BELL;
    for (;;) {
      const rung = Atomics.load(words, bell);
      // The event loop stores its news before it reads the mode. So news that `isReady` does not see yet finds BLOCKED, and rings the bell.
      Atomics.store(words, this.#at + MODE, BLOCKED);
      if (isReady()) break;
      this.#endIfAsked();
      Atomics.wait(words, bell, rung);
    }
    Atomics.store(words, this.#at + MODE, BUSY);
  }

  sendLine(line: string): void {
    this.#port.postMessage({ plinth: { log: line } });
  }

  sendUnsent(ticket: number, records: readonly UnsentRecord[]): void {
    this.#port.postMessage(
      { plinth: { unsent: records, ticket } },
      records.map(({ bytes }) => bytes.buffer as ArrayBuffer),
    );
  }

  settling(slot: number): void {
    this.#settledAt = performance.now();
    this.memory.numbers[this.memory.numbersAt(slot) + TOOK] = this.#settledAt - this.#startedAt;
  }

  released(): void {
    this.current = null;
    this.#turnEndTask = null;
    if (!this.#isWorking) this.#work();
  }

  // Taking requests

  readonly #work = (): void => {
    if (this.current !== null || this.#isWorking) return;
    const mode = this.#at + MODE;
    if (Atomics.compareExchange(this.#words, mode, PARKED, BUSY) === LEAVING) return;
    this.#isWorking = true;
    while (this.current === null) {
      this.#endIfAsked();
      if (this.#uncaughtErrors?.isEnding === true) {
        this.#uncaughtErrors.end();
        break;
      }
      const time = this.#settledAt === 0 ? performance.now() : this.#settledAt;
      this.#settledAt = 0;
      if (time - this.#turnBegan > MAX_STRETCH) {
        this.#planTurn();
        break;
      }
      const slot = this.memory.take(this.#index);
      if (slot >= 0) this.#start(slot, time);
      else if (!this.#waitForWork()) break;
    }
    this.#isWorking = false;
  };

  /** Ends the thread if the event loop has asked for it: on Deno, a thread cannot be ended from outside. */
  #endIfAsked(): void {
    if (Atomics.load(this.#words, this.#at + ENDING) === 1) process.exit(0);
  }

  #planTurn(): void {
    if (this.#isTurnPlanned) return;
    this.#isTurnPlanned = true;
    setImmediate(() => {
      this.#isTurnPlanned = false;
      this.#turnBegan = performance.now();
      this.#work();
    });
  }

  #start(slot: number, time: number): void {
    this.#startedAt = time;
    const started = time + origin;
    this.memory.numbers[this.memory.numbersAt(slot) + STARTED] = started;
    this.#words[this.#at + SINCE] = started * 1000;
    this.#words[this.#at + COUNT]++;
    const exchange = (this.current = new ThreadExchange(this, slot));
    this.#isStarting = true;
    this.#executor!.start(exchange);
    this.#isStarting = false;
    // The handler awaits something, so the turn will end before it settles.
    if (this.current === exchange) {
      if (this.#turnEndTask !== null) this.#scheduler!.add(this.#turnEndTask);
      exchange.poll();
    }
    this.#turnEndTask = null;
  }

  /** The queue is empty: blocks for a moment. @returns whether to look at the queue again; otherwise a message will wake the thread */
  #waitForWork(): boolean {
    const { memory } = this;
    const words = this.#words;
    const mode = this.#at + MODE;
    const bell = this.#at + BELL;
    const rung = Atomics.load(words, bell);
    Atomics.store(words, mode, RESTING);
    if (memory.queued === 0) Atomics.wait(words, bell, rung, IDLE_BLOCK);
    // If the mode is not RESTING any more, the event loop has woken this thread for a request.
    if (Atomics.compareExchange(words, mode, RESTING, PARKED) !== RESTING) return true;
    return memory.queued > 0 && Atomics.compareExchange(words, mode, PARKED, BUSY) !== LEAVING;
  }
}
