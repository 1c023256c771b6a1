/** A handler thread, as the explorer runs it: the real RunLoop and exchanges, and handlers that do what `rfile` and `wfile` do. */
import type { MessagePort } from "node:worker_threads";
import type { Exchange, Sink } from "../../src/protocol/exchange.ts";
import { FieldList } from "../../src/protocol/fields.ts";
import type { FlushScheduler, FlushTask } from "../../src/loop/flush_scheduler.ts";
import type { ThreadExchange } from "../../src/threads/worker/thread_exchange.ts";
import {
  BELL,
  HEAD,
  IN_WAITING,
  IN_WANTED,
  OUT_TAKEN,
  PoolMemory,
  TAIL,
  TICKET,
} from "../../src/threads/shared/pool_memory.ts";
import { RecordWriter } from "../../src/threads/shared/rings.ts";
import { RunLoop } from "../../src/threads/worker/run_loop.ts";
import type { Operation, Reach, Side } from "../support/explorer.ts";
import { type Handler, layoutOf, LOOP, type Play } from "./simulated_event_loop.ts";

/** A thread, and a handler that says back what it hears. */
export class Handling implements Side {
  readonly events: string[] = ["it starts"];
  readonly #play: Play;
  readonly #reach: Reach;
  readonly #memory: PoolMemory;
  readonly #index: number;
  readonly #runLoop: RunLoop;
  readonly #tasks: FlushTask[] = [];
  readonly #micro: (() => void)[] = [];
  readonly #immediates: (() => void)[] = [];
  #time = 0;
  #handler: Echo | null = null;
  #starting = false;
  /** The word that it has looked at last. */
  #last = 0;

  constructor(play: Play, buffer: SharedArrayBuffer, index: number, reach: Reach) {
    const port = {
      postMessage: (message: unknown) => {
        const sent = JSON.stringify(message, (_, value: unknown) => (value instanceof Uint8Array ? [...value] : value));
        reach.post(LOOP, sent);
      },
    };
    this.#play = play;
    this.#reach = reach;
    this.#index = index;
    this.#memory = new PoolMemory(layoutOf(play), buffer);
    this.#runLoop = new RunLoop(this.#memory, index, port as unknown as MessagePort);
  }

  get done(): boolean {
    return this.#runLoop.current === null && this.events.length === 0;
  }

