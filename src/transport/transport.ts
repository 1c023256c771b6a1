/** The interfaces by which a server uses a runtime's sockets. Each runtime has one file; package.json's "imports" picks the file. */
import type { ConnectionInfo, Peer } from "../protocol/exchange.ts";

/** The address that a server listens on: [host, port], or the path of a Unix socket. */
export type Address = readonly [host: string, port: number] | string;

/** A listening socket that another program has bound, and that this process was started with. */
export interface InheritedSocket {
  /** Its file descriptor. */
  readonly fd: number;
}

/** An address to listen on, or an inherited socket. */
export type ListenAddress = Address | InheritedSocket;

/** Accepts and carries connections. */
export interface Transport {
  /**
   * Binds and listens.
   * @param accept called for each connection that comes in, with TLS when its handshake has ended; returns the handler of its events
   * @returns rejects with the runtime's error, with its `code`, if the server cannot listen on the address
   */
  listen(address: ListenAddress, options: ListenOptions, accept: (socket: Socket) => SocketHandler): Promise<Listener>;
  /** Runs `task` once, when the present turn of the event loop is over, after all microtasks. */
  endOfTurn(task: () => void): void;
  /** A warning that the server logs when it is activated, if the process was started with an option that harms servers; otherwise null. */
  warning?(): string | null;
  /**
   * Counts the file descriptors of the process; each connection takes one. A transport whose connections take none does not have this.
   * @returns null if they cannot be counted
   */
  descriptors?(): Descriptors | null;
}

/** The file descriptors of the process. */
export interface Descriptors {
  /** How many the process may have: its soft limit (`ulimit -n`); Infinity if that is not known. */
  readonly limit: number;
  /** How many the process has now. */
  readonly open: number;
}

/** How to listen. */
export interface ListenOptions {
  /** How many connections may wait to be accepted. */
  readonly backlog: number;
  /** Whether other sockets with the same option may listen on the same port, and share its connections (SO_REUSEPORT). */
  readonly reusePort?: boolean;
  /** Called with errors of the listening socket itself. */
  readonly onError: (error: Error) => void;
  /** How connections are secured; without it, they are not. */
  readonly tls?: TlsListenOptions | undefined;
}

/** A certificate and its private key, both as PEM. */
export interface Identity {
  /** The certificate, and behind it those that lead to one that clients trust. */
  readonly cert: string;
  /** The private key of the first certificate, in PKCS #8, not encrypted. */
  readonly key: string;
}

/** How connections are secured. All of it is data, which can be sent to a thread. */
export interface TlsSettings {
  /** For clients that ask for no server name, or for one that is not among `serverNames`. */
  readonly identity: Identity;
  /** By server name (SNI, RFC 6066 §3), in lower case; "*.example.com" stands for each name with one label more. */
  readonly serverNames: Readonly<Record<string, Identity>>;
  /** The certificates that clients' certificates must lead to, as PEM. Undefined: those that the runtime trusts. */
  readonly ca: readonly string[] | undefined;
  /** Whether clients are asked for a certificate, and whether they must have one. */
  readonly clientCertificates: "none" | "optional" | "required";
  /** The names of protocols (ALPN, RFC 7301), the preferred one first. */
  readonly alpnProtocols: readonly string[];
  /** 48 random bytes, by which all event loops that listen on a port can resume each other's sessions (RFC 8446 §2.2). */
  readonly ticketKeys: Uint8Array;
}

/** How to listen with TLS. */
export interface TlsListenOptions {
  /** The settings for the connections that come first; `Listener.setTls` sets others. */
  readonly settings: TlsSettings;
  /** A connection has come, and its handshake is to begin. @returns whether it may; the connection is closed otherwise */
  handshakeBegins(handshake: Handshake): boolean;
  /**
   * A handshake has ended. Called once for each that has begun, before `accept` if it went well.
   * @param why null if it went well; otherwise why it did not, in words
   */
  handshakeEnded(handshake: Handshake, why: string | null): void;
}

/** A connection whose TLS handshake has not ended. */
export interface Handshake {
  /** The client's address and port. */
  readonly clientAddress: Peer;
  /** Closes the connection; `handshakeEnded` is called before this returns. @param why the reason, in words, if the handshake has not failed already */
  destroy(why: string): void;
}

/** A listening socket. */
export interface Listener {
  /** The address that was bound, with the port that port 0 has become; "" for an inherited Unix socket. */
  readonly address: Address;
  /**
   * Resolves when the runtime has looked for connections that wait to be accepted. If any waited, `accept` has been called at least once.
   * A transport on which no connections wait does not have this.
   */
  look?(): Promise<void>;
  /**
   * Secures connections that come from now on by other settings. A listener that does not speak TLS does not have this.
   * @throws {Error} for a certificate that cannot be used; the settings stay as they were
   */
  setTls?(settings: TlsSettings): void;
  /** Stops listening; connections and handshakes go on. */
  close(): void;
}

/** One connection. Its methods do not throw, even if the connection is gone. */
export interface Socket {
  /** The client's address, and the protocol that was negotiated in TLS. */
  readonly info: ConnectionInfo;
  /**
   * Sends bytes.
   * @returns true: they have been taken, and may be overwritten; false: they must not be changed, and no more must be written, before
   *   `onDrain`
   */
  write(bytes: Uint8Array): boolean;
  /**
   * How many bytes of the last write the system has not taken yet; undefined if that is not known. While it changes, the client reads. If
   * it is not known, only `onDrain` shows that the client reads.
   */
  readonly waiting?: number;
  /** Whether the event loop itself calls `onData`, each time in the same asynchronous context; undefined if that is not sure. */
  readonly keepsContext?: boolean;
  /** Closes the server's side (FIN) after all that was written. */
  end(): void;
  /** Closes both sides now. */
  destroy(): void;
  /** Closes both sides now, with a reset if that is possible. */
  reset(): void;
  /** Stops reading. Bytes that have been read already may still come. */
  pause(): void;
  /** Reads on. */
  resume(): void;
}

/** Handles the events of a connection. Its methods are never called from inside a call on the socket. */
export interface SocketHandler {
  /** The first `length` of these bytes have come. They are lent until this returns. */
  onData(bytes: Uint8Array, length: number): void;
  /** The client has ended its side (FIN). */
  onEnd(): void;
  /** All bytes that were written have been taken. */
  onDrain(): void;
  /** The connection is gone. The last call. */
  onClose(): void;
}
