/** The request's content, as Python's `rfile`: read when asked, and no faster. */
/// <reference types="node" preserve="true" />
import { Buffer } from "node:buffer";
import type { Exchange, GoneReason } from "../protocol/exchange.ts";
import { PeerGoneError } from "./errors.ts";

/** A buffer's first size when nobody knows how much will come, or it is much: a length that was announced may be a lie. */
const FIRST_SIZE = 64 * 1024;

/** Reads the content of a request. */
export interface RequestBody {
  /**
   * Reads at most `n` bytes; fewer only at the end of the content. Without `n`, or with -1, all that is left, under the
   * server's `maxBodySize`.
   * @throws {RangeError} when n is NaN, or negative but not -1; {Error} when another read is waiting
   * @returns rejects with PeerGoneError when the rest will never come
   * @source Python's `BufferedIOBase.read`
   */
  read(n?: number): Promise<Buffer>;
}

export class ContentReader implements RequestBody {
  readonly #exchange: Exchange;
  #gone: GoneReason | null = null;
  #consumed = 0;
  #atEnd = false;
  // The read that waits
  #buffer: Buffer = EMPTY;
  #got = 0;
  #want = 0;
  #resolve: ((bytes: Buffer) => void) | null = null;
  #reject: ((error: Error) => void) | null = null;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  read(n: number = -1): Promise<Buffer> {
    if (!(n >= 0) && n !== -1)
      throw new RangeError(`cannot read ${n} bytes: a number of bytes is 0 or more, or -1 for all`);
    if (this.#resolve !== null)
      throw new Error("cannot read: another read is still waiting for content; await it first");
    const exchange = this.#exchange;
    let want = n === -1 ? Infinity : Math.floor(n);
    const { bodyLength } = exchange;
    if (bodyLength >= 0) want = Math.min(want, bodyLength - this.#consumed);
    if (want === 0 || this.#atEnd) return Promise.resolve(Buffer.alloc(0));
    this.#want = want;
    this.#got = 0;
    this.#buffer = Buffer.allocUnsafe(want < FIRST_SIZE ? want : FIRST_SIZE);
    exchange.demand();
    if (this.#fill()) return Promise.resolve(this.#take());
    const promise = new Promise<Buffer>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    promise.catch(ignore); // a handler that went on without it must not bring the process down
    if (this.#gone !== null) this.#fail(this.#gone);
    return promise;
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

  /** Reads what there is. @returns whether that is enough */
  #fill(): boolean {
    if (this.#gone !== null) return false;
    for (;;) {
      let buffer = this.#buffer;
      if (this.#got === buffer.length) {
        const size = Math.min(this.#want, buffer.length * 2);
        this.#buffer = Buffer.allocUnsafe(size);
        buffer.copy(this.#buffer);
        buffer = this.#buffer;
      }
      const n = this.#exchange.readInto(buffer, this.#got, buffer.length - this.#got);
      if (n === 0) return false;
      if (n < 0) {
        this.#atEnd = true;
        return true;
      }
      this.#got += n;
      this.#consumed += n;
      if (this.#got === this.#want) return true;
    }
  }

  #take(): Buffer {
    const bytes = this.#got === this.#buffer.length ? this.#buffer : this.#buffer.subarray(0, this.#got);
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

function ignore(): void {}
