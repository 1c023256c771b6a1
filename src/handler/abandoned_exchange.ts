/** What is left of an exchange to a handler that the server does not wait for any more: its head, and an end. */
import type { ConnectionInfo, Exchange, RequestHead, ResponseWatcher, Sink } from "../protocol/exchange.ts";

/**
 * Takes the place of the exchange once the server has responded instead of the handler: reads give nothing, writes are dropped, and
 * nothing reaches the client.
 */
export class AbandonedExchange implements Exchange {
  readonly bodyLength = 0;
  readonly waitsForContinue = false;
  readonly trailers = undefined;
  sink: Sink;
  readonly #exchange: Exchange;
  readonly #isReleased: boolean;

  /** @param isReleased whether the exchange has been released already; otherwise it is when the handler comes to its end */
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

  /** Where the exchange was released, its watcher was told. */
  release(watcher: ResponseWatcher | null = null): void {
    if (!this.#isReleased) this.#exchange.release(watcher);
  }
}
