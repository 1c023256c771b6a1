/** The request's content, as Python's `rfile`: read when asked, and no faster. */
/// <reference types="node" preserve="true" />
import { Buffer } from "node:buffer";
import type { Exchange, GoneReason } from "../protocol/exchange.ts";
import { quote } from "../quote_value.ts";
import { HTTPError, PeerGoneError } from "./errors.ts";

/** A buffer's first size when nobody knows how much will come, or it is much: a length that was announced may be a lie. */
const FIRST_SIZE = 64 * 1024;
/** How much a line's end is looked for in at first. */
const LINE_SIZE = 4 * 1024;
const NEWLINE = 0x0a;

/** What reads give: memory of its own, which is shared with no thread. Web streams and `Response` take no other. */
type Bytes = Buffer<ArrayBuffer>;

/**
 * Reads the content of a request. Reads may be mixed, each goes on where the last one ended, and take turns: one that is made while
 * another waits throws an Error. Where the rest will never come, they reject with PeerGoneError.
 *
 * @example
 * for await (const chunk of this.rfile) await file.write(chunk);
 *
 * @source Python's `io.BufferedIOBase`
 */
export interface RequestBody extends AsyncIterable<Buffer<ArrayBuffer>> {
  /**
   * Reads at most `n` bytes; fewer only at the end of the content. Without `n`, or with -1, all that is left, under the
   * server's `maxBodySize`.
   * @throws {RangeError} when n is NaN, or negative but not -1
   * @source Python's `BufferedIOBase.read`
   */
  read(n?: number): Promise<Buffer<ArrayBuffer>>;
  /**
   * Reads what is there, at most `n` bytes (64 KiB when left out), and waits only when nothing is. Empty at the end of the content.
   * @throws {RangeError} when n is NaN, or negative but not -1
   * @source Python's `BufferedIOBase.read1`
   */
  read1(n?: number): Promise<Buffer<ArrayBuffer>>;
  /**
   * Reads up to a line feed, which the line ends with; without one at the end of the content, or when it is longer than `limit`
   * bytes. Empty at the end of the content. A limit bounds what a client can make a line take.
   * @throws {RangeError} when the limit is NaN, or negative but not -1
   * @source Python's `IOBase.readline`
   */
  readLine(limit?: number): Promise<Buffer<ArrayBuffer>>;
  /**
   * As `read1`, but into memory of the caller's, at most as much as it has room for. For much content it is the cheapest way: nothing
   * is made that has to be cleared away. Until the promise has settled, the memory must not be used otherwise.
   * @returns how many bytes; 0 at the end of the content, and where there is no room
   * @throws {TypeError} when it is no Uint8Array
   * @source Python's `BufferedIOBase.readinto1`
   */
  readInto1(target: Uint8Array): Promise<number>;
  /**
   * As `read`, but blocks until the bytes are there instead of giving a promise: for handlers of a ThreadingHTTPServer, and for
   * those of classes that have `static bufferedBody`, for whom the bytes are there already.
   * @throws {Error} on the event loop otherwise, which must not be blocked; {PeerGoneError} where the rest will never come; and as `read`
   * @source Python's `BufferedIOBase.read`
   */
  readSync(n?: number): Buffer<ArrayBuffer>;
  /** As `read1`, but blocks; throws as `readSync`. @source Python's `BufferedIOBase.read1` */
  read1Sync(n?: number): Buffer<ArrayBuffer>;
  /** As `readInto1`, but blocks; throws as `readSync`. @source Python's `BufferedIOBase.readinto1` */
  readInto1Sync(target: Uint8Array): number;
  /** As `readLine`, but blocks; throws as `readSync`. @source Python's `IOBase.readline` */
  readLineSync(limit?: number): Buffer<ArrayBuffer>;
  /** Gives the rest in chunks, as they come. Python's iterates over lines: that is `readLine`. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer<ArrayBuffer>>;
  /** The rest as a web stream, which reads when it is read. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** What a read that waits is for: so many bytes, whatever there is, a line. */
type Aim = "all" | "some" | "line";

export class RequestBodyReader implements RequestBody {
  readonly #exchange: Exchange;
  #gone: GoneReason | null = null;
  /** How much of the content the exchange has given. */
  #consumed = 0;
  /** What was read behind the end of a line, for the next read. */
  #ahead: Bytes = EMPTY;
  // The read that is under way
  #aim: Aim = "all";
  #buffer: Bytes = EMPTY;
  /** `#buffer` is the caller's. */
  #intoTarget = false;
  #got = 0;
  #want = 0;
  /** All of the content is here. */
  #whole = false;
  #resolve: ((bytes: Bytes) => void) | null = null;
  #reject: ((error: Error) => void) | null = null;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  read(n: number = -1): Promise<Bytes> {
    return this.#read("all", n, FIRST_SIZE);
  }

