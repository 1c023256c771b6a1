/** The event loop and the threads of a server without sockets, as the explorer runs them: what crosses is done by the code itself. */
import type { MessagePort } from "node:worker_threads";
import type { Exchange, Peer, RequestHead, Sink } from "../../src/protocol/exchange.ts";
import { FieldList, Fields } from "../../src/protocol/fields.ts";
import type { Turn, TurnTask } from "../../src/server/turn.ts";
import type { ThreadExchange } from "../../src/threads/exchange.ts";
import { Job, type JobOwner, type Rings } from "../../src/threads/job.ts";
import {
  BELL,
  BUSY,
  DONE,
  GONE,
  HEAD as HEAD_WORD,
  IN_PUT,
  IN_STATE,
  IN_TAKEN,
  IN_WAITING,
  IN_WANTED,
  LOOKING,
  MODE,
  OUT_PUT,
  OUT_TAKEN,
  PoolMemory,
  TAIL,
  TICKET,
} from "../../src/threads/memory.ts";
import { openMessage } from "../../src/threads/messages.ts";
import { ContentRing, RecordReader, RecordWriter } from "../../src/threads/rings.ts";
import { Runner } from "../../src/threads/runner.ts";
import { Thread } from "../../src/threads/thread.ts";
import { MESSAGE, type Operation, type Reach, type Side } from "../support/explorer.ts";

/** What clients and handlers do. */
export interface Play {
  /** How much each request sends: pieces of so many bytes. */
  readonly requests: readonly (readonly number[])[];
  /** A client sends a piece when it has the last one back; otherwise whenever it likes. */
  readonly talks?: boolean;
  /** So many bytes a client takes, and then no more before it has read. */
  readonly takes?: number;
  /** How the handler goes about it: see Handler. */
  readonly handler: Handler;
  /** How much a handler reads at once. */
  readonly reads?: number;
  readonly threads?: number;
  /** The first client sends nothing before all others have their answers. */
  readonly waits?: boolean;
  /** There is a timer that looks whether something waits for long. */
  readonly soon?: boolean;
  /** The clock goes on with each look, so that a thread that works gives its event loop a turn each time. */
  readonly slow?: boolean;
  readonly ringSize?: number;
}

/**
 * "blocks" by read1Sync and writeSync; "awaits" read1 and write; "pours": does not await what it writes; "mixes": awaits read1, and
 * blocks by writeSync; "reads" as "blocks" does, and says nothing back; "answers" at once, and does not read.
 */
export type Handler = "blocks" | "awaits" | "pours" | "mixes" | "reads" | "answers";

const LOOP = 0;

/** Where the bits are by which threads call the event loop: in one word here. */
export const ATTENTION = 3 * 32;
const NO_FIELDS = new Fields("", []);
const HEAD: RequestHead = { method: "POST", target: "/", authority: null, version: "HTTP/1.1", fields: NO_FIELDS };

export function layoutOf(play: Play): PoolMemory["layout"] {
  const { threads = 1, requests, ringSize = 32 } = play;
  return { threads, slots: requests.length, headSize: 64, ringSize };
}

/** The thread as the event loop sees it; what it runs is none of these tests' business. */
export function threadsFor(memory: PoolMemory, play: Play): Thread[] {
  const none = (): void => {};
  return Array.from({ length: play.threads ?? 1 }, (_, index) => {
    const start = { layout: memory.layout, index } as ConstructorParameters<typeof Thread>[1];
    const thread = new Thread(memory, start, undefined, { onReady: none, onMessage: none, onEnd: none });
    thread.end();
    thread.ready = true;
    return thread;
  });
}

/** Which words only one side changes, as memory.ts says; no client leaves here, so GONE is nobody's. */
export function ownWords(memory: PoolMemory, side: number): number[] {
  const { slots, threads } = memory.layout;
  const words: number[] = side === LOOP ? [TAIL] : threads === 1 ? [HEAD_WORD] : [];
  for (let slot = 0; slot < slots; slot++) {
    const at = memory.slotAt(slot);
    if (side === LOOP) words.push(at + IN_PUT, at + OUT_TAKEN, at + IN_STATE);
    else if (threads === 1)
      words.push(at + IN_TAKEN, at + OUT_PUT, at + IN_WAITING, at + IN_WANTED, at + DONE, at + GONE);
  }
  return words;
}

/** A request and its client, as a protocol gives them. */
class Client implements Exchange {
  readonly head = HEAD;
  readonly peer: Peer = ["", 0];
  readonly bodyLength: number;
  readonly waitsForContinue = false;
  readonly trailers = undefined;
  status = 0;
  bytesReceived = 0;
  bytesSent = 0;
  sink!: Sink;
  /** `readInto` has said 0, and nothing has come since. */
  waiting = false;
  /** `write` has said false, and there was no room since. */
  full = false;
  ended = false;
  released = false;
  readonly #play: Play;
  readonly #pieces: readonly number[];
  #sent = 0;
  /** How much of what it has sent was not read, and all that was. */
  #here = 0;
  #read = 0;
  #back = 0;
  #room: number;

