/** Handlers that threads import, and what tests steer them with: words that both see. */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { threadId } from "node:worker_threads";
import { BaseHTTPRequestHandler, PeerGoneError, type ThreadingHTTPServer } from "plinth";

// What the words say
/** 0: handlers that are held wait; so many may go on, or all when it is below 0. */
export const GO = 0;
/** How many handlers have begun, and ended. */
export const BEGUN = 1;
export const ENDED = 2;
/** How many numbers have been written down, and where those are. */
export const NOTED = 3;
export const NOTES = 16;
export const WORDS = 2048;

/** Bytes of which each looks different from those near it. */
export function pattern(length: number, from = 0): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = (from + i) * 7 + ((from + i) >> 8);
  return bytes;
}

export function digest(...pieces: readonly Uint8Array[]): string {
  const hash = createHash("sha1");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

/** The method of a request is a handler of its own here: the path's first part names it, the others are its arguments. */
class Steered extends BaseHTTPRequestHandler {
  get words(): Int32Array {
    return (this.server as ThreadingHTTPServer).threadData as Int32Array;
  }

  get args(): string[] {
    return this.pathname.split("/").slice(2);
  }

  get numbers(): number[] {
    return this.args.map(Number);
  }

  count(word: number): number {
    const before = Atomics.add(this.words, word, 1);
    Atomics.notify(this.words, word);
    return before;
  }

  /** Blocks until the test lets it go. */
  hold(): void {
    this.count(BEGUN);
    for (;;) {
      const go = Atomics.load(this.words, GO);
      if (go < 0) break;
      if (go === 0) Atomics.wait(this.words, GO, 0);
      else if (Atomics.compareExchange(this.words, GO, go, go - 1) === go) break;
    }
    this.count(ENDED);
  }

  note(number: number): void {
    this.words[NOTES + this.count(NOTED)] = number;
  }

  begin(type = "text/plain", length?: number): void {
    this.sendResponse(200);
    this.sendHeader("Content-Type", type);
    if (length !== undefined) this.sendHeader("Content-Length", length);
    this.endHeaders();
  }

  do_GET(): void | Promise<void> {
    const method = (this as unknown as Record<string, unknown>)[this.pathname.split("/")[1]];
    if (typeof method !== "function") throw new Error(`there is no ${this.path}`);
    return method.call(this) as void | Promise<void>;
  }

  do_POST(): void | Promise<void> {
    return this.do_GET();
  }

  quick(): void {
    this.sendText("quick");
  }

  held(): void {
    this.hold();
    this.sendText("held");
  }
}

/** For tests of the queue. */
export class Queued extends Steered {
  static module = import.meta.url;

  /** Writes down that it has run, and says its content back. */
  noted(): void {
    this.note(this.numbers[0]);
    this.sendText(this.rfile.readSync().toString());
  }

  thread(): void {
    this.sendText(String(threadId));
  }

  /** Has its content, which it says nothing of, in hand when it begins. */
  async content(): Promise<void> {
    this.count(BEGUN);
    const { length } = await this.bytes();
    this.sendText(String(length));
  }

  /** Asks its own server, and waits for the response. */
  async asksItself(): Promise<void> {
    this.count(BEGUN);
    const [host, port] = this.server.serverAddress;
    const response = await fetch(`http://${host}:${port}/quick`, { headers: { Connection: "close" } });
    this.sendText(`it said ${await response.text()}`);
  }

  /** As `content`, and is held when it has all of it. */
  async holdsContent(): Promise<void> {
    this.count(BEGUN);
    const { length } = await this.bytes();
    this.hold();
    this.sendText(String(length));
  }

  /** So many bytes in writes of so many, none of which is waited for. */
  large(): void {
    const [size, piece = size] = this.numbers;
    this.begin();
    for (let at = 0; at < size; at += piece) void this.wfile.write(pattern(Math.min(piece, size - at), at));
  }

  /** Says that it runs before it asks for content. */
  async asks(): Promise<void> {
    this.count(BEGUN);
    const content = await this.text();
    this.sendText(content);
  }

  /** Blocks for content. */
  asksSync(): void {
    this.count(BEGUN);
    try {
      this.sendText(this.rfile.readSync().toString());
    } finally {
      this.count(ENDED);
    }
  }
}

/** Has its content when its method is called. */
export class Buffering extends Steered {
  static module = import.meta.url;
  static bufferedBody = 1_000_000;

  buffering(): void {
    const content = this.rfile.readSync();
    this.sendText(`${content.length} ${digest(content)}`);
  }
}

let ticks = 0;
let tickers = 0;

/** For tests of handlers that block. */
export class Blocking extends Steered {
  static module = import.meta.url;

  /** Line for line as Python's: read, compute, write. */
  do_PUT(): void {
    const contentLength = Number(this.headers.get("Content-Length"));
    const requestBody = JSON.parse(this.rfile.readSync(contentLength).toString()) as { val_a: number; val_b: number };
    const response = requestBody.val_a + requestBody.val_b;
    const responseBody = Buffer.from(JSON.stringify({ sum: response }));
    this.sendResponse(200);
    this.sendHeader("Content-Type", "application/json");
    this.sendHeader("Content-Length", responseBody.length);
    this.endHeaders();
    this.wfile.writeSync(responseBody);
  }

  /** All of the content at once. */
  read(): void {
    const content = this.rfile.readSync();
    this.sendText(`${content.length} ${digest(content)} ${this.rfile.readSync(5).length}`);
  }

  /** In pieces of so many bytes. */
  pieces(): void {
    const pieces: Buffer[] = [];
    do pieces.push(this.rfile.readSync(this.numbers[0]));
    while (pieces.at(-1)!.length > 0);
    const sizes = new Set(pieces.slice(0, -2).map(({ length }) => length));
    this.sendText(`${digest(...pieces)} ${[...sizes].join()}`);
  }

  /** As they come. */
  some(): void {
    const pieces: Buffer[] = [];
    do {
      pieces.push(this.rfile.read1Sync());
      if (pieces.length === 1) this.count(BEGUN);
    } while (pieces.at(-1)!.length > 0);
    this.sendText(digest(...pieces));
  }

  /** As they come, into the same memory. */
  into(): void {
    const pieces: Buffer[] = [];
    const memory = Buffer.alloc(1000);
    for (;;) {
      const count = this.rfile.readInto1Sync(memory);
      if (pieces.length === 0) this.count(BEGUN);
      if (count === 0) break;
      pieces.push(Buffer.from(memory.subarray(0, count)));
    }
    this.sendText(digest(...pieces));
  }

  lines(): void {
    const lines: string[] = [];
    for (let line; (line = this.rfile.readLineSync(10).toString("latin1")) !== "";) lines.push(line);
    this.sendJson([...lines, this.trailers?.get("Sum") ?? null]);
  }

  /** Awaits and blocks by turns. */
  async mixed(): Promise<void> {
    const first = await this.rfile.read(3);
    const second = this.rfile.readSync(3);
    const third = await this.rfile.readLine();
    const fourth = this.rfile.readLineSync();
    const rest = await this.rfile.read();
    this.sendJson([first, second, third, fourth, rest].map(String));
  }

  /** Content goes back as it comes. */
  echo(): void {
    this.begin();
    for (let piece; (piece = this.rfile.read1Sync()).length > 0;) this.wfile.writeSync(piece);
    if (this.trailers !== undefined) this.sendTrailer("Came-With", this.trailers.get("Sum")!);
  }

  /** So many writes of so many bytes, announced or not. */
  write(): void {
    const [count, length, isAnnounced] = this.numbers;
    this.begin("text/plain", isAnnounced === 1 ? count * length : undefined);
    for (let i = 0; i < count; i++) {
      const chunk = pattern(length, i * length);
      this.wfile.writeSync(chunk);
      chunk.fill(0); // it may be used again
      this.count(NOTED);
    }
  }

  /** What it says it says before its end. */
  slowly(): void {
    this.begin();
    for (let i = 0; i < 3; i++) {
      this.wfile.writeSync(`${i} `);
      this.wfile.flush();
      this.hold();
    }
  }

  /** Starts what goes on between requests, and says how far that is. */
  ticks(): void {
    if (tickers++ === 0) setInterval(() => ticks++, 1);
    const end = performance.now() + 0.3;
    while (performance.now() < end);
    this.sendText(String(ticks));
  }

  /** Reads until that does not go on, and says in the log why. */
  leftReading(): void {
    this.count(BEGUN);
    try {
      this.rfile.readSync();
    } catch (error) {
      const { reason, code } = error as PeerGoneError;
      this.logMessage("left: %s %s %s %s", error instanceof PeerGoneError, reason, code, this.clientGone);
      throw error;
    } finally {
      this.count(ENDED);
    }
  }

  /** Writes without an end. */
  async leftWriting(): Promise<void> {
    const [method, size] = this.args;
    this.count(BEGUN);
    this.begin();
    const chunk = Buffer.alloc(Number(size));
    try {
      for (; ; this.count(NOTED)) {
        if (method === "write") await this.wfile.write(chunk);
        else this.wfile.writeSync(chunk);
      }
    } catch (error) {
      const { reason } = error as PeerGoneError;
      this.logMessage("left writing: %s, %s, %s", reason, error instanceof PeerGoneError, this.signal.aborted);
      throw error;
    } finally {
      this.count(ENDED);
    }
  }

  /** Writes until the client has left, and a little longer. */
  leftBlocked(): void {
    this.count(BEGUN);
    this.begin();
    const chunk = Buffer.alloc(64 * 1024);
    for (; !this.clientGone; this.count(NOTED)) this.wfile.writeSync(chunk);
    const names: string[] = [];
    for (let i = 0; i < 2; i++) {
      try {
        this.wfile.writeSync("more");
      } catch (error) {
        names.push(error instanceof PeerGoneError ? error.reason : String(error));
      }
    }
    this.logMessage("left blocked: %s, %s", names.join(", "), this.signal.aborted);
    this.count(ENDED);
  }

  /** Writes in one go until the client has left, without waiting for room, and then as much again. */
  leftFlooding(): void {
    this.count(BEGUN);
    this.begin();
    const chunk = Buffer.alloc(64 * 1024);
    const { signal } = this;
    const deadline = performance.now() + 20_000;
    while (!signal.aborted && performance.now() < deadline) void this.wfile.write(chunk);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 10_000; i++) void this.wfile.write(chunk);
    this.logMessage("left flooding: %s", process.memoryUsage().arrayBuffers - before < 50e6);
    this.count(ENDED);
  }

  /** Says more than there is room for at once, in the log or in an interim response, and something in the log behind that. */
  leftSaying(): void {
    const much = "of it ".repeat(200_000);
    if (this.args[0] === "log") this.logMessage("%s", much);
    else this.sendInformational(103, { Much: much });
    this.hold();
    while (!this.clientGone);
    this.logMessage("left: %d, %s", much.length, this.signal.aborted);
  }

  /** Responds with a head of about so many bytes, with a reason phrase of its own where there is one. */
  heads(): void {
    const [status, size] = this.numbers;
    const reason = this.args[2];
    this.sendResponse(status, reason === "none" ? undefined : reason);
    for (let left = size; left > 0; left -= 50_000)
      this.sendHeader("Much", "of it ".repeat(Math.min(left, 50_000) / 6));
    this.endHeaders();
    this.wfile.write("abc");
  }

  /** Computes until the client has left. */
  leftComputing(): void {
    this.count(BEGUN);
    const deadline = performance.now() + 20_000;
    while (!this.clientGone && performance.now() < deadline);
    const { reason } = this.signal;
    this.logMessage("left: %s", reason instanceof PeerGoneError && reason.reason);
    this.count(ENDED);
  }

  async leftWaiting(): Promise<void> {
    const { signal } = this;
    const before = [signal.aborted, this.clientGone];
    const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
    this.count(BEGUN); // from now on, the client may leave
    await aborted;
    this.logMessage("left: %s, %s, %s", before.join(), this.clientGone, (signal.reason as PeerGoneError).reason);
    this.count(ENDED);
  }

  /** Responses a client that only ended its side. */
  halfClosed(): void {
    this.count(BEGUN);
    const deadline = performance.now() + 20_000;
    const { signal } = this;
    do void this.clientGone;
    while (!signal.aborted && performance.now() < deadline);
    this.sendText(`${this.clientGone} ${(signal.reason as PeerGoneError).reason}`);
  }
}

