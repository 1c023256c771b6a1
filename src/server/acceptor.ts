/** The listening socket of a server: from the call that opens it to its close, behind the last connection that waited for it. */
import { performance } from "node:perf_hooks";
import type {
  Address,
  ListenAddress,
  Listener,
  ListenOptions,
  Socket,
  SocketHandler,
  Transport,
} from "../transport/transport.ts";

export class Acceptor {
  readonly #transport: Transport;
  #opening: Promise<Listener> | null = null;
  #listener: Listener | null = null;
  /** It is not wanted any more: what is still being opened is closed as soon as it is there. */
  #closed = false;
  /** How many connections have been accepted. */
  #accepted = 0;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Whether it listens, or is about to. */
  get isOpen(): boolean {
    return this.#opening !== null || this.#listener !== null;
  }

  /**
   * Binds and listens.
   * @param accept called for each connection
   * @returns the real address; rejects with the runtime's error
   */
  async open(
    address: ListenAddress,
    options: ListenOptions,
    accept: (socket: Socket) => SocketHandler,
  ): Promise<Address> {
    this.#closed = false;
    this.#opening = this.#transport.listen(address, options, (socket) => {
      this.#accepted++;
      return accept(socket);
    });
    try {
      const listener = await this.#opening;
      if (this.#closed) listener.close();
      else this.#listener = listener;
      return listener.address;
    } finally {
      this.#opening = null;
    }
  }

  /**
   * Accepts the connections that wait, and closes. Accepting cannot be stopped without closing the socket, and what waits then is
   * reset by the kernel: so it closes when the runtime has looked and found none.
   * @param most how many may wait: behind so many, all that waited when this was called have been accepted
   * @param patience milliseconds after which it closes, whatever waits
   */
  async drain(most: number, patience: number): Promise<void> {
    if (this.#opening !== null) await this.#opening.catch(() => {});
    const end = performance.now() + patience;
    const all = this.#accepted + most;
    let before = -1;
    while (this.#listener?.look !== undefined && this.#accepted !== before && this.#accepted < all) {
      if (performance.now() > end) break;
      before = this.#accepted;
      await this.#listener.look();
    }
    this.close();
  }

  /** Closes at once. */
  close(): void {
    this.#closed = true;
    this.#listener?.close();
    this.#listener = null;
  }
}