  get held(): string {
    // Nothing of the bell is held, so it may count anew.
    this.#memory.words[this.#memory.threadAt(this.#index) + BELL] = 0;
    const { current } = this.#runLoop;
    const request =
      current === null ? null : [current.ticket, slotOf(this.#memory, current.ticket), this.#handler!.held];
    return JSON.stringify([this.events, request, this.#tasks.length, this.#starting]);
  }

  holdsAt({ kind, index }: Operation): string | null {
    const last = this.#last;
    this.#last = index;
    const wanted = (index - this.#memory.slotAt(0)) % (this.#memory.slotAt(1) - this.#memory.slotAt(0)) === IN_WANTED;
    // About to read, to wait, or to look whether anything waits in the queue.
    if (kind === "exchange" && wanted && index > this.#memory.slotAt(0)) return `demand ${this.held}`;
    if (kind !== "load") return null;
    if (index === this.#memory.threadAt(this.#index) + BELL) return `bell ${this.held}`;
    return index === HEAD && last !== TAIL && this.#runLoop.current === null ? `queue ${this.held}` : null;
  }

  happen(event: string): void {
    const { setImmediate: laterOn } = globalThis;
    const { now } = performance;
    globalThis.setImmediate = ((task: () => void) => this.#immediates.push(task)) as unknown as typeof laterOn;
    performance.now = () => (this.#play.slow === true ? (this.#time += 0.6) : 0);
    try {
      this.#happen(event);
      for (let task; (task = this.#micro.shift()) !== undefined;) task();
    } finally {
      globalThis.setImmediate = laterOn;
      performance.now = now;
    }
    this.events.length = 0;
    if (this.#tasks.length > 0) this.events.push("its turn ends");
    if (this.#immediates.length > 0) this.events.push("its next turn begins");
  }

  #happen(event: string): void {
    if (event === "it starts") {
      const scheduler = { add: (task: FlushTask) => this.#tasks.push(task) };
      const executor = { start: (exchange: Exchange) => this.#start(exchange) } as never;
      this.#runLoop.run(executor, scheduler as unknown as FlushScheduler, { isEnding: false, end() {} });
    } else if (event === "its turn ends") {
      for (const task of this.#tasks.splice(0)) task.turnEnded();
    } else if (event === "its next turn begins") {
      for (const task of this.#immediates.splice(0)) task();
    } else {
      this.#runLoop.look();
    }
  }

  #start(exchange: Exchange): void {
    const later = (task: () => void): void => void this.#micro.push(task);
    const echo = new Echo(exchange as ThreadExchange, this.#runLoop, this.#play, this.#reach, later);
    this.#handler = echo;
    this.#starting = true;
    echo.run();
    this.#starting = false;
  }
}

/** What the calls of `rfile` and `wfile` do, as far as threads are concerned: says back what it reads. */
class Echo implements Sink {
  readonly #exchange: ThreadExchange;
  readonly #bytes: Buffer;
  readonly #kind: Handler;
  readonly #later: (task: () => void) => void;
  readonly #seen: () => unknown;
  #reading = false;
  #full = false;
  /** How long the records are that wait for room, and how much was left of one that was put just now. */
  #rest: number[] = [];
  #left = 0;
  #writing = false;

  constructor(exchange: ThreadExchange, runLoop: RunLoop, play: Play, reach: Reach, later: (task: () => void) => void) {
    const { memory, writer } = runLoop;
    this.#exchange = exchange;
    this.#bytes = Buffer.alloc(play.reads ?? 64);
    this.#kind = play.handler;
    this.#later = later;
    exchange.sink = this;
    const at = memory.slotAt(slotOf(memory, exchange.ticket));
    reach.forget(at + OUT_TAKEN);
    this.#seen = () => [writer.position, writer.unpublished, reach.seen(at + OUT_TAKEN), memory.words[at + IN_WAITING]];
    const { put } = RecordWriter.prototype;
    writer.put = (...args) => {
      const n = put.apply(writer, args);
      this.#left = args[1].length - args[2] - Math.max(n, 0);
      if (!this.#writing && n >= 0 && this.#left === 0) this.#rest.shift();
      else if (!this.#writing && n >= 0) this.#rest[0] = this.#left;
      return n;
    };
  }

  get held(): unknown {
    const { bytesReceived, bytesSent } = this.#exchange;
    return [this.#reading, this.#full, this.#rest, bytesReceived, bytesSent, this.#seen()];
  }

  run(): void {
    const exchange = this.#exchange;
    if (this.#kind === "responses") {
      exchange.respond(200, "OK", NO_FIELDS_LIST, 0);
      return this.#finish();
    }
    exchange.respond(200, "OK", NO_FIELDS_LIST, -1);
    exchange.flush();
    if (this.#kind === "blocks" || this.#kind === "reads") this.#runBlocking();
    else this.#read();
  }

  #runBlocking(): void {
    for (;;) {
      this.#exchange.demand();
      let n;
      while ((n = this.#readInto()) === 0) this.#exchange.block();
      if (n < 0) return this.#finish();
      if (this.#kind === "blocks") this.#writeBlocking(n);
    }
  }

  #read(): void {
    this.#exchange.demand();
    this.#reading = true;
    this.onReadable();
  }

  onReadable(): void {
    if (!this.#reading) return;
    const n = this.#readInto();
    if (n === 0) return;
    this.#reading = false;
    this.#later(() => this.#have(n));
  }

  #have(n: number): void {
    if (n < 0) return this.#finish();
    if (this.#kind === "mixes") this.#writeBlocking(n);
    else this.#write(n);
    if (!this.#full || this.#kind === "pours") this.#later(() => this.#read());
  }

  onWritable(): void {
    if (!this.#full) return;
    this.#full = false;
    if (this.#kind === "awaits") this.#later(() => this.#read());
  }

  onGone(): void {
    throw new Error("no client leaves");
  }

  #readInto(): number {
    return this.#exchange.readInto(this.#bytes, 0, this.#bytes.length);
  }

  #write(n: number): void {
    const waits = this.#rest.length > 0;
    this.#writing = true;
    this.#full = !this.#exchange.write(this.#bytes.subarray(0, n));
    this.#writing = false;
    if (waits) this.#rest.push(n);
    else if (this.#left > 0) this.#rest = [this.#left];
  }

  #writeBlocking(n: number): void {
    this.#exchange.poll();
    this.#write(n);
    this.#exchange.flush();
    while (this.#full) this.#exchange.block();
  }

  #finish(): void {
    this.#exchange.end();
    this.#exchange.release();
  }
}

function slotOf(memory: PoolMemory, ticket: number): number {
  let slot = 0;
  while (memory.words[memory.slotAt(slot) + TICKET] !== ticket) slot++;
  return slot;
}

const NO_FIELDS_LIST = new FieldList();
