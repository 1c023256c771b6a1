/** What a connection's protocol needs of its server: the time, a handler for each request, and a call when it has bytes to send. */
import type { Host } from "../protocol/connection.ts";
import type { ProtocolError } from "../protocol/errors.ts";
import type { ConnectionInfo, Exchange, Executor } from "../protocol/exchange.ts";
import type { Clock } from "../loop/clock.ts";
import type { FlushScheduler, FlushTask } from "../loop/flush_scheduler.ts";

/** What all connections of a server share. */
export interface ConnectionHostOwner {
  readonly clock: Clock;
  readonly scheduler: FlushScheduler;
  readonly executor: Executor;
  /** A client has broken the protocol before there was a request, so that no line of a request's log says so. */
  requestRefused(info: ConnectionInfo, error: ProtocolError): void;
}

/** Moves the bytes of a connection. At the end of a turn, it sends the bytes that are ready. */
export interface Carrier extends FlushTask {
  /** Sends the bytes that are ready. */
  flush(): void;
}

/** The half of a connection that does not depend on sockets: it also fits protocols whose connection is not one stream of bytes. */
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

  /** The turn has ended: bytes that are ready from now on leave at the end of the next turn. */
  turnEnded(): void {
    this.#isQueued = false;
  }

  responseComplete(): void {
    if (!this.#owner.scheduler.hold(this.#carrier)) this.#carrier.flush();
  }

  refused(error: ProtocolError, exchange: Exchange | null): void {
    if (exchange === null) this.#owner.requestRefused(this.info, error); // otherwise the request's own line in the log says so
  }
}