  read1(n: number = -1): Promise<Bytes> {
    return this.#read("some", n, FIRST_SIZE);
  }

  readLine(limit: number = -1): Promise<Bytes> {
    return this.#read("line", limit, LINE_SIZE);
  }

  readInto1(target: Uint8Array): Promise<number> {
    const memory = viewOf(target);
    if (this.#begin("some", memory.length, 0, memory)) return Promise.resolve(this.#take().length);
    return quiet(this.#wait().then(({ length }) => length));
  }

  readInto1Sync(target: Uint8Array): number {
    const memory = viewOf(target);
    return this.#readSync("some", memory.length, 0, memory).length;
  }

  readSync(n: number = -1): Bytes {
    return this.#readSync("all", n, FIRST_SIZE);
  }

  read1Sync(n: number = -1): Bytes {
    return this.#readSync("some", n, FIRST_SIZE);
  }

  readLineSync(limit: number = -1): Bytes {
    return this.#readSync("line", limit, LINE_SIZE);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Bytes> {
    const next = async (): Promise<IteratorResult<Bytes>> => {
      const value = await this.read1();
      return value.length > 0 ? { value, done: false } : { value: undefined, done: true };
    };
    const iterator: AsyncIterableIterator<Bytes> = {
      next: () => quiet(next()), // a generator's promises could not be
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull: async (controller) => {
          const chunk = await this.read1();
          if (chunk.length > 0) controller.enqueue(chunk);
          else controller.close();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /**
   * Reads all of the content, before anybody asks for it, so that no read will have to wait.
   * @param most how much of it there may be; {HTTPError} 413 where there is more
   * @returns null when it is here already
   */
  readAhead(most: number): Promise<void> | null {
    const { bodyLength } = this.#exchange;
    if (bodyLength > most) throw tooMuch(most);
    // Of content without a length, one byte more than there may be shows that it is too much.
    if (!this.#begin("all", bodyLength < 0 ? most + 1 : -1, FIRST_SIZE))
      return this.#wait().then((bytes) => this.#keep(bytes, most));
    this.#keep(this.#take(), most);
    return null;
  }

  #keep(bytes: Bytes, most: number): void {
    if (bytes.length > most) throw tooMuch(most);
    this.#ahead = bytes;
    this.#whole = this.#exchange.head.method !== "CONNECT"; // behind whose content a tunnel may open
  }

  readable(): void {
    const resolve = this.#resolve;
    if (resolve === null || !this.#fill()) return;
    this.#resolve = this.#reject = null;
    resolve(this.#take());
  }

  gone(why: GoneReason): void {
    if (why.kind === "half-closed") return;
    this.#gone = why;
    if (this.#resolve !== null) this.#fail(why);
  }

  #read(aim: Aim, n: number, firstSize: number): Promise<Bytes> {
    if (this.#begin(aim, n, firstSize)) return Promise.resolve(this.#take());
    return quiet(this.#wait());
  }

  /** What has been begun, once there is enough of it. */
  #wait(): Promise<Bytes> {
    const promise = new Promise<Bytes>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (this.#gone !== null) this.#fail(this.#gone);
    return promise;
  }

  #readSync(aim: Aim, n: number, firstSize: number, target: Bytes | null = null): Bytes {
    if (this.#exchange.block === undefined && !this.#whole)
      throw new Error(`cannot read: ${NO_BLOCKING}, give it a static bufferedBody, or await a read`);
    if (!this.#begin(aim, n, firstSize, target)) {
      do {
        if (this.#gone !== null) {
          this.#buffer = EMPTY;
          throw new PeerGoneError(this.#gone);
        }
        this.#exchange.block!();
      } while (!this.#fill());
    }
    return this.#take();
  }

  /** Begins a read. @returns whether it has all it wants */
  #begin(aim: Aim, n: number, firstSize: number, target: Bytes | null = null): boolean {
    if (!(n >= 0) && n !== -1)
      throw new RangeError(`cannot read ${n} bytes: a number of bytes is 0 or more, or -1 for all`);
    if (this.#resolve !== null)
      throw new Error("cannot read: another read is still waiting for content; await it first");
    const exchange = this.#exchange;
    const ahead = this.#ahead;
    let want = n === -1 ? Infinity : Math.floor(n);
    const { bodyLength } = exchange;
    if (bodyLength >= 0) want = Math.min(want, bodyLength - this.#consumed + ahead.length);
    this.#aim = aim;
    this.#want = want;
    this.#got = 0;
    this.#intoTarget = target !== null;
    if (target !== null) {
      this.#buffer = target;
      this.#got = ahead.copy(target, 0, 0, want);
      this.#ahead = ahead.subarray(this.#got);
      if (this.#got > 0 || want === 0) return true;
    } else {
      if (want === 0) return true;
      if (ahead.length > 0 && this.#readAhead(ahead)) return true;
    }
    if (this.#whole) return true; // though nobody may have said how much it is
    if (this.#got === 0 && target === null) this.#buffer = Buffer.allocUnsafe(Math.min(want, firstSize));
    exchange.demand();
    return this.#fill();
  }

  /** Begins with what an earlier read left. @returns whether that is enough */
  #readAhead(ahead: Bytes): boolean {
    this.#buffer = ahead;
    this.#ahead = EMPTY;
    this.#got = ahead.length;
    return this.#enough(0);
  }

  /** Reads what there is. @returns whether that is enough */
  #fill(): boolean {
    if (this.#gone !== null) return false;
    for (;;) {
      let buffer = this.#buffer;
      if (this.#got === buffer.length) {
        this.#buffer = Buffer.allocUnsafe(Math.min(this.#want, Math.max(buffer.length * 2, LINE_SIZE)));
        buffer.copy(this.#buffer);
        buffer = this.#buffer;
      }
      const from = this.#got;
      const n = this.#exchange.readInto(buffer, from, buffer.length - from);
      if (n === 0) return false;
      if (n < 0) return true; // which is not for ever: a tunnel may open behind the content
      this.#got += n;
      this.#consumed += n;
      if (this.#enough(from)) return true;
    }
  }

  /** Whether the read has what it aims at; what it has too much is kept for the next. @param from where the new bytes begin */
  #enough(from: number): boolean {
    let end = this.#want;
    if (this.#aim === "line") {
      const newline = this.#buffer.subarray(0, this.#got).indexOf(NEWLINE, from);
      if (newline >= 0) end = Math.min(end, newline + 1);
    } else if (this.#aim === "some") {
      end = Math.min(end, this.#got);
    }
    if (this.#got < end) return false;
    if (this.#got > end) {
      this.#ahead = this.#buffer.subarray(end, this.#got);
      this.#buffer = this.#buffer.subarray(0, end);
      this.#got = end;
    }
    return true;
  }

  #take(): Bytes {
    let bytes = this.#buffer;
    // Who keeps what was read must not keep a buffer of many times its size.
    if (!this.#intoTarget && this.#got * 2 < bytes.length) bytes = Buffer.from(bytes.subarray(0, this.#got));
    else if (this.#got < bytes.length) bytes = bytes.subarray(0, this.#got);
    this.#buffer = EMPTY;
    return bytes;
  }

  #fail(why: GoneReason): void {
    const reject = this.#reject!;
    this.#resolve = this.#reject = null;
    this.#buffer = EMPTY;
    reject(new PeerGoneError(why));
  }
}

const EMPTY = Buffer.alloc(0);

/** @throws {TypeError} when it is none that can be read into */
function viewOf(target: Uint8Array): Bytes {
  if (!(target instanceof Uint8Array))
    throw new TypeError(`cannot read into ${quote(target)}: it must be a Uint8Array`);
  // Memory that threads share will do, too: nothing but its length is given on.
  return Buffer.from(target.buffer as ArrayBuffer, target.byteOffset, target.length);
}

function tooMuch(most: number): HTTPError {
  return new HTTPError(413, { detail: `The content may have at most ${most} bytes here.` });
}

/** Why a call that would block is refused. */
export const NO_BLOCKING = "handlers on the event loop must not block: serve the class with a ThreadingHTTPServer";

/** Of a promise that rejects when the client goes: a handler that went on without it must not bring the process down. */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

function ignore(): void {}
