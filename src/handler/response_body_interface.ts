/** The interface by which handlers write the content of a response: `wfile`. */
/// <reference types="node" preserve="true" />

/** Writes the content of a response. */
export interface ResponseBody {
  /**
   * Writes bytes, or a string as UTF-8.
   *
   * If the client leaves, a write that waits resolves. Each later write returns a promise that rejects with PeerGoneError. That rejection
   * never counts as unhandled, so a handler need not catch it. A client that only half-closed still gets its response, and writes go on.
   *
   * A response without content (HEAD, 204, 205, 304) discards what is written. After more than 64 KiB, writes reject in the same way, with
   * the `reason` "head-only".
   * @returns undefined if more may be written at once. A promise if much waits to leave, or if much was written without a pause: it
   *   resolves when there is room again and other handlers have had their turn. The chunk may be reused when `write` has returned
   *   undefined, or when the promise has resolved, which may be after the handler's end
   * @throws {Error} before `endHeaders`, and after the end of the response; {RangeError} past the Content-Length that was announced;
   *   {TypeError} for a chunk that is neither bytes nor a string
   * @source Python's `BufferedIOBase.write`
   */
  write(chunk: Uint8Array | string): void | Promise<void>;
  /**
   * Writes and sends at once, as Python's `write` does, and blocks until the client has taken enough of what was written. It works in
   * handlers of a ThreadingHTTPServer. If the client does not read, memory stays constant. Without a Content-Length the response is sent in
   * chunks.
   * @throws {Error} on the event loop, which must not be blocked; {PeerGoneError} where `write` would reject; and as `write`
   * @source Python's `BufferedIOBase.write`
   */
  writeSync(chunk: Uint8Array | string): void;
  /** Sends at once what has been written, instead of at the end of this turn of the event loop. */
  flush(): void;
  /**
   * Makes a web stream that writes to this response. It waits where `write` does, and fails with PeerGoneError where `write` rejects.
   * Closing it does not end the response: more may be written afterwards.
   * @example await readable.pipeTo(this.wfile.stream(), { signal: this.signal })
   */
  stream(): WritableStream<Uint8Array | string>;
}