  constructor(play: Play, pieces: readonly number[]) {
    this.#play = play;
    this.#pieces = pieces;
    this.#room = play.takes ?? Infinity;
    this.bodyLength = pieces.length === 0 ? 0 : -1;
  }

  get held(): readonly unknown[] {
    return [
      this.waiting,
      this.full,
      this.ended,
      this.released,
      this.status,
      this.#sent,
      this.#here,
      this.#back,
      this.#room,
    ];
  }

  get sends(): boolean {
    const { length } = this.#pieces;
    const sum = this.#pieces.slice(0, this.#sent).reduce((all, piece) => all + piece, 0);
    // The last thing is the end.
    return this.#sent <= length && length > 0 && (this.#play.talks !== true || this.#back === sum);
  }

  send(): void {
    this.#here += this.#pieces[this.#sent++] ?? 0;
    if (!this.waiting) return;
    this.waiting = false;
    this.sink.onReadable();
  }

  take(): void {
    this.full = false;
    this.#room = this.#play.takes!;
    this.sink.onWritable();
  }

  limitBody(): void {}
  demand(): void {}

  readInto(to: Uint8Array, at: number, max: number): number {
    const n = Math.min(max, this.#here);
    for (let i = 0; i < n; i++) to[at + i] = this.#read++;
    this.#here -= n;
    if (n > 0) return n;
    if (this.#sent > this.#pieces.length) return -1;
    this.waiting = true;
    return 0;
  }

  inform(): void {}

  respond(status: number): void {
    this.status = status;
  }

  write(bytes: Uint8Array): boolean {
    for (const byte of bytes)
      if (byte !== (this.#back++ & 0xff)) throw new Error("what has come back is not what was sent");
    this.#room -= bytes.length;
    return !(this.full = this.#room <= 0);
  }

  end(): void {
    this.ended = true;
  }

  flush(): void {}

  retract(): boolean {
    return false;
  }

  closeConnection(): void {}

  abort(): void {
    throw new Error("a response is broken off");
  }

  release(): void {
    const all = this.#play.handler === "reads" ? 0 : this.#pieces.reduce((sum, piece) => sum + piece, 0);
    if (this.status !== 200 || !this.ended || this.#back !== all) throw new Error("a response is not whole");
    this.released = true;
  }
}

/** The event loop: as ThreadExecutor and Crew, in short. */
export class Loop implements Side, JobOwner {
  readonly memory: PoolMemory;
  readonly scratch = Buffer.alloc(64);
  readonly #play: Play;
  readonly #threads: readonly Thread[];
  readonly #clients: Client[];
  readonly #jobs: (Job | null)[];
  readonly #rings: Rings[] = [];
  readonly #resting = new Map<number, Job>();
  #event = "";
  #begun = 0;
  #queued = false;
  #soon = false;

  constructor(play: Play, buffer: SharedArrayBuffer, threads: readonly Thread[], reach: Reach) {
    this.memory = new PoolMemory(layoutOf(play), buffer);
    this.#play = play;
    this.#threads = threads;
    for (const [i, thread] of threads.entries()) thread.post = (message) => reach.post(1 + i, JSON.stringify(message));
    this.#clients = play.requests.map((pieces) => new Client(play, pieces));
    this.#jobs = play.requests.map(() => null);
  }

  // All that jobs and rings hold for themselves follows from this.
  get held(): string {
    const clients = this.#clients.map(({ held }) => held);
    const slots = this.#jobs.map((job) => (job === null ? -1 : this.#clients.indexOf(job.exchange as Client)));
    const { words } = this.memory;
    const rings = this.#rings.map(({ answer }, slot) => {
      const at = this.memory.slotAt(slot);
      return [answer.start, answer.length, words[at + OUT_TAKEN], words[at + IN_STATE]];
    });
    const resting = [...this.#resting.keys()];
    return JSON.stringify([clients, slots, rings, resting, this.#begun, this.#queued, this.#soon]);
  }

  get done(): boolean {
    return this.#clients.every(({ released }) => released);
  }

  get events(): string[] {
    const events: string[] = [];
    if (this.#begun < this.#clients.length) events.push("a request comes");
    if (this.#queued) events.push("the turn ends");
    if (this.#soon) events.push("something may wait for long");
    for (let i = 0; i < this.#begun; i++) {
      const client = this.#clients[i];
      const waits = this.#play.waits === true && i === 0 && !this.#clients.slice(1).every(({ released }) => released);
      if (!client.released && client.sends && !waits) events.push(`client ${i} sends`);
      if (!client.released && client.full) events.push(`client ${i} reads`);
    }
    return events;
  }

  holdsAt({ kind, index }: Operation): string | null {
    // About to look for room for content.
    const isHere = kind === "load" && this.#play.requests.length === 1 && index === this.memory.slotAt(0) + IN_WANTED;
    return isHere ? `${this.#event} ${this.held}` : null;
  }

  happen(event: string): void {
    this.#event = event;
    const client = this.#clients[Number(/\d+/.exec(event)?.[0])];
    if (event.startsWith(MESSAGE)) this.#hear(JSON.parse(event.slice(MESSAGE.length)));
    else if (event === "a request comes") new Job(this.#clients[this.#begun++], this).begin();
    else if (event === "the turn ends") this.#turnEnded();
    else if (event.endsWith("sends")) client.send();
    else if (event.endsWith("reads")) client.take();
    else this.#wakeNow();
  }

  limitFor(): number {
    return 0;
  }

  jobReady(job: Job): void {
    this.#lookLater();
    const slot = this.#jobs.indexOf(null);
    if (!job.enter(slot, null)) throw new Error("the head does not fit");
    this.#jobs[slot] = job;
    job.ticket = this.memory.push(slot);
  }

  leavePlace(): void {}
  log(): void {}

  ringsOf(slot: number): Rings {
    return (this.#rings[slot] ??= {
      content: new ContentRing(this.memory, slot),
      answer: new RecordReader(this.memory, slot),
    });
  }

  jobDropped(): void {
    throw new Error("no client leaves");
  }

  nudge(thread: number): void {
    this.#threads[thread].nudge();
  }

  jobDone(job: Job, restFollows: boolean): void {
    this.#jobs[job.slot] = null;
    this.memory.free(job.slot);
    job.slot = -1;
    if (restFollows) this.#resting.set(job.ticket, job);
    else job.exchange.release();
  }

  #hear(sent: unknown): void {
    const message = openMessage(sent);
    this.#look();
    if (message === 0) return this.#lookLater();
    const { rest, ticket } = message as unknown as { rest: { kind: number; bytes: number[] }[]; ticket: number };
    const job = this.#resting.get(ticket)!;
    job.giveRest(rest.map(({ kind, bytes }) => ({ kind, bytes: Uint8Array.from(bytes) })));
    job.exchange.release();
  }

  #lookLater(): void {
    if (this.#queued) return;
    this.#queued = true;
    Atomics.store(this.memory.words, LOOKING, 1);
  }

  #turnEnded(): void {
    this.#queued = false;
    this.#look();
    const waiting = this.memory.queued;
    if (waiting === 0) return;
    this.#wake(waiting);
    this.#soon = this.#play.soon === true;
  }

  #look(): void {
    Atomics.store(this.memory.words, LOOKING, 0);
    this.memory.eachCall((slot) => this.#jobs[slot]?.look());
  }

  /** Each thread that is awake is counted on, whatever it does: more than Crew does. */
  #wake(count: number): void {
    const { words } = this.memory;
    for (let i = 0; i < this.#threads.length; i++)
      if (Atomics.load(words, this.memory.threadAt(i) + MODE) === BUSY && --count === 0) return;
    this.#rouse(count);
  }

  #rouse(count: number): void {
    for (const thread of this.#threads) if (thread.wake() && --count === 0) return;
  }

  #wakeNow(): void {
    const { queued } = this.memory;
    this.#soon = queued > 0;
    if (queued > 0) this.#rouse(queued);
  }
}

/** A thread, and a handler that says back what it hears. */
export class Handling implements Side {
  readonly events: string[] = ["it starts"];
  readonly #play: Play;
  readonly #reach: Reach;
  readonly #memory: PoolMemory;
  readonly #index: number;
  readonly #runner: Runner;
  readonly #tasks: TurnTask[] = [];
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
    this.#runner = new Runner(this.#memory, index, port as unknown as MessagePort);
  }

  get done(): boolean {
    return this.#runner.current === null && this.events.length === 0;
  }

  get held(): string {
    // Nothing of the bell is held, so it may count anew.
    this.#memory.words[this.#memory.threadAt(this.#index) + BELL] = 0;
    const { current } = this.#runner;
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
    return index === HEAD_WORD && last !== TAIL && this.#runner.current === null ? `queue ${this.held}` : null;
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
      const turn = { add: (task: TurnTask) => this.#tasks.push(task) };
      this.#runner.run({ start: (exchange: Exchange) => this.#start(exchange) } as never, turn as unknown as Turn);
    } else if (event === "its turn ends") {
      for (const task of this.#tasks.splice(0)) task.turnEnded();
    } else if (event === "its next turn begins") {
      for (const task of this.#immediates.splice(0)) task();
    } else {
      this.#runner.look();
    }
  }

  #start(exchange: Exchange): void {
    const later = (task: () => void): void => void this.#micro.push(task);
    const echo = new Echo(exchange as ThreadExchange, this.#runner, this.#play, this.#reach, later);
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

  constructor(exchange: ThreadExchange, runner: Runner, play: Play, reach: Reach, later: (task: () => void) => void) {
    const { memory, writer } = runner;
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
    if (this.#kind === "answers") {
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

const NO_FIELDS_LIST = FieldList.of("");
