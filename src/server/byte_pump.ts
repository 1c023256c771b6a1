/** Moves the bytes of one connection between its socket and its protocol, and enforces its deadlines. */
import type { Connection } from "../protocol/connection.ts";
import type { ConnectionInfo } from "../protocol/exchange.ts";
import type { ProtocolSelector } from "../protocol/protocol_selector.ts";
import type { Socket, SocketHandler } from "../transport/transport.ts";
import type { StartContext } from "../loop/async_context.ts";
import type { SendQueueObserver, KernelSendQueues } from "./kernel_send_queues.ts";
import { type Carrier, ConnectionHost, type ConnectionHostOwner } from "./connection_host.ts";

/** What all connections of a server share, and the calls by which they report to it. */
export interface BytePumpOwner extends ConnectionHostOwner {
  readonly context: StartContext;
  readonly protocols: ProtocolSelector;
  /** How long a client may take none of the bytes that were written, in milliseconds. */
  readonly sendTimeout: number;
  /** How long a client may send nothing after the server has closed its side, in milliseconds. */
  readonly lingerTimeout: number;
  /** How long the server reads on in all after it has closed its side, in milliseconds. */
  readonly maxLingerTime: number;
  readonly kernelSendQueues: KernelSendQueues;
  /** The connection is closed. Called once. */
  connectionClosed(pump: BytePump): void;
}

export class BytePump implements SocketHandler, Carrier, SendQueueObserver {
  readonly #owner: BytePumpOwner;
  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #connection: Connection;
  /** A batch that the socket has not taken whole; null if it has taken everything. */
  #untaken: Uint8Array | null = null;
  /** For how many milliseconds the client has taken none of the bytes, as far as that is known. */
  #idleTime = 0;
  /** `Socket.waiting` when the client last took something. */
  #socketWaiting: number | undefined = 0;
  /** The last size of the kernel's send queue; -1 if it is not known. */
  #sendQueue = -1;
  #isPaused = false;
  /** How long the client may be silent after the server has closed its side, in milliseconds. */
  #lingerTimeout: number;
  /** `stop` was called: nothing is read or written before `shutdown`. */
  #isStopped = false;
  #isFlushing = false;
  /** When the server has closed its side, by its clock; -1 before. */
  #endedAt = -1;
  /** When the client last sent something since then. */
  #heardAt = 0;
  #isClosed = false;
  /**
   * What `StartContext.presence` has said: whether the event loop calls this in the context of the server's start. 0 before it was
   * asked; -1 if it is not asked.
   */
  #presence = -1;

  constructor(owner: BytePumpOwner, socket: Socket) {
    this.#owner = owner;
    this.#socket = socket;
    this.#host = new ConnectionHost(owner, socket.info, this);
    this.#connection = owner.protocols.connect(this.#host);
    this.#lingerTimeout = owner.lingerTimeout;
    if (socket.keepsContext === true) this.#presence = 0;
  }

  get info(): ConnectionInfo {
    return this.#host.info;
  }

  // The socket's handler

  onData(bytes: Uint8Array, length: number): void {
    if (this.#endedAt >= 0) {
      this.#heardAt = this.#owner.clock.now; // the bytes are dropped
      return;
    }
    if (this.#presence >= 0) this.#presence = this.#owner.context.presence(this.#presence);
    if (this.#presence > 0) this.#receiveInContext(bytes, length);
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
    if (this.#untaken !== null) this.#connection.recycle(this.#untaken);
    this.#untaken = null;
    this.flush();
  }

  onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connection.lost({ kind: "closed" });
    this.#owner.connectionClosed(this);
  }

  // What the server calls

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
    if (this.#untaken !== null) this.#checkProgress();
    if (now >= this.#connection.deadline) this.#connection.tick();
  }

  /**
   * Closes the connection if the client takes none of the bytes for `sendTimeout`. If `Socket.waiting` does not change, the kernel is
   * asked for its send queue. If the kernel has not said anything by twice the `sendTimeout`, the connection is closed without.
   */
  #checkProgress(): void {
    const { sendTimeout, kernelSendQueues, clock } = this.#owner;
    this.#idleTime += clock.step;
    if (this.#socket.waiting !== this.#socketWaiting) this.#progressed();
    else if (this.#idleTime >= 2 * sendTimeout) this.#socket.destroy();
    else if (this.#idleTime >= sendTimeout / 8) kernelSendQueues.ask(this);
  }

  #progressed(): void {
    this.#idleTime = 0;
    this.#socketWaiting = this.#socket.waiting;
    this.#sendQueue = -1;
  }

  /** The first size that comes counts as progress, since the one before it is not known. -1, for unknown, never does. */
  sendQueueIs(bytes: number): void {
    if (this.#untaken === null || this.#isClosed) return;
    if (bytes !== this.#sendQueue) {
      this.#sendQueue = bytes;
      this.#idleTime = 0;
    } else if (this.#idleTime >= this.#owner.sendTimeout) this.#socket.destroy();
  }

  /** The server stops: until `shutdown` is called, nothing more is read, and responses that are ready do not leave. */
  stop(): void {
    if (this.#isClosed) return;
    this.#isStopped = true;
    this.#connection.stop?.();
    this.#settle();
  }

  /** Lets running requests finish, and closes the connection. @param grace the parameter of `Connection.shutdown`, in milliseconds */
  shutdown(grace = 0): void {
    if (this.#isClosed) return;
    this.#isStopped = false;
    if (grace > 0) this.#lingerTimeout = Math.min(this.#lingerTimeout, grace);
    this.#connection.shutdown(grace);
    this.flush();
  }

  /** Closes the connection at once, even if a request runs. */
  cut(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connection.lost({ kind: "shutdown" });
    this.#socket.destroy();
    this.#owner.connectionClosed(this);
  }

  /** Sends the bytes that the protocol has ready, as far as the socket takes them. */
  flush(): void {
    if (this.#isFlushing || this.#isClosed || this.#isStopped) return;
    this.#isFlushing = true;
    while (this.#untaken === null) {
      const batch = this.#connection.pull();
      if (batch === null) break;
      if (this.#socket.write(batch)) {
        this.#connection.recycle(batch);
      } else {
        this.#untaken = batch;
        this.#progressed();
      }
    }
    this.#isFlushing = false;
    this.#settle();
  }

  /** Settles. If the connection is to be closed, sends its last bytes first. */
  #afterInput(): void {
    if (this.#connection.closing === null) this.#settle();
    else this.flush();
  }

  /** Closes, pauses or resumes the socket, as the protocol now wants it. */
  #settle(): void {
    if (this.#isClosed) return;
    const connection = this.#connection;
    if (connection.closing !== null && this.#untaken === null && !this.#isStopped) {
      if (connection.closing === "cut") this.#socket.destroy();
      else if (connection.closing === "reset") this.#socket.reset();
      else if (this.#endedAt < 0) {
        this.#endedAt = this.#heardAt = this.#owner.clock.now;
        this.#socket.end();
      }
    }
    if ((connection.wantsRead && !this.#isStopped) === this.#isPaused) {
      this.#isPaused = !this.#isPaused;
      if (this.#isPaused) this.#socket.pause();
      else this.#socket.resume();
    }
  }
}
