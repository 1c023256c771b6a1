/** Moves the bytes of one connection between its socket and its protocol, and minds its deadlines. */
import type { Connection } from "../protocol/connection.ts";
import type { ConnectionInfo } from "../protocol/exchange.ts";
import type { ProtocolSelector } from "../protocol/protocol_selector.ts";
import type { Socket, SocketHandler } from "../transport/transport.ts";
import type { StartContext } from "../loop/async_context.ts";
import type { Sender, KernelSendQueues } from "./kernel_send_queues.ts";
import { type Carrier, ConnectionHost, type ConnectionHostOwner } from "./connection_host.ts";

/** What all connections of a server have in common, and whom they tell. */
export interface BytePumpOwner extends ConnectionHostOwner {
  readonly context: StartContext;
  readonly protocols: ProtocolSelector;
  /** Milliseconds for which a peer may take nothing of what was written. */
  readonly sendTimeout: number;
  /** Milliseconds for which a peer may send nothing after we have ended our side. */
  readonly lingerTimeout: number;
  /** Milliseconds for which we read on in all after that. */
  readonly maxLingerTime: number;
  readonly kernelSendQueues: KernelSendQueues;
  /** The connection is gone. Comes once. */
  connectionClosed(pump: BytePump): void;
}

export class BytePump implements SocketHandler, Carrier, Sender {
  readonly #owner: BytePumpOwner;
  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #connection: Connection;
  /** What the socket has not taken all of. */
  #blocked: Uint8Array | null = null;
  /** For how many milliseconds of these the peer has taken nothing, as far as it is known. */
  #idle = 0;
  /** How much the socket, and the kernel, held when it last took something. */
  #waiting: number | undefined = 0;
  #sendQueue = -1;
  #paused = false;
  /** For how long the peer may be silent after we have ended our side. */
  #lingerTimeout: number;
  /** Nothing is read or written before `shutdown`. */
  #held = false;
  #flushing = false;
  /** Our side has ended, and when. */
  #endedAt = -1;
  /** When the peer last sent something, from then on. */
  #heardAt = 0;
  #closed = false;
  /** Whether the event loop calls this in the context of the server's start, as `StartContext.presence` has said; 0 before it was asked. */
  #inContext = -1;

  constructor(owner: BytePumpOwner, socket: Socket) {
    this.#owner = owner;
    this.#socket = socket;
    this.#host = new ConnectionHost(owner, socket.info, this);
    this.#connection = owner.protocols.connect(this.#host);
    this.#lingerTimeout = owner.lingerTimeout;
    if (socket.keepsContext === true) this.#inContext = 0;
  }

  get info(): ConnectionInfo {
    return this.#host.info;
  }

  // The socket's handler

  onData(bytes: Uint8Array, length: number): void {
    if (this.#endedAt >= 0) {
      this.#heardAt = this.#owner.clock.now; // it is dropped
      return;
    }
    if (this.#inContext >= 0) this.#inContext = this.#owner.context.presence(this.#inContext);
    if (this.#inContext > 0) this.#receiveInContext(bytes, length);
    else this.#connection.receive(bytes, length);
    this.#afterInput();
  }

  #receiveInContext(bytes: Uint8Array, length: number): void {
    const { context } = this.#owner;
    context.called();
    try {
      this.#connection.receive(bytes, length);
    } finally {
      context.left();
    }
  }

  onEnd(): void {
    this.#connection.receiveEnd();
    this.#afterInput();
  }

  onDrain(): void {
    if (this.#blocked !== null) this.#connection.recycle(this.#blocked);
    this.#blocked = null;
    this.flush();
  }

  onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.lost({ kind: "closed" });
    this.#owner.connectionClosed(this);
  }

  // The server's

  turnEnded(): void {
    this.#host.turnEnded();
    this.flush();
  }

  /** A tick of the clock. */
  tick(now: number): void {
    if (this.#endedAt >= 0) {
      const isSilent = now - this.#heardAt >= this.#lingerTimeout;
      if (isSilent || now - this.#endedAt >= this.#owner.maxLingerTime) this.#socket.destroy();
      return;
    }
    if (this.#blocked !== null) this.#checkProgress();
    if (now >= this.#connection.deadline) this.#connection.tick();
  }

  /** Whether the peer takes what is sent. Where the socket sees nothing of that, the kernel is asked, unless it takes too long to say. */
  #checkProgress(): void {
    const { sendTimeout, kernelSendQueues, clock } = this.#owner;
    this.#idle += clock.step;
    if (this.#socket.waiting !== this.#waiting) this.#progressed();
    else if (this.#idle >= 2 * sendTimeout) this.#socket.destroy();
    else if (this.#idle >= sendTimeout / 8) kernelSendQueues.ask(this);
  }

  #progressed(): void {
    this.#idle = 0;
    this.#waiting = this.#socket.waiting;
    this.#sendQueue = -1;
  }

  /** The kernel's word, where it has one. The first time, nobody knows what has gone before. */
  sendQueueIs(bytes: number): void {
    if (this.#blocked === null || this.#closed) return;
    if (bytes !== this.#sendQueue) {
      this.#sendQueue = bytes;
      this.#idle = 0;
    } else if (this.#idle >= this.#owner.sendTimeout) this.#socket.destroy();
  }

  /** The server stops. What that makes of the responses leaves when `shutdown` is called, and nothing more is read before. */
  stop(): void {
    if (this.#closed) return;
    this.#held = true;
    this.#connection.stop?.();
    this.#settle();
  }

  /** Finishes what runs and closes. @param grace as `Connection.shutdown` has it */
  shutdown(grace = 0): void {
    if (this.#closed) return;
    this.#held = false;
    if (grace > 0) this.#lingerTimeout = Math.min(this.#lingerTimeout, grace);
    this.#connection.shutdown(grace);
    this.flush();
  }

  /** Closes now, whatever runs. */
  cut(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.lost({ kind: "shutdown" });
    this.#socket.destroy();
    this.#owner.connectionClosed(this);
  }

  /** Sends what the protocol has to say, as far as the socket takes it. */
  flush(): void {
    if (this.#flushing || this.#closed || this.#held) return;
    this.#flushing = true;
    while (this.#blocked === null) {
      const batch = this.#connection.pull();
      if (batch === null) break;
      if (this.#socket.write(batch)) {
        this.#connection.recycle(batch);
      } else {
        this.#blocked = batch;
        this.#progressed();
      }
    }
    this.#flushing = false;
    this.#settle();
  }

  /** Before it closes, the last that the connection had to say must leave. */
  #afterInput(): void {
    if (this.#connection.closing === null) this.#settle();
    else this.flush();
  }

  /** Does what the connection wants of the socket, now that something happened. */
  #settle(): void {
    if (this.#closed) return;
    const connection = this.#connection;
    if (connection.closing !== null && this.#blocked === null && !this.#held) {
      if (connection.closing === "cut") this.#socket.destroy();
      else if (connection.closing === "reset") this.#socket.reset();
      else if (this.#endedAt < 0) {
        this.#endedAt = this.#heardAt = this.#owner.clock.now;
        this.#socket.end();
      }
    }
    if ((connection.wantsRead && !this.#held) === this.#paused) {
      this.#paused = !this.#paused;
      if (this.#paused) this.#socket.pause();
      else this.#socket.resume();
    }
  }
}