/** For tests of what goes wrong. */
export class Faulty extends Steered {
  static module = import.meta.url;
  chain: object = {};

  begins(): void {
    if (this.args[0] !== "late") return;
    this.begin();
    this.wfile.write("the beginning");
    this.wfile.flush();
    this.hold(); // until its client has it
  }

  throws(): void {
    this.begins();
    throw new Error("thrown on purpose");
  }

  async rejects(): Promise<void> {
    this.begins();
    await sleep(1);
    throw new Error("thrown on purpose");
  }

  exits(): void {
    this.begins();
    process.exit(3);
  }

  async exitsLater(): Promise<void> {
    this.begins();
    await sleep(1);
    process.exit(3);
  }

  timer(): Promise<void> {
    this.begins();
    setTimeout(() => {
      throw new Error("in a timer");
    }, 1);
    return new Promise(() => {});
  }

  /** What was thrown is no Error, and cannot even be made a string. */
  timerThrowsAnything(): Promise<void> {
    setTimeout(() => {
      const thrown: unknown = { toString: null };
      throw thrown;
    }, 1);
    return new Promise(() => {});
  }

  rejection(): Promise<void> {
    this.begins();
    void Promise.reject(new Error("nobody has caught"));
    return new Promise(() => {});
  }

  heap(): void {
    this.begins();
    // Many small things: Node aborts the whole process, or never ends the thread, where a few large ones pass the limit.
    // And where anybody might see them: a compiler leaves out what nobody can.
    for (;;) this.chain = { chain: this.chain };
  }

  loops(): void {
    this.begins();
    for (;;);
  }

  blocks(): void {
    this.begins();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  }

  waits(): Promise<void> {
    this.begins();
    return new Promise(() => {});
  }

  /** Has responded before its thread ends. */
  async respondsAndExits(): Promise<void> {
    this.sendText("responded");
    setImmediate(() => process.exit(0));
  }
}
