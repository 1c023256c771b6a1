/** Connections in memory, inside one process: for tests, and for `inject`. */
import type { ConnectionInfo, Peer, SecureConnection } from "../protocol/exchange.ts";
import type {
  ListenAddress,
  Listener,
  ListenOptions,
  Socket,
  SocketHandler,
  TlsSettings,
  Transport,
} from "./transport.ts";

/** While the client has at least this many bytes unread, the server is asked to wait. */
const HIGH_WATER = 64 * 1024;

/** A transport whose clients are in the same process. */
export class MemoryTransport implements Transport {
  #accept: ((socket: Socket) => SocketHandler) | null = null;
  #port = 0;
  #tls: TlsSettings | null = null;

  listen(address: ListenAddress, options: ListenOptions, accept: (socket: Socket) => SocketHandler): Promise<Listener> {
    this.#accept = accept;
    this.#tls = options.tls?.settings ?? null;
    return Promise.resolve({
      address: typeof address === "object" && "fd" in address ? "" : address,
      ...(this.#tls === null ? {} : { setTls: (settings: TlsSettings) => (this.#tls = settings) }),
      close: () => (this.#accept = null),
    });
  }

  endOfTurn(task: () => void): void {
    setImmediate(task);
  }

  /**
   * Opens a connection. Nothing is encrypted; if the server speaks TLS, the connection looks as if it was.
   * @param secure what TLS is to have found out
   * @throws {Error} if no server listens
   */
  connect(secure?: Partial<SecureConnection>): MemoryClient {
    if (this.#accept === null) throw new Error("cannot connect: the server does not listen");
    const client = new MemoryClient(pretend(["memory", ++this.#port], this.#tls !== null, secure));
    client.attach(this.#accept);
    return client;
  }
}

/** What a server sees of a connection in memory. @param isSecure whether the connection looks as if it had TLS */
export function pretend(clientAddress: Peer, isSecure: boolean, secure?: Partial<SecureConnection>): ConnectionInfo {
  const all = { version: "TLSv1.3", serverName: null, clientCertificate: null, ...secure };
  all.serverName = all.serverName?.toLowerCase() ?? null;
  return { clientAddress, alpn: null, secure: isSecure ? all : null };
}

/** The client's end of a connection in memory. */
export class MemoryClient {
  /** The server has ended its side. */
  ended = false;
  /** The connection is closed, by either side. */
  closed = false;
  /** The server has reset the connection. */
  wasReset = false;
  readonly #socket: MemorySocket;
  readonly #received: Uint8Array<ArrayBuffer>[] = [];
  #unread = 0;
  #changed: (() => void)[] = [];
  #handler!: SocketHandler;

  /** @internal @param info what the server sees */
  constructor(info: ConnectionInfo) {
    this.#socket = new MemorySocket(this, info);
  }

  /** @internal */
  attach<Handler extends SocketHandler>(accept: (socket: Socket) => Handler): Handler {
    const handler = accept(this.#socket);
    this.#handler = handler;
    return handler;
  }

  /** Sends bytes, or a string of one byte a character. Waits while the server does not read. */
  async send(data: Uint8Array | string): Promise<void> {
    // The server gets a copy that is set to zeros afterwards: tests find out if it has kept the array instead of copying it.
    const bytes = typeof data === "string" ? Uint8Array.from(data, (c) => c.charCodeAt(0)) : new Uint8Array(data);
    while (this.#socket.paused && !this.closed) await this.change();
    if (this.closed) return;
    this.#handler.onData(bytes, bytes.length);
    bytes.fill(0);
  }

  /** Ends the client's side. */
  async end(): Promise<void> {
    while (this.#socket.paused && !this.closed) await this.change();
    if (this.closed) return;
    this.#socket.peerEnded = true;
    this.#handler.onEnd();
    this.#closeIfBothEnded();
  }

  /** Closes the connection at once. */
  destroy(): void {
    this.close();
  }

  /** Takes all bytes that have been received, as a string of one byte a character. */
  take(): string {
    let text = "";
    for (const bytes of this.takeBytes()) for (const byte of bytes) text += String.fromCharCode(byte);
    return text;
  }

  /** Takes all bytes that have been received, in the pieces in which they came. */
  takeBytes(): Uint8Array<ArrayBuffer>[] {
    const received = this.#received.splice(0);
    const wasFull = this.#unread >= HIGH_WATER;
    this.#unread = 0;
    if (wasFull && !this.closed) queueMicrotask(() => this.closed || this.#handler.onDrain());
    return received;
  }

  /** Resolves at the next event: bytes have come, the server has ended its side, the connection has closed, or there is room to send. */
  change(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve));
  }

  /** @internal */
  notify(): void {
    for (const resolve of this.#changed.splice(0)) resolve();
  }

  /** @internal The server wrote. */
  receive(bytes: Uint8Array): boolean {
    if (this.closed) return true;
    this.#received.push(new Uint8Array(bytes)); // a copy: `slice` of a Buffer would not copy
    this.#unread += bytes.length;
    this.notify();
    return this.#unread < HIGH_WATER;
  }

  /** @internal The server ended its side. */
  serverEnded(): void {
    this.ended = true;
    this.notify();
    this.#closeIfBothEnded();
  }

  /** @internal */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.notify();
    queueMicrotask(() => this.#handler.onClose());
  }

  #closeIfBothEnded(): void {
    if (this.ended && this.#socket.peerEnded) this.close();
  }
}

class MemorySocket implements Socket {
  readonly info: ConnectionInfo;
  paused = false;
  peerEnded = false;
  readonly #client: MemoryClient;

  constructor(client: MemoryClient, info: ConnectionInfo) {
    this.#client = client;
    this.info = info;
  }

  write(bytes: Uint8Array): boolean {
    return this.#client.receive(bytes);
  }

  end(): void {
    this.#client.serverEnded();
  }

  destroy(): void {
    this.#client.close();
  }

  reset(): void {
    this.#client.wasReset = true;
    this.#client.close();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.#client.notify();
  }
}
