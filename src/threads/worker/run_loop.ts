/** What a thread does all day: takes requests from the queue, one at a time, and runs their handlers. */
import { performance } from "node:perf_hooks";
import process from "node:process";
import type { MessagePort } from "node:worker_threads";
import type { Executor } from "../../protocol/exchange.ts";
import type { FlushScheduler, FlushTask } from "../../loop/flush_scheduler.ts";
import { type Desk, ThreadExchange } from "./thread_exchange.ts";
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
} from "../shared/memory.ts";
import { ContentRing, RecordWriter, type Rest } from "../shared/rings.ts";

/** How long a thread without work blocks, and can be woken cheaply, before it leaves that to its event loop. In milliseconds. */
const REST = 0.2;
/** How long a thread with work goes on before its event loop has a turn: for timers and sockets of the handlers'. In milliseconds. */
const STRETCH = 1;

export class RunLoop implements Desk {
  readonly memory: PoolMemory;
  readonly writer: RecordWriter;
  /** What runs now. */
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
  #working = false;
  /** The handler's first stretch runs; it may settle before it ends. */
  #starting = false;
  #task: FlushTask | null = null;
  #turnBegan = 0;
  /** When the handler was started. */
  #began = 0;
  /** When it settled, where that was just now; 0 elsewhere. */
  #settledAt = 0;
  #turnPlanned = false;
  #uncaughtErrors: Pick<UncaughtErrors, "isEnding" | "end"> | null = null;

  constructor(memory: PoolMemory, index: number, port: MessagePort) {
    this.memory = memory;
    this.writer = new RecordWriter(memory);
    this.#index = index;
    this.#words = memory.words;
    this.#at = memory.threadAt(index);
    this.#port = port;
  }

  /** The route of the request that runs, where a router elsewhere has found it. */
  get route(): Route | null {
    return this.current?.head.route ?? null;
  }

  /** Begins to take requests. @param leftovers says when the thread is to end behind the request that runs */
  run(executor: Executor, scheduler: FlushScheduler, uncaughtErrors: Pick<UncaughtErrors, "isEnding" | "end">): void {
    this.#executor = executor;
    this.#scheduler = scheduler;
    this.#uncaughtErrors = uncaughtErrors;
    this.#work();
  }

  /** A message says that there is something to look at. */
  look(): void {
    Atomics.store(this.#words, this.#at + MAIL, 0);
    this.#turnBegan = performance.now();
    if (this.current !== null) this.current.poll();
    else this.#work();
  }

  // The desk of the exchange that runs

  contentOf(slot: number): ContentRing {
    return (this.#contents[slot] ??= new ContentRing(this.memory, slot));
  }

  call(slot: number): void {
    if (this.memory.callFor(slot)) this.#port.postMessage(0);
  }

  atTurnEnd(task: FlushTask): void {
    if (this.#starting) this.#task = task;
    else this.#scheduler!.add(task);
  }

  wait(isReady: () => boolean): void {
    const words = this.#words;
    const bell = this.#at + BELL;
    for (;;) {
      const rung = Atomics.load(words, bell);
      // Who rings looks at the mode behind what it rings for: what comes after this look wakes.
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

  sendRest(ticket: number, records: readonly Rest[]): void {
    this.#port.postMessage(
      { plinth: { rest: records, ticket } },
      records.map(({ bytes }) => bytes.buffer as ArrayBuffer),
    );
  }

  settling(slot: number): void {
    this.#settledAt = performance.now();
    this.memory.numbers[this.memory.numbersAt(slot) + TOOK] = this.#settledAt - this.#began;
  }

  released(): void {
    this.current = null;
    this.#task = null;
    if (!this.#working) this.#work();
  }

  // Taking requests

  readonly #work = (): void => {
    if (this.current !== null || this.#working) return;
    const mode = this.#at + MODE;
    if (Atomics.compareExchange(this.#words, mode, PARKED, BUSY) === LEAVING) return;
    this.#working = true;
    while (this.current === null) {
      this.#endIfAsked();
      if (this.#uncaughtErrors?.isEnding === true) {
        this.#uncaughtErrors.end();
        break;
      }
      const time = this.#settledAt === 0 ? performance.now() : this.#settledAt;
      this.#settledAt = 0;
      if (time - this.#turnBegan > STRETCH) {
        this.#planTurn();
        break;
      }
      const slot = this.memory.take(this.#index);
      if (slot >= 0) this.#start(slot, time);
      else if (!this.#rest()) break;
    }
    this.#working = false;
  };

  /** Where a runtime does not end a thread from outside, it ends itself. */
  #endIfAsked(): void {
    if (Atomics.load(this.#words, this.#at + ENDING) === 1) process.exit(0);
  }

  #planTurn(): void {
    if (this.#turnPlanned) return;
    this.#turnPlanned = true;
    setImmediate(() => {
      this.#turnPlanned = false;
      this.#turnBegan = performance.now();
      this.#work();
    });
  }

  #start(slot: number, time: number): void {
    this.#began = time;
    const started = time + origin;
    this.memory.numbers[this.memory.numbersAt(slot) + STARTED] = started;
    this.#words[this.#at + SINCE] = started * 1000;
    this.#words[this.#at + COUNT]++;
    const exchange = (this.current = new ThreadExchange(this, slot));
    this.#starting = true;
    this.#executor!.start(exchange);
    this.#starting = false;
    // It waits for something, so there will be an end of this turn.
    if (this.current === exchange) {
      if (this.#task !== null) this.#scheduler!.add(this.#task);
      exchange.poll();
    }
    this.#task = null;
  }

  /** There is nothing to do. @returns whether there is again; else a message will say so */
  #rest(): boolean {
    const { memory } = this;
    const words = this.#words;
    const mode = this.#at + MODE;
    const bell = this.#at + BELL;
    const rung = Atomics.load(words, bell);
    Atomics.store(words, mode, RESTING);
    if (memory.queued === 0) Atomics.wait(words, bell, rung, REST);
    // Otherwise the event loop has counted on this thread.
    if (Atomics.compareExchange(words, mode, RESTING, PARKED) !== RESTING) return true;
    return memory.queued > 0 && Atomics.compareExchange(words, mode, PARKED, BUSY) !== LEAVING;
  }
}
