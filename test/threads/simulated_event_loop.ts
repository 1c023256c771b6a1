/**
 * The event loop of a server without sockets, as the explorer runs it: real jobs, rings and threads' words; of the executor, in short,
 * what looks and wakes.
 */
import type { ConnectionInfo, Exchange, RequestHead, Sink } from "../../src/protocol/exchange.ts";
import { Fields } from "../../src/protocol/fields.ts";
import { ThreadRequest, type ThreadRequestOwner, type Rings } from "../../src/threads/main/thread_request.ts";
import {
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
} from "../../src/threads/shared/pool_memory.ts";
import type { FromThread } from "../../src/threads/shared/messages.ts";
import { openEnvelope } from "../../src/program/supervised_thread.ts";
import { ContentRing, RecordReader } from "../../src/threads/shared/rings.ts";
import { ThreadHandle } from "../../src/threads/main/thread_handle.ts";
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
  /** The first client sends nothing before all others have their responses. */
  readonly waits?: boolean;
  /** There is a timer that looks whether something waits for long. */
  readonly soon?: boolean;
  /** The clock goes on with each look, so that a thread that works gives its event loop a turn each time. */
  readonly slow?: boolean;
  readonly ringSize?: number;
}

/**
 * "blocks" by read1Sync and writeSync; "awaits" read1 and write; "pours": does not await what it writes; "mixes": awaits read1, and
 * blocks by writeSync; "reads" as "blocks" does, and says nothing back; "responses" at once, and does not read.
 */
export type Handler = "blocks" | "awaits" | "pours" | "mixes" | "reads" | "responses";

/** Which side the event loop is. */
export const LOOP = 0;

/** Where the bits are by which threads call the event loop: in one word here. */
export const ATTENTION = 3 * 32;
const NO_FIELDS = new Fields("", []);
const HEAD: RequestHead = { method: "POST", target: "/", authority: null, version: "HTTP/1.1", fields: NO_FIELDS };

export function layoutOf(play: Play): PoolMemory["layout"] {
  const { threads = 1, requests, ringSize = 32 } = play;
  return { threads, slots: requests.length, headSize: 64, ringSize };
}

/** The thread as the event loop sees it; what it runs is none of these tests' business. */
export function threadsFor(memory: PoolMemory, play: Play): ThreadHandle[] {
  const none = (): void => {};
  return Array.from({ length: play.threads ?? 1 }, (_, index) => {
    const start = { layout: memory.layout, index, startTimeout: Infinity } as ConstructorParameters<
      typeof ThreadHandle
    >[1];
    const thread = new ThreadHandle(memory, start, undefined, {
      onReady: none,
      onMessage: none,
      onStuck: none,
      onEnd: none,
    });
    thread.letGo();
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
  readonly connection: ConnectionInfo = { clientAddress: ["", 0], alpn: null, secure: null };
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

/** The event loop: ThreadExecutor and ThreadPool, in short. */
export class Loop implements Side, ThreadRequestOwner {
  readonly memory: PoolMemory;
  readonly scratch = Buffer.alloc(64);
  readonly #play: Play;
  readonly #threads: readonly ThreadHandle[];
  readonly #clients: Client[];
  readonly #requests: (ThreadRequest | null)[];
  readonly #rings: Rings[] = [];
  readonly #unfinished = new Map<number, ThreadRequest>();
  #event = "";
  #begun = 0;
  #queued = false;
  #soon = false;

  constructor(play: Play, buffer: SharedArrayBuffer, threads: readonly ThreadHandle[], reach: Reach) {
    this.memory = new PoolMemory(layoutOf(play), buffer);
    this.#play = play;
    this.#threads = threads;
    for (const [i, thread] of threads.entries()) thread.post = (message) => reach.post(1 + i, JSON.stringify(message));
    this.#clients = play.requests.map((pieces) => new Client(play, pieces));
    this.#requests = play.requests.map(() => null);
  }

  // All that jobs and rings hold for themselves follows from this.
  get held(): string {
    const clients = this.#clients.map(({ held }) => held);
    const slots = this.#requests.map((request) =>
      request === null ? -1 : this.#clients.indexOf(request.exchange as Client),
    );
    const { words } = this.memory;
    const rings = this.#rings.map(({ response }, slot) => {
      const at = this.memory.slotAt(slot);
      return [response.start, response.length, words[at + OUT_TAKEN], words[at + IN_STATE]];
    });
    const resting = [...this.#unfinished.keys()];
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
    else if (event === "a request comes") new ThreadRequest(this.#clients[this.#begun++], this).begin();
    else if (event === "the turn ends") this.#turnEnded();
    else if (event.endsWith("sends")) client.send();
    else if (event.endsWith("reads")) client.take();
    else this.#wakeNow();
  }

  limitFor(): number {
    return 0;
  }

  requestReady(request: ThreadRequest): void {
    this.#lookLater();
    const slot = this.#requests.indexOf(null);
    if (!request.enter(slot, null)) throw new Error("the head does not fit");
    this.#requests[slot] = request;
    request.ticket = this.memory.push(slot);
  }

  leaveStreams(): void {}
  log(): void {}

  ringsOf(slot: number): Rings {
    return (this.#rings[slot] ??= {
      content: new ContentRing(this.memory, slot),
      response: new RecordReader(this.memory, slot),
    });
  }

  requestDropped(): void {
    throw new Error("no client leaves");
  }

  nudge(thread: number): void {
    this.#threads[thread].nudge();
  }

  requestDone(request: ThreadRequest, unsentFollow: boolean): void {
    this.#requests[request.slot] = null;
    this.memory.free(request.slot);
    request.slot = -1;
    if (unsentFollow) this.#unfinished.set(request.ticket, request);
    else request.exchange.release();
  }

  #hear(sent: unknown): void {
    const message = sent === 0 ? 0 : openEnvelope<FromThread>(sent);
    this.#look();
    if (message === 0) return this.#lookLater();
    const { unsent, ticket } = message as unknown as { unsent: { kind: number; bytes: number[] }[]; ticket: number };
    const request = this.#unfinished.get(ticket)!;
    request.giveUnsent(unsent.map(({ kind, bytes }) => ({ kind, bytes: Uint8Array.from(bytes) })));
    request.exchange.release();
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
    this.memory.eachCall((slot) => this.#requests[slot]?.look());
  }

  /** Counts every thread that is awake, whatever it does: more than ThreadPool does. */
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
