/** The exchange of a handler that has taken too long: it shows the head of the request, and sends nothing. */
import type { ConnectionInfo, Exchange, RequestHead, ResponseWatcher, Sink } from "../protocol/exchange.ts";

/**
 * Takes the place of the exchange after the server has responded instead of the handler. Reads give no bytes, and writes are dropped, so
 * that nothing reaches the client.
 */
export class AbandonedExchange implements Exchange {
  readonly bodyLength = 0;
  readonly waitsForContinue = false;
  readonly trailers = undefined;
  sink: Sink;
  readonly #exchange: Exchange;
  readonly #isReleased: boolean;

  /** @param isReleased true: the server releases the exchange itself; false: it is released when the handler has settled */
  constructor(exchange: Exchange, isReleased: boolean) {
    this.#exchange = exchange;
    this.#isReleased = isReleased;
    this.sink = exchange.sink;
  }

  get head(): RequestHead {
    return this.#exchange.head;
  }

  get connection(): ConnectionInfo {
    return this.#exchange.connection;
  }

  get status(): number {
    return this.#exchange.status;
  }

  get bytesReceived(): number {
    return this.#exchange.bytesReceived;
  }

  get bytesSent(): number {
    return this.#exchange.bytesSent;
  }

  readInto(): number {
    return 0;
  }

  write(): boolean {
    return true;
  }

  retract(): boolean {
    return true;
  }

  limitBody(): void {}
  demand(): void {}
  inform(): void {}
  respond(): void {}
  end(): void {}
  flush(): void {}
  closeConnection(): void {}
  abort(): void {}

  /** Releases the exchange, unless the server does: then the server's own request is its watcher. */
  release(watcher: ResponseWatcher | null = null): void {
    if (!this.#isReleased) this.#exchange.release(watcher);
  }
}
