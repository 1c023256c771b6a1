/** Carries one connection: moves bytes between a socket and a protocol, and minds its deadlines. */
import type { Connection, Exchange, Executor, Host, Peer } from "../protocol/exchange.ts";
import type { ProtocolError } from "../protocol/errors.ts";
import type { Socket, SocketHandler } from "../transport/transport.ts";
import type { Clock } from "./clock.ts";
import type { Turn, TurnTask } from "./turn.ts";

/** What links have in common, and whom they tell. */
export interface LinkOwner {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly executor: Executor;
  /** Milliseconds in which what was written must leave. */
  readonly sendTimeout: number;
  /** Milliseconds that a peer has to close its side after we have closed ours. */
  readonly lingerTimeout: number;
  linkRefused(link: Link, error: ProtocolError): void;
  linkClosed(link: Link): void;
}

export class Link implements Host, SocketHandler, TurnTask {
  readonly #owner: LinkOwner;
  readonly #socket: Socket;
  readonly #connection: Connection;
  /** What the socket has not taken all of. */
  #blocked: Uint8Array | null = null;
  #blockedSince = 0;
  #paused = false;
  #queued = false;
  #flushing = false;
  /** Our side has ended, and when. */
  #endedAt = -1;
  #closed = false;

  /** @param connect makes the protocol of this connection, for this host */
  constructor(owner: LinkOwner, socket: Socket, connect: (host: Host) => Connection) {
    this.#owner = owner;
    this.#socket = socket;
    this.#connection = connect(this);
  }

  // The protocol's host

  get now(): number {
    return this.#owner.clock.now;
  }

  get date(): string {
    return this.#owner.clock.date;
  }

  get peer(): Peer {
    return this.#socket.peer;
  }

  start(exchange: Exchange): void {
    this.#owner.executor.start(exchange);
  }

  wake(now: boolean): void {
    if (now) this.#flush();
    else if (!this.#queued) {
      this.#queued = true;
      this.#owner.turn.add(this);
    }
  }

  answered(): void {
    if (!this.#owner.turn.hold(this)) this.#flush();
  }

  refused(error: ProtocolError, exchange: Exchange | null): void {
    if (exchange === null) this.#owner.linkRefused(this, error); // otherwise the request's own line of the log says so
  }

  // The socket's handler

  onData(bytes: Uint8Array, length: number): void {
    this.#connection.receive(bytes, length);
    this.#afterInput();
  }

  onEnd(): void {
    this.#connection.receiveEnd();
    this.#afterInput();
  }

  onDrain(): void {
    if (this.#blocked !== null) this.#connection.recycle(this.#blocked);
    this.#blocked = null;
    this.#flush();
  }

  onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.lost({ kind: "closed" });
    this.#owner.linkClosed(this);
  }

  // The server's

  turnEnded(): void {
    this.#queued = false;
    this.#flush();
  }

  /** A tick of the clock. */
  tick(now: number): void {
    if (this.#endedAt >= 0 && now - this.#endedAt >= this.#owner.lingerTimeout) this.#socket.destroy();
    else if (this.#blocked !== null && now - this.#blockedSince >= this.#owner.sendTimeout) this.#socket.destroy();
    else if (now >= this.#connection.deadline) this.#connection.tick();
  }

  /** Finishes what runs and closes. */
  shutdown(): void {
    if (!this.#closed) this.#connection.shutdown();
  }

  /** Closes now, whatever runs. */
  cut(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.lost({ kind: "shutdown" });
    this.#socket.destroy();
    this.#owner.linkClosed(this);
  }

  #flush(): void {
    if (this.#flushing || this.#closed) return;
    this.#flushing = true;
    while (this.#blocked === null) {
      const batch = this.#connection.pull();
      if (batch === null) break;
      if (this.#socket.write(batch)) {
        this.#connection.recycle(batch);
      } else {
        this.#blocked = batch;
        this.#blockedSince = this.#owner.clock.now;
      }
    }
    this.#flushing = false;
    this.#settle();
  }

  /** Before it closes, the last that the connection had to say must leave. */
  #afterInput(): void {
    if (this.#connection.closing === null) this.#settle();
    else this.#flush();
  }

  /** Does what the connection wants of the socket, now that something happened. */
  #settle(): void {
    if (this.#closed) return;
    const connection = this.#connection;
    if (connection.closing !== null && this.#blocked === null) {
      if (connection.closing === "cut") this.#socket.destroy();
      else if (connection.closing === "reset") this.#socket.reset();
      else if (this.#endedAt < 0) {
        this.#endedAt = this.#owner.clock.now;
        this.#socket.end();
      }
    }
    if (connection.wantsRead === this.#paused) {
      this.#paused = !this.#paused;
      if (this.#paused) this.#socket.pause();
      else this.#socket.resume();
    }
  }
}
