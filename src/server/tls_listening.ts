/** How a server speaks TLS: its present settings, and the handshakes that go on, how many there may be and how long each may take. */
import type { Handshake, TlsListenOptions, TlsSettings } from "../transport/transport.ts";
import { loggable, loggedAddress } from "../loop/log.ts";

/** How a class of servers speaks TLS. */
export interface ServerTls {
  /** How long a handshake may take, in milliseconds. */
  readonly handshakeTimeout: number;
  /** How many handshakes may go on at a time. */
  readonly maxHandshakes: number;
  readonly asksForCertificates: boolean;
  /** Reads the certificates. @returns rejects with an Error that says what is wrong with one */
  settings(ticketKeys: Uint8Array): Promise<TlsSettings>;
}

/** The size of the keys of session tickets, in bytes: what `tls.Server` takes. */
const TICKET_KEYS = 48;

/**
 * A handshake that has taken longer than this is given up where another one needs its place. Clients that mean it take some milliseconds,
 * or about a second on a very slow path. In milliseconds.
 */
const STALLED = 1_000;

/** How long the keys of session tickets are used, in milliseconds: a day. RFC 9325 §3.4 asks for new ones about every week. */
const TICKET_KEYS_LIFETIME = 24 * 60 * 60 * 1000;

export interface TlsListeningOwner {
  /** Whether one more connection is admitted, besides so many handshakes. A refusal is logged. */
  admits(handshakes: number): boolean;
  /** How many handshakes there is room for beside the connections. */
  places(): number;
  /** `performance.now()`. The server's clock is that of the last tick, so a handshake would seem to have begun before it has. */
  now(): number;
  logError(message: string, ...args: unknown[]): void;
  /** What listens is to use other settings, if anything does. @throws {Error} for a certificate that the runtime does not take */
  use(settings: TlsSettings): void;
  /** A handshake has failed, and was perhaps the last thing that a stop waits for. */
  handshakeFailed(): void;
}

export class TlsListening {
  readonly #owner: TlsListeningOwner;
  /** The present settings. Null for a server that does not listen, or without TLS. */
  settings: TlsSettings | null = null;
  #isOpening = false;
  /** Null before they are needed. */
  #ticketKeys: Uint8Array | null = null;
  /** The keys are changed here; in a listener, they come from the program's own event loop. */
  #changesKeys = false;
  #keysMadeAt = 0;
  /** When each handshake began, in the order in which they began. */
  readonly #began = new Map<Handshake, number>();
  /** How many handshakes were given up, or not begun, since too many went on at a time. */
  #crowdedOut = 0;
  #isStopping = false;
  #timeout = Infinity;
  /** How many handshakes may go on at a time. */
  #most = Infinity;

  constructor(owner: TlsListeningOwner) {
    this.#owner = owner;
  }

  /** How many handshakes go on. */
  get handshakes(): number {
    return this.#began.size;
  }

