/** What a connection's protocol asks of its server: the time, a handler for each request, and that its bytes leave. */
import type { Host } from "../protocol/connection.ts";
import type { ProtocolError } from "../protocol/errors.ts";
import type { ConnectionInfo, Exchange, Executor } from "../protocol/exchange.ts";
import type { Clock } from "../loop/clock.ts";
import type { FlushScheduler, FlushTask } from "../loop/flush_scheduler.ts";

/** What all connections of a server have in common. */
export interface ConnectionHostOwner {
  readonly clock: Clock;
  readonly scheduler: FlushScheduler;
  readonly executor: Executor;
  /** A peer broke the protocol before there was a request whose line of the log could say so. */
  requestRefused(info: ConnectionInfo, error: ProtocolError): void;
}

/** What moves the bytes of a connection. At the end of a turn, it sends what there is. */
export interface Carrier extends FlushTask {
  /** Sends what there is. */
  flush(): void;
}

/** The half of a connection that knows nothing of sockets: it would be the same where a connection is not one stream of bytes. */
export class ConnectionHost implements Host {
  readonly info: ConnectionInfo;
  readonly #owner: ConnectionHostOwner;
  readonly #carrier: Carrier;
  #isQueued = false;

  constructor(owner: ConnectionHostOwner, info: ConnectionInfo, carrier: Carrier) {
    this.#owner = owner;
    this.info = info;
    this.#carrier = carrier;
  }

  get now(): number {
    return this.#owner.clock.now;
  }

  get date(): string {
    return this.#owner.clock.date;
  }

  start(exchange: Exchange): void {
    this.#owner.executor.start(exchange);
  }

  wake(now: boolean): void {
    if (now) this.#carrier.flush();
    else if (!this.#isQueued) {
      this.#isQueued = true;
      this.#owner.scheduler.add(this.#carrier);
    }
  }

  /** The turn has ended: what is ready from now on is for the end of the next. */
  turnEnded(): void {
    this.#isQueued = false;
  }

  responseComplete(): void {
    if (!this.#owner.scheduler.hold(this.#carrier)) this.#carrier.flush();
  }

  refused(error: ProtocolError, exchange: Exchange | null): void {
    if (exchange === null) this.#owner.requestRefused(this.info, error); // otherwise the request's own line of the log says so
  }
}
