/** TCP and Unix sockets on Bun's own, `Bun.listen`. */
import { lookup } from "node:dns/promises";
import type { ConnectionInfo } from "../protocol/exchange.ts";
import type { ListenAddress, Listener, ListenOptions, Socket, SocketHandler, Transport } from "./transport.ts";
import { readDescriptors } from "./descriptor_limit.ts";
import { peerOf } from "./peer.ts";
import { overLitter } from "./unix.ts";

export const transport: Transport = {
  listen: overLitter(listen),

  endOfTurn(task) {
    setImmediate(task);
  },

  descriptors: readDescriptors,

  warning() {
    if (!process.execArgv.includes("--hot")) return null;
    return (
      "bun --hot evaluates a changed program once more in this process, where this server goes on with the old handlers, and a top-level" +
      " await that waits for it keeps Bun from that: run bun --watch, which starts the program anew"
    );
  },
};

// What this file knows of Bun: https://bun.com/reference/bun/listen

declare const Bun: { listen(options: BunListenOptions): BunListener };

interface BunListenOptions {
  readonly hostname?: string;
  readonly port?: number;
  readonly unix?: string;
  /** A socket that listens already, or is bound. */
  readonly fd?: number;
  readonly allowHalfOpen: boolean;
  readonly reusePort?: boolean;
  readonly socket: {
    readonly open: (socket: BunSocket) => void;
    readonly data: (socket: BunSocket, bytes: Uint8Array) => void;
    readonly end: (socket: BunSocket) => void;
    readonly drain: (socket: BunSocket) => void;
    readonly close: (socket: BunSocket) => void;
    /** Is given what another of these has thrown. */
    readonly error: (socket: BunSocket, error: unknown) => void;
  };
}

interface BunListener {
  readonly port: number;
  /** Says where it listens; not documented. Of a Unix socket it says nothing. */
  getsockname?(to: { address?: string; port?: number }): void;
  stop(): void;
}

interface BunSocket {
  data: Connection;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** @returns how many bytes the kernel has taken; -1 when the socket is gone */
  write(bytes: Uint8Array): number;
  /** Ends our side. */
  shutdown(): void;
  /** Closes both sides; "close" is called before it returns. */
  close(): void;
  /** Closes with a reset; "close" is called before it returns. */
  terminate(): void;
  pause(): void;
  resume(): void;
}

async function listen(
  address: ListenAddress,
  { reusePort = false }: ListenOptions,
  accept: (socket: Socket) => SocketHandler,
): Promise<Listener> {
  const common = {
    allowHalfOpen: true,
    socket: {
      open(socket) {
        const connection = new Connection(socket);
        socket.data = connection;
        connection.handler = accept(connection);
      },
      data: (socket, bytes) => socket.data.received(bytes),
      end: (socket) => socket.data.peerEnded(),
      drain: (socket) => socket.data.drained(),
      close: (socket) => socket.data.gone(),
      error(_socket, error) {
        queueMicrotask(() => {
          throw error;
        });
      },
    },
  } satisfies BunListenOptions;
  if (typeof address === "string") {
    const listener = Bun.listen({ ...common, unix: address });
    return { address, look, close: () => listener.stop() };
  }
  if ("fd" in address) {
    const listener = Bun.listen({ ...common, fd: address.fd });
    const bound: { address?: string; port?: number } = {};
    listener.getsockname?.(bound);
    const real = bound.address === undefined ? "" : ([bound.address, bound.port ?? 0] as const);
    return { address: real, look, close: () => listener.stop() };
  }
  const [name, port] = address;
  const hostname = name === "" ? "::" : (await lookup(name)).address;
  const listener = Bun.listen({ ...common, hostname, port, reusePort });
  return { address: [hostname, listener.port], look, close: () => listener.stop() };
}

/** Bun accepts all that wait, in a turn of its event loop; the first of these is the one that has begun. */
function look(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

class Connection implements Socket {
  readonly info: ConnectionInfo;
  handler!: SocketHandler;
  readonly #socket: BunSocket;
  /** What the kernel has not taken of the last write; `onDrain` is owed for it. */
  #rest: Uint8Array | null = null;
  /** How much that is. */
  waiting = 0;
  #closed = false;

  constructor(socket: BunSocket) {
    this.#socket = socket;
    this.info = { clientAddress: peerOf(socket.remoteAddress, socket.remotePort), alpn: null };
  }

  received(bytes: Uint8Array): void {
    if (!this.#closed) this.handler.onData(bytes, bytes.length);
  }

  peerEnded(): void {
    if (!this.#closed) this.handler.onEnd();
  }

  drained(): void {
    if (this.#rest === null || this.#closed) return; // Bun says so also when nothing has waited
    const rest = this.#rest;
    const length = this.waiting;
    this.#rest = null;
    this.waiting = 0;
    // Its owner has transferred the memory elsewhere: what was announced cannot come any more.
    if (rest.length < length) this.destroy();
    else if (this.write(rest)) this.handler.onDrain();
  }

  gone(): void {
    this.#closed = true;
    queueMicrotask(() => this.handler.onClose());
  }

  write(bytes: Uint8Array): boolean {
    const taken = this.#socket.write(bytes);
    if (taken === bytes.length || this.#closed) return true;
    if (taken < 0) this.#socket.close(); // the peer has gone, which Bun itself would take for an end of its side
    else {
      this.#rest = taken > 0 ? bytes.subarray(taken) : bytes;
      this.waiting = this.#rest.length;
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