  /**
   * Reads the certificates, unless the settings are known.
   * @param tls how the server speaks TLS; null: it does not
   * @returns how to listen; rejects with an Error that says what is wrong with a certificate
   */
  async open(tls: ServerTls | null): Promise<{ readonly tls?: TlsListenOptions }> {
    if (tls === null) return {};
    this.#timeout = tls.handshakeTimeout;
    this.#most = tls.maxHandshakes;
    this.#changesKeys = this.settings === null;
    if (this.settings === null) {
      this.#isOpening = true;
      try {
        const read = await tls.settings(this.#keys());
        this.settings ??= read; // `set` may have stored others by now
      } finally {
        this.#isOpening = false;
      }
    }
    const present = (): TlsSettings => this.settings!;
    return {
      tls: {
        get settings() {
          return present(); // they may change before the server listens
        },
        handshakeBegins: (handshake) => this.#begins(handshake),
        handshakeEnded: (handshake, why) => this.#ended(handshake, why),
      },
    };
  }

  /**
   * Checks other settings, and uses them if the server listens, or is about to.
   * @param make reads the certificates
   */
  async set(make: (ticketKeys: Uint8Array) => Promise<TlsSettings>): Promise<void> {
    const read = await make(this.#keys());
    if (this.settings === null && !this.#isOpening) return; // they are read again at activation
    const settings = { ...read, ticketKeys: this.#keys() }; // they may have changed meanwhile
    this.#owner.use(settings);
    this.settings = settings;
  }

  /** Uses settings that another thread has checked. */
  use(settings: TlsSettings): void {
    try {
      this.#owner.use(settings);
      this.settings = settings;
    } catch (error) {
      this.#owner.logError(
        "an event loop cannot use another certificate, and keeps the one it has: %s",
        loggable(error),
      );
    }
  }

  #keys(): Uint8Array {
    if (this.#ticketKeys === null) {
      this.#ticketKeys = crypto.getRandomValues(new Uint8Array(TICKET_KEYS));
      this.#keysMadeAt = this.#owner.now();
    }
    return this.#ticketKeys;
  }

  #begins(handshake: Handshake): boolean {
    if (this.handshakes >= Math.min(this.#most, this.#owner.places())) this.#giveUpStalled();
    if (this.handshakes >= this.#most) {
      this.#crowdOut();
      return false;
    }
    if (!this.#owner.admits(this.handshakes)) return false;
    this.#began.set(handshake, this.#owner.now());
    return true;
  }

  /**
   * Makes room for one more handshake: gives up the oldest, if it stalls. If none stalls, those that go on are left alone, or nobody would
   * get to the end of a handshake in a rush.
   */
  #giveUpStalled(): void {
    const [first] = this.#began;
    if (first === undefined || this.#owner.now() - first[1] < STALLED) return;
    this.#crowdOut();
    this.#began.delete(first[0]); // it gets no line of its own in the log
    first[0].destroy("too many others have begun since");
  }

  /** A handshake is closed since too many go on: says so once, and counts it. */
  #crowdOut(): void {
    if (this.#crowdedOut++ > 0) return;
    this.#owner.logError(
      "too many TLS handshakes: with %d under way, others are closed, first of all those that have taken more than %d ms",
      this.handshakes,
      STALLED,
    );
  }

  #ended(handshake: Handshake, why: string | null): void {
    if (!this.#began.delete(handshake)) return;
    if (this.#crowdedOut > 0 && this.handshakes < Math.min(this.#most, this.#owner.places()) / 2) {
      this.#owner.logError("TLS handshakes that were closed, since too many were under way: %d", this.#crowdedOut);
      this.#crowdedOut = 0;
    }
    if (why === null) return; // its connection follows
    this.#owner.logError("%s: the TLS handshake has failed: %s", loggedAddress(handshake.clientAddress), why);
    this.#owner.handshakeFailed();
  }

  /** A tick of the clock: ends the handshakes that have taken too long, and changes the keys of session tickets once a day. */
  tick(now: number): void {
    for (const [handshake, began] of this.#began) {
      if (now - began < this.#timeout) break;
      handshake.destroy(this.#isStopping ? "the server stops" : `it has taken more than ${this.#timeout} ms`);
    }
    if (this.settings !== null && this.#changesKeys && now - this.#keysMadeAt >= TICKET_KEYS_LIFETIME)
      this.#changeKeys(this.settings);
  }

  #changeKeys(settings: TlsSettings): void {
    this.#ticketKeys = null;
    this.use({ ...settings, ticketKeys: this.#keys() });
  }

  /** The server stops: those that go on have so many milliseconds more. */
  stop(grace: number): void {
    const now = this.#owner.now();
    this.#isStopping = true;
    this.#timeout = Math.min(this.#timeout, grace);
    for (const handshake of this.#began.keys()) this.#began.set(handshake, now);
  }

  /** Ends all handshakes at once, and forgets the settings: the server does not listen any more. */
  close(): void {
    for (const handshake of this.#began.keys()) handshake.destroy("the server stops");
    this.settings = null;
  }
}
