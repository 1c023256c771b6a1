/** The listening socket of a server: opens it, counts the connections that it accepts, and closes it after accepting those that wait. */
import { performance } from "node:perf_hooks";
import type {
  Address,
  ListenAddress,
  Listener,
  ListenOptions,
  Socket,
  SocketHandler,
  TlsListenOptions,
  TlsSettings,
  Transport,
} from "../transport/transport.ts";

export class Acceptor {
  readonly #transport: Transport;
  #opening: Promise<Listener> | null = null;
  #listener: Listener | null = null;
  /** `close` was called: a socket that is still being opened is closed as soon as it is open. */
  #closed = false;
  /** How many connections have been accepted, those in their TLS handshake included. */
  #accepted = 0;
  /** The last settings of TLS that were set while the socket was being opened; null if there are none. */
  #laterTls: TlsSettings | null = null;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Whether the socket listens, or is being opened. */
  get isOpen(): boolean {
    return this.#opening !== null || this.#listener !== null;
  }

  /**
   * Binds and listens.
   * @param accept called for each connection, with TLS when its handshake has ended
   * @returns the address that was bound; rejects with the runtime's error
   */
  async open(
    address: ListenAddress,
    options: ListenOptions,
    accept: (socket: Socket) => SocketHandler,
  ): Promise<Address> {
    this.#closed = false;
    this.#laterTls = null;
    const { tls } = options;
    const counted = (socket: Socket): SocketHandler => {
      this.#accepted++;
      return accept(socket);
    };
    this.#opening =
      tls === undefined
        ? this.#transport.listen(address, options, counted)
        : this.#transport.listen(address, { ...options, tls: this.#counting(tls) }, accept);
    try {
      const listener = await this.#opening;
      if (this.#closed) listener.close();
      else this.#listener = listener;
      if (tls !== undefined && listener.setTls === undefined) throw new Error("the transport does not speak TLS");
      if (this.#laterTls !== null) this.setTls(this.#laterTls);
      return listener.address;
    } finally {
      this.#opening = null;
    }
  }

  /** A connection counts from the beginning of its handshake. */
  #counting(tls: TlsListenOptions): TlsListenOptions {
    return {
      ...tls,
      handshakeBegins: (handshake) => {
        this.#accepted++;
        return tls.handshakeBegins(handshake);
      },
    };
  }

  /**
   * Accepts the connections that wait, and closes the socket. The kernel resets connections that still wait when the socket is closed.
   * So the socket is closed only when the runtime has looked and found none.
   * @param mostWaiting how many connections can wait: after that many, all that waited when this was called have been accepted
   * @param timeout milliseconds after which the socket is closed even if connections wait
   */
  async drain(mostWaiting: number, timeout: number): Promise<void> {
    if (this.#opening !== null) await this.#opening.catch(() => {});
    const end = performance.now() + timeout;
    const all = this.#accepted + mostWaiting;
    let before = -1;
    while (this.#listener?.look !== undefined && this.#accepted !== before && this.#accepted < all) {
      if (performance.now() > end) break;
      before = this.#accepted;
      await this.#listener.look();
    }
    this.close();
  }

  /** Secures connections that come from now on by other settings. @throws {Error} for a certificate that the runtime does not take */
  setTls(settings: TlsSettings): void {
    if (this.#listener === null) this.#laterTls = settings;
    else this.#listener.setTls?.(settings);
  }

  /** Closes at once. */
  close(): void {
    this.#closed = true;
    this.#listener?.close();
    this.#listener = null;
  }
}
