/**
 * A spike, kept as a test. The question: does the seam (src/protocol/exchange.ts) carry handlers that run, and block, in a
 * thread of their own, with nothing between the threads but shared memory, and without the main thread ever waiting?
 *
 * It does, and these are the promises that it takes:
 * - `readInto` fills a slot of shared memory itself and `write` has copied when it returns: content is copied once a way.
 * - Backpressure is "stop": not asked, a protocol keeps its content; not taken from, the ring fills and the thread blocks.
 * - When the peer is gone, writes vanish. So the main thread just goes on taking until the handler, which is told by a word in
 *   shared memory, has settled; whatever was still promised (`onReadable`, `onWritable`) is not waited for any more.
 * - `release` alone frees a slot. It comes last: the next request may be started from inside of it.
 * - A mistake that `write` throws for is found here, long after the handler's call has returned. A thread that wants to throw
 *   at the call has to keep the same account. (`abort` is not like a peer that is gone: behind it, writes throw.)
 * - What an executor holds, here its threads, it lets go when its server tells it to, by `close`.
 */
import { Worker } from "node:worker_threads";
import type { Exchange, Executor, GoneReason, Sink } from "../../src/protocol/exchange.ts";
import { FieldList } from "../../src/protocol/fields.ts";
import * as ring from "./thread_ring.ts";

const { BELL, WAKING, WANTED, CANCELLED } = ring.SharedLine;
const PROGRAM = new URL(`./thread_worker${import.meta.url.slice(-3)}`, import.meta.url);

/** Runs requests for /… in threads, one at a time in each, and hands the others on to another executor. */
export class ThreadExecutor implements Executor {
  readonly threads: readonly Thread[];
  readonly #others: Executor;
  readonly #waiting: Job[] = [];
  #running = 0;
  #drained: (() => void)[] = [];

  constructor(count: number, others: Executor) {
    this.#others = others;
    this.threads = Array.from({ length: count }, () => new Thread());
  }

  get running(): number {
    return this.#running + this.#others.running;
  }

