/** What a runtime must offer to carry a server. One file a runtime implements it; package.json's "imports" picks the file. */
import type { ConnectionInfo } from "../protocol/exchange.ts";

/** Where a server listens: [host, port], or the path of a Unix socket. */
export type Address = readonly [host: string, port: number] | string;

/** A listening socket that somebody else has bound, and that this process was started with. */
export interface InheritedSocket {
  /** Its file descriptor. */
  readonly fd: number;
}

/** What a server can be told to listen on. */
export type ListenAddress = Address | InheritedSocket;

/** Carries connections. */
export interface Transport {
  /**
   * Binds and listens.
   * @param accept called for each connection that comes in; what it returns is told of everything that happens on it
   * @throws the runtime's error, with its `code`, when the address cannot be had
   */
  listen(address: ListenAddress, options: ListenOptions, accept: (socket: Socket) => SocketHandler): Promise<Listener>;
  /** Runs `task` once, when the present turn of the event loop is over: behind all microtasks. */
  endOfTurn(task: () => void): void;
  /** A warning for the log of a server that is activated: the process was started with an option that is of no use to a server. Or null. */
  warning?(): string | null;
  /**
   * The file descriptors of the process, of which each connection takes one.
   * @returns null where that cannot be told; a transport whose connections take none does not have this call
   */
  descriptors?(): Descriptors | null;
}

/** The file descriptors of the process. */
export interface Descriptors {
  /** How many it may have: its soft limit (`ulimit -n`); Infinity where that cannot be told. */
  readonly limit: number;
  /** How many it has now. */
  readonly open: number;
}

/** How to listen. */
export interface ListenOptions {
  /** How many connections may wait to be accepted. */
  readonly backlog: number;
  /** Whether others that say so too may listen on the same port, and share the connections (SO_REUSEPORT). */
  readonly reusePort?: boolean;
  /** Told of an error of the listening socket itself. */
  readonly onError: (error: Error) => void;
}

/** What listens. */
export interface Listener {
  /** The real address: port 0 has become a port. Of a Unix socket that somebody else has bound, "". */
  readonly address: Address;
  /**
   * Resolves when the runtime has looked for connections that wait to be accepted, and `accept` was called for at least one of them
   * if there were any. Left out where none can wait.
   */
  look?(): Promise<void>;
  /** Stops listening; connections go on. */
  close(): void;
}

/** One connection. Nothing here throws, also not on a connection that is gone. */
export interface Socket {
  /** What is known of the connection: the other end's address, and what TLS has agreed on. */
  readonly info: ConnectionInfo;
  /**
   * Sends bytes.
   * @returns true when they have been taken and may be overwritten; false when they must stay as they are, and nothing more
   * should be written, until `onDrain`
   */
  write(bytes: Uint8Array): boolean;
  /**
   * How many bytes of the last write the system has not taken yet. While that changes, the peer takes them. Where it is not told, only a
   * write that was taken whole shows that.
   */
  readonly waiting?: number;
  /** Whether `onData` is called by the event loop itself, each time in the same asynchronous context. Left out where it may not be. */
  readonly keepsContext?: boolean;
  /** Ends our side (FIN) behind what was written. */
  end(): void;
  /** Closes both sides now. */
  destroy(): void;
  /** Closes both sides now, and says so with a reset where that is possible. */
  reset(): void;
  /** Stops reading; what has been read already may still come. */
  pause(): void;
  /** Reads on. */
  resume(): void;
}

/** Told of what happens on a connection; never from inside a call on its socket. */
export interface SocketHandler {
  /** Bytes have come: the first `length` of these. They are lent until it returns. */
  onData(bytes: Uint8Array, length: number): void;
  /** The peer has ended its side (FIN). */
  onEnd(): void;
  /** What was written has left. */
  onDrain(): void;
  /** The connection is gone. The last call. */
  onClose(): void;
}
