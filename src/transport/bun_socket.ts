/** A connection on Bun's own sockets, and the parts of Bun's API that this library uses: https://bun.com/reference/bun/listen */
import type { ConnectionInfo } from "../protocol/exchange.ts";
import type { Socket, SocketHandler } from "./transport.ts";

declare const Bun: { listen(options: BunListenOptions): BunListener };

/** Listens. @throws {Error} with its `code` */
export function bunListen(options: Omit<BunListenOptions, "allowHalfOpen">): BunListener {
  return Bun.listen({ allowHalfOpen: true, ...options });
}

export interface BunListenOptions {
  readonly hostname?: string;
  readonly port?: number;
  readonly unix?: string;
  /** The file descriptor of a socket that is bound, or listens already. */
  readonly fd?: number;
  readonly allowHalfOpen: boolean;
  readonly reusePort?: boolean;
  readonly tls?: {
    readonly cert: string;
    readonly key: string;
    readonly ciphers: string;
    /** As they are sent: the length of each name is a byte before it. */
    readonly ALPNProtocols: string;
  };
  readonly socket: {
    readonly open: (socket: BunSocket) => void;
    /** Called with TLS only. @param error why it has failed; also set if it went well, and the client has no certificate */
    readonly handshake?: (socket: BunSocket, wentWell: boolean, error: Error | null) => void;
    readonly data: (socket: BunSocket, bytes: Uint8Array) => void;
    readonly end: (socket: BunSocket) => void;
    readonly drain: (socket: BunSocket) => void;
    readonly close: (socket: BunSocket) => void;
    /** Called with errors that the other callbacks have thrown. */
    readonly error: (socket: BunSocket, error: unknown) => void;
  };
}

export interface BunListener {
  readonly port: number;
  /** Sets the address that the listener is bound to; not documented. Sets nothing for a Unix socket. */
  getsockname?(to: { address?: string; port?: number }): void;
  stop(): void;
}

export interface BunSocket {
  data: BunEvents;
  /** Its file descriptor. Not documented. */
  readonly fd?: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** @returns how many bytes the kernel has taken; -1 if the socket is gone */
  write(bytes: Uint8Array): number;
  /** Closes the server's side. */
  shutdown(): void;
  /** Closes both sides; "close" is called before it returns. */
  close(): void;
  /** Closes with a reset; "close" is called before it returns. */
  terminate(): void;
  pause(): void;
  resume(): void;
  /** With TLS, the protocol that was negotiated; false if none was. */
  readonly alpnProtocol?: string | false;
  getServername?(): string | undefined;
  getTLSVersion?(): string;
  /** Presents another certificate, if the handshake has not begun. Not documented. @param context the native part of a context of `node:tls` */
  setKeyCert?(context: unknown): void;
}

/** What a socket's events are passed to. */
export interface BunEvents {
  received(bytes: Uint8Array): void;
  peerEnded(): void;
  drained(): void;
  gone(): void;
}

/** The events of all sockets, but for those that begin a connection. */
export const bunEvents = {
  data: (socket, bytes) => socket.data.received(bytes),
  end: (socket) => socket.data.peerEnded(),
  drain: (socket) => socket.data.drained(),
  close: (socket) => socket.data.gone(),
  error(_socket, error) {
    queueMicrotask(() => {
      throw error;
    });
  },
} satisfies Partial<BunListenOptions["socket"]>;

export class BunConnection implements Socket, BunEvents {
  readonly info: ConnectionInfo;
  handler!: SocketHandler;
  readonly #socket: BunSocket;
  /** The bytes of the last write that the kernel has not taken; `onDrain` is still to be called for that write. */
  #unsent: Uint8Array | null = null;
  /** The length of `#unsent`. */
  waiting = 0;
  #isClosed = false;

  constructor(socket: BunSocket, info: ConnectionInfo) {
    this.#socket = socket;
    this.info = info;
  }

  received(bytes: Uint8Array): void {
    if (!this.#isClosed) this.handler.onData(bytes, bytes.length);
  }

  peerEnded(): void {
    if (!this.#isClosed) this.handler.onEnd();
  }

  drained(): void {
    if (this.#unsent === null || this.#isClosed) return; // Bun also calls this when no bytes have waited
    const rest = this.#unsent;
    const length = this.waiting;
    this.#unsent = null;
    this.waiting = 0;
    // The owner has transferred the memory to another thread: the bytes that were announced cannot be sent any more.
    if (rest.length < length) this.destroy();
    else if (this.write(rest)) this.handler.onDrain();
  }

  gone(): void {
    this.#isClosed = true;
    queueMicrotask(() => this.handler.onClose());
  }

  write(bytes: Uint8Array): boolean {
    const taken = this.#socket.write(bytes);
    if (taken === bytes.length || this.#isClosed) return true;
    if (taken < 0) this.#socket.close(); // the client has gone; Bun itself would only report that it has ended its side
    else {
      this.#unsent = taken > 0 ? bytes.subarray(taken) : bytes;
      this.waiting = this.#unsent.length;
    }
    return false;
  }

  end(): void {
    this.#socket.shutdown();
  }

  destroy(): void {
    this.#socket.close();
  }

  reset(): void {
    this.#socket.terminate();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}