  start(exchange: Exchange): void {
    if (exchange.head.target.startsWith("/loop")) return this.#others.start(exchange);
    this.#running++;
    const job = new Job(exchange, () => this.#settled(job));
    this.#waiting.push(job);
    this.#next();
  }

  async drain(): Promise<void> {
    await this.#others.drain();
    if (this.#running > 0) await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  /** Ends the threads, whatever they do. */
  async close(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.close()));
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      const thread = this.threads.find((thread) => thread.free);
      if (thread === undefined) return;
      thread.run(this.#waiting.shift()!);
    }
  }

  #settled(job: Job): void {
    const at = this.#waiting.indexOf(job);
    if (at >= 0) this.#waiting.splice(at, 1);
    this.#running--;
    job.exchange.release(); // may start the next one, before it returns
    this.#next();
    if (this.#running > 0) return;
    for (const resolve of this.#drained.splice(0)) resolve();
  }
}

/** An exchange on its way through a thread: what the protocol has said of it. */
class Job implements Sink {
  readonly exchange: Exchange;
  readonly settle: () => void;
  /** Where it runs; null while it waits for a thread. */
  thread: Thread | null = null;
  /** `readInto` may be asked. */
  readable = true;
  /** `write` may be called. */
  writable = true;

  constructor(exchange: Exchange, settle: () => void) {
    this.exchange = exchange;
    this.settle = settle;
    exchange.sink = this;
  }

  onReadable(): void {
    this.readable = true;
    this.thread?.pump();
  }

  onWritable(): void {
    this.writable = true;
    this.thread?.pump();
  }

  onGone(why: GoneReason): void {
    if (why.kind === "half-closed") return;
    this.writable = true;
    if (this.thread !== null) this.thread.cancel();
    else this.settle();
  }
}

class Thread {
  readonly line = new ring.SharedLine();
  readonly #worker: Worker;
  #alive = true;
  #job: Job | null = null;
  #number = 0;
  /** A text that goes to the thread as there is room. */
  #text: Uint8Array | null = null;
  #textKind = 0;
  /** What has come of a text so far. */
  #answer = "";
  #demanded = false;
  #bodyEnded = false;
  /** The handler has made a mistake: its answer was aborted. */
  #aborted = false;
  #pumping = false;
  #again = false;

  constructor() {
    this.#worker = new Worker(PROGRAM, { workerData: this.line.memory });
    this.#worker.on("message", () => {
      Atomics.store(this.line.words, WAKING, 0);
      this.pump();
    });
    // However a thread ends, its exchange is released: unless it has ended its answer, that cuts it.
    this.#worker.on("exit", () => {
      this.#alive = false;
      this.#settled();
    });
  }

  get free(): boolean {
    return this.#alive && this.#job === null;
  }

  run(job: Job): void {
    const { method, target, fields } = job.exchange.head;
    const head: ring.SentHead = { number: ++this.#number, method, target, fields: [...fields] };
    this.#job = job;
    this.#demanded = this.#bodyEnded = this.#aborted = false;
    this.#send(ring.HEAD, head);
    job.thread = this;
    this.pump();
  }

  cancel(): void {
    Atomics.store(this.line.words, CANCELLED, this.#number);
    this.#ring();
    this.pump();
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  /** Moves what can be moved, both ways, and never waits. What stands still is taken up by the next message or sink call. */
  pump(): void {
    this.#again = true;
    if (this.#pumping) return; // called from inside: `readInto` may say `onGone`
    this.#pumping = true;
    while (this.#again) {
      this.#again = false;
      const job = this.#job;
      if (job === null) break;
      if (this.#sendText()) this.#sendBody(job);
      this.#takeAnswer(job);
    }
    this.#pumping = false;
  }

  #send(kind: number, value: unknown): void {
    this.#textKind = kind;
    this.#text = Buffer.from(JSON.stringify(value), "latin1");
  }

  /** @returns whether all of the text is in the ring */
  #sendText(): boolean {
    while (this.#text !== null) {
      const room = this.line.toThread.room;
      if (room === null) return false;
      const piece = this.#text.subarray(0, ring.SLOT_SIZE);
      room.set(piece);
      const last = piece.length === this.#text.length;
      this.line.toThread.put(last ? this.#textKind : this.#textKind | ring.MORE, piece.length);
      this.#text = last ? null : this.#text.subarray(piece.length);
      this.#ring();
    }
    return true;
  }

  #sendBody(job: Job): void {
    const { exchange } = job;
    const { toThread, words } = this.line;
    if (this.#bodyEnded || Atomics.load(words, WANTED) !== this.#number) return;
    if (!this.#demanded) {
      this.#demanded = true;
      exchange.demand();
    }
    while (job.readable) {
      const room = toThread.room;
      if (room === null) return;
      const n = exchange.readInto(room, 0, room.length);
      if (n === 0) {
        job.readable = false;
      } else if (n > 0) {
        toThread.put(ring.DATA, n);
        this.#ring();
      } else {
        this.#bodyEnded = true;
        this.#send(ring.BODY_END, exchange.trailers === undefined ? null : [...exchange.trailers]);
        this.#again = true;
        return;
      }
    }
  }

  #takeAnswer(job: Job): void {
    const { toMain } = this.line;
    while (job.writable && toMain.kind !== 0) {
      const { kind } = toMain;
      try {
        if (!this.#aborted) this.#give(job, kind, toMain.bytes);
      } catch {
        // It cannot be thrown where it was made any more. What follows is dropped, as nobody may write behind an abort.
        this.#aborted = true;
        job.exchange.abort();
        Atomics.store(this.line.words, CANCELLED, this.#number);
      }
      toMain.take();
      this.#ring();
      if (kind === ring.SETTLED) return this.#settled();
    }
  }

  #give(job: Job, kind: number, bytes: Uint8Array): void {
    const { exchange } = job;
    if ((kind & ~ring.MORE) === ring.DATA) {
      job.writable = exchange.write(bytes);
      return;
    }
    this.#answer += Buffer.from(bytes).toString("latin1");
    if (kind === ring.ANSWER) {
      const { status, reason, fields, length } = this.#takeText() as ring.SentAnswer;
      exchange.respond(status, reason, fieldList(fields), length);
    } else if (kind === ring.ANSWER_END) {
      const trailers = this.#takeText() as [string, string][] | null;
      exchange.end(trailers === null ? undefined : fieldList(trailers));
    }
  }

  #takeText(): unknown {
    const text = this.#answer;
    this.#answer = "";
    return JSON.parse(text);
  }

  #settled(): void {
    const job = this.#job;
    this.#job = null;
    this.#text = null;
    this.#answer = "";
    if (job === null) return;
    job.settle();
  }

  #ring(): void {
    Atomics.add(this.line.words, BELL, 1);
    Atomics.notify(this.line.words, BELL);
  }
}

function fieldList(pairs: [string, string][]): FieldList {
  const fields = new FieldList();
  for (const [name, value] of pairs) fields.add(name, value);
  return fields;
}
