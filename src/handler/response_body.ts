/** What handlers write the content of a response to. */
/// <reference types="node" preserve="true" />

/** Writes the content of a response. */
export interface ResponseBody {
  /**
   * Writes bytes, or a string as UTF-8.
   * @returns undefined when taken; when much is waiting to leave, or has been written without a pause, a promise that resolves
   *   when there is room again, and others have had their turn. The chunk may be reused when it has returned undefined, or the promise
   *   has resolved, which may be after the handler's end. A write that waits when the client leaves resolves. Each later write
   *   returns a promise that rejects with PeerGoneError; it never causes an unhandled rejection, so nobody needs to catch it.
   *   A response without content (HEAD, 204, 205, 304) discards what is written: once that is more than 64 KiB, writes reject in the
   *   same way, with the `reason` "head-only". A client that only half-closed still gets its response: writes to it go on.
   * @throws {Error} before `endHeaders`, after the end; {RangeError} past the Content-Length that was announced
   * @source Python's `BufferedIOBase.write`
   */
  write(chunk: Uint8Array | string): void | Promise<void>;
  /**
   * Writes and sends at once, as Python's does, and blocks until the client has taken enough of what was written before: for
   * handlers of a ThreadingHTTPServer. What it writes to a client that does not read leaves memory constant. Without a
   * Content-Length the response goes out in chunks.
   * @throws {Error} on the event loop, which must not be blocked; {PeerGoneError} where `write` would reject; and as `write`
   * @source Python's `BufferedIOBase.write`
   */
  writeSync(chunk: Uint8Array | string): void;
  /** Sends what has been written now, instead of at the end of this turn of the event loop. */
  flush(): void;
  /**
   * As a web stream, which waits where `write` does, and fails with PeerGoneError where `write` rejects. To close it ends nothing:
   * more may be written behind it.
   * @example await readable.pipeTo(this.wfile.stream(), { signal: this.signal })
   */
  stream(): WritableStream<Uint8Array | string>;
}
