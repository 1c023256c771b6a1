/** The request's content, as Python's `rfile`. It is taken from the exchange only when the handler reads. */
/// <reference types="node" preserve="true" />
import { Buffer } from "node:buffer";
import type { Exchange, GoneReason } from "../protocol/exchange.ts";
import { quote } from "../quote_value.ts";
import { HTTPError, PeerGoneError } from "./errors.ts";

/** The most bytes that a buffer has at first: the content's length may be unknown, and an announced length may be false. */
const FIRST_SIZE = 64 * 1024;
/** The bytes that a line's buffer has at first. */
const LINE_SIZE = 4 * 1024;
const NEWLINE = 0x0a;

/** The result of a read: memory that is shared with no thread. Web streams and `Response` accept no other. */
type Bytes = Buffer<ArrayBuffer>;

/**
 * Reads the content of a request. The methods may be mixed: each read goes on where the last one ended. A read throws an Error while
 * another one still waits. If the rest of the content will never come, reads reject with PeerGoneError.
 *
 * @example
 * for await (const chunk of this.rfile) await file.write(chunk);
 *
 * @source Python's `io.BufferedIOBase`
 */
export interface RequestBody extends AsyncIterable<Buffer<ArrayBuffer>> {
  /**
   * Reads `n` bytes, or fewer at the end of the content. Without `n`, or with -1, it reads all that is left, which `maxBodySize` limits.
   * @throws {RangeError} when n is NaN, or negative but not -1
   * @source Python's `BufferedIOBase.read`
   */
  read(n?: number): Promise<Buffer<ArrayBuffer>>;
  /**
   * Reads what has arrived, at most `n` bytes (64 KiB when left out). It waits only if nothing has arrived. The result is empty at the end
   * of the content.
   * @throws {RangeError} when n is NaN, or negative but not -1
   * @source Python's `BufferedIOBase.read1`
   */
  read1(n?: number): Promise<Buffer<ArrayBuffer>>;
  /**
   * Reads a line, with its line feed. The line feed is missing at the end of the content, and if the line is longer than `limit` bytes. The
   * result is empty at the end of the content. Without a limit, a client's line may take as much memory as `maxBodySize` allows.
   * @throws {RangeError} when the limit is NaN, or negative but not -1
   * @source Python's `IOBase.readline`
   */
  readLine(limit?: number): Promise<Buffer<ArrayBuffer>>;
  /**
   * As `read1`, but reads into `target`, at most its length. This is the cheapest way to read much content, since it makes no buffers. Do not
   * use `target` until the promise has settled.
   * @returns the number of bytes; 0 at the end of the content, and if `target` is empty
   * @throws {TypeError} when `target` is not a Uint8Array
   * @source Python's `BufferedIOBase.readinto1`
   */
  readInto1(target: Uint8Array): Promise<number>;
  /**
   * As `read`, but returns the bytes instead of a promise, and blocks until they have arrived. It works in handlers of a
   * ThreadingHTTPServer, and in classes with `static bufferedBody`, whose content has arrived already.
   * @throws {Error} elsewhere, since the event loop must not be blocked; {PeerGoneError} if the rest will never come; and as `read`
   * @source Python's `BufferedIOBase.read`
   */
  readSync(n?: number): Buffer<ArrayBuffer>;
  /** As `read1`, but blocks; throws as `readSync`. @source Python's `BufferedIOBase.read1` */
  read1Sync(n?: number): Buffer<ArrayBuffer>;
  /** As `readInto1`, but blocks; throws as `readSync`. @source Python's `BufferedIOBase.readinto1` */
  readInto1Sync(target: Uint8Array): number;
  /** As `readLine`, but blocks; throws as `readSync`. @source Python's `IOBase.readline` */
  readLineSync(limit?: number): Buffer<ArrayBuffer>;
  /** Iterates over the rest of the content in chunks, as they arrive. Python's `rfile` iterates over lines: use `readLine` for them. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer<ArrayBuffer>>;
  /** The rest of the content as a web stream. It takes content only when the stream is read. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** What completes a read: all bytes that it asks for, any bytes, or the end of a line. */
type Aim = "all" | "some" | "line";

export class RequestBodyReader implements RequestBody {
  readonly #exchange: Exchange;
  #gone: GoneReason | null = null;
  /** Bytes of content that the exchange has given. */
  #consumed = 0;
  /** Content that the exchange has given and no read has returned: what followed a line, or what `readAhead` has read. */
  #ahead: Bytes = EMPTY;
  // The state of the read that waits
  #aim: Aim = "all";
  #buffer: Bytes = EMPTY;
  /** `#buffer` is the caller's memory. */
  #intoTarget = false;
  /** Bytes that `#buffer` holds. */
  #got = 0;
  /** The most bytes that the read may return. */
  #want = 0;
  /** `readAhead` has read all of the content. */
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
    return this.#read("some", n === -1 ? FIRST_SIZE : n, FIRST_SIZE);
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
    return this.#readSync("some", n === -1 ? FIRST_SIZE : n, FIRST_SIZE);
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
      next: () => quiet(next()), // an async generator would make promises that are not quiet
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
   * Reads all of the content before the handler's method is called, so that no read has to wait.
   * @param most bytes that the content may have
   * @returns null if all of it has arrived; else a promise, which rejects with PeerGoneError if the rest will never come
   * @throws {HTTPError} 413 for more content; the promise rejects with it as well
   */
  readAhead(most: number): Promise<void> | null {
    const { bodyLength } = this.#exchange;
    if (bodyLength > most) throw tooMuch(most);
    // If the length is unknown, one byte more than the limit is asked for: it shows that the content is too large.
    if (!this.#begin("all", bodyLength < 0 ? most + 1 : -1, FIRST_SIZE))
      return this.#wait().then((bytes) => this.#keep(bytes, most));
    this.#keep(this.#take(), most);
    return null;
  }

  #keep(bytes: Bytes, most: number): void {
    if (bytes.length > most) throw tooMuch(most);
    this.#ahead = bytes;
    this.#whole = this.#exchange.head.method !== "CONNECT"; // after the content of a CONNECT, a tunnel may open
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

  /** Waits for the read that has begun. */
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

  /** Begins a read. @returns whether it is complete */
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
      if (ahead.length > 0 && this.#beginWith(ahead)) return true;
    }
    if (this.#whole) return true; // even if the content's length was not announced
    if (this.#got === 0 && target === null) this.#buffer = Buffer.allocUnsafe(Math.min(want, firstSize));
    exchange.demand();
    return this.#fill();
  }

  /** Begins with the bytes that an earlier read has left. @returns whether the read is complete */
  #beginWith(ahead: Bytes): boolean {
    this.#buffer = ahead;
    this.#ahead = EMPTY;
    this.#got = ahead.length;
    return this.#isComplete(0);
  }

  /** Reads what has arrived. @returns whether the read is complete */
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
      if (n < 0) return true; // the end may be passed later: a tunnel may open after the content
      this.#got += n;
      this.#consumed += n;
      if (this.#isComplete(from)) return true;
    }
  }

  /** Whether the read is complete. Keeps surplus bytes for the next read. @param from where the new bytes begin */
  #isComplete(from: number): boolean {
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
    // A handler that keeps a short result should not keep a buffer of more than twice its size.
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

/** A Buffer on the memory of `target`. @throws {TypeError} when `target` is not a Uint8Array */
function viewOf(target: Uint8Array): Bytes {
  if (!(target instanceof Uint8Array))
    throw new TypeError(`cannot read into ${quote(target)}: it must be a Uint8Array`);
  // Memory that threads share is allowed, although the type denies it: callers get only the number of bytes.
  return Buffer.from(target.buffer as ArrayBuffer, target.byteOffset, target.length);
}

function tooMuch(most: number): HTTPError {
  return new HTTPError(413, { detail: `The content may have at most ${most} bytes here.` });
}

/** Why a call that would block is refused, for messages. */
export const NO_BLOCKING = "handlers on the event loop must not block: serve the class with a ThreadingHTTPServer";

/**
 * Marks the rejection of a promise as handled: when the client goes, a handler that does not await the promise must not end the process.
 * @returns the same promise
 */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

function ignore(): void {}
