/** TCP and Unix sockets on Bun's own, `Bun.listen`. */
import { lookup } from "node:dns/promises";
import type { ConnectionInfo } from "../protocol/exchange.ts";
import type { ListenAddress, Listener, ListenOptions, Socket, SocketHandler, Transport } from "./transport.ts";
import { readDescriptors } from "./descriptor_limit.ts";
import { peerOf } from "./peer.ts";
import { removingDeadSockets } from "./unix.ts";

export const transport: Transport = {
  listen: removingDeadSockets(listen),

  endOfTurn(task) {
    setImmediate(task);
  },

  descriptors: readDescriptors,

  warning() {
    if (!process.execArgv.includes("--hot")) return null;
    return (
      "bun --hot does not replace the handlers of a running server: it evaluates a changed program again in this process, where this server" +
      " goes on with the old handlers. A top-level await for the server keeps it even from that. Run bun --watch instead, which restarts" +
      " the program"
    );
  },
};

// The parts of Bun's API that this file uses: https://bun.com/reference/bun/listen

declare const Bun: { listen(options: BunListenOptions): BunListener };

interface BunListenOptions {
  readonly hostname?: string;
  readonly port?: number;
  readonly unix?: string;
  /** The file descriptor of a socket that is bound, or listens already. */
  readonly fd?: number;
  readonly allowHalfOpen: boolean;
  readonly reusePort?: boolean;
  readonly socket: {
    readonly open: (socket: BunSocket) => void;
    readonly data: (socket: BunSocket, bytes: Uint8Array) => void;
    readonly end: (socket: BunSocket) => void;
    readonly drain: (socket: BunSocket) => void;
    readonly close: (socket: BunSocket) => void;
    /** Called with errors that the other callbacks have thrown. */
    readonly error: (socket: BunSocket, error: unknown) => void;
  };
}

interface BunListener {
  readonly port: number;
  /** Sets the address that the listener is bound to; not documented. Sets nothing for a Unix socket. */
  getsockname?(to: { address?: string; port?: number }): void;
  stop(): void;
}

interface BunSocket {
  data: Connection;
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

/** Bun accepts all waiting connections in each turn of its event loop. The present turn may be past that, so this waits two turns. */
function look(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

class Connection implements Socket {
  readonly info: ConnectionInfo;
  handler!: SocketHandler;
  readonly #socket: BunSocket;
  /** The bytes of the last write that the kernel has not taken; `onDrain` is still to be called for that write. */
  #unsent: Uint8Array | null = null;
  /** The length of `#unsent`. */
  waiting = 0;
  #isClosed = false;

  constructor(socket: BunSocket) {
    this.#socket = socket;
    this.info = { clientAddress: peerOf(socket.remoteAddress, socket.remotePort), alpn: null };
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
