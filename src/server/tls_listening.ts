/** How a server speaks TLS: its present settings, and the handshakes that go on, how many there may be and how long each may take. */
import type { Handshake, TlsListenOptions, TlsSettings } from "../transport/transport.ts";
import { loggedAddress } from "../loop/log.ts";

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

/** Listens with TLS. */
interface TlsUser {
  setTls(settings: TlsSettings): void;
}

export interface TlsListeningOwner {
  /** Whether one more connection is admitted, besides so many handshakes. */
  admits(handshakes: number): boolean;
  /** Milliseconds by the server's clock. */
  now(): number;
  logError(message: string, ...args: unknown[]): void;
  /** A handshake has ended, and with it perhaps the last thing that a stop waits for. */
  handshakeEnded(): void;
}

export class TlsListening {
  readonly #owner: TlsListeningOwner;
  /** The present settings; null before activation, and for a server without TLS. */
  settings: TlsSettings | null = null;
  /** When each handshake began, in the order in which they began. */
  readonly #began = new Map<Handshake, number>();
  /** Handshakes that the server ends: why. */
  readonly #reasons = new WeakMap<Handshake, string>();
  /** Handshakes are given up because too many go on, and that was logged. */
  #isCrowded = false;
  #timeout = Infinity;
  #most = Infinity;

  constructor(owner: TlsListeningOwner) {
    this.#owner = owner;
  }

  /** How many handshakes go on. */
  get handshakes(): number {
    return this.#began.size;
  }

  /** Reads the certificates, unless the settings are known. @param tls how the server speaks TLS; null: it does not @returns how to listen */
  async open(tls: ServerTls | null): Promise<{ readonly tls?: TlsListenOptions }> {
    if (tls === null) return {};
    this.#timeout = tls.handshakeTimeout;
    this.#most = tls.maxHandshakes;
    this.settings ??= await tls.settings(crypto.getRandomValues(new Uint8Array(TICKET_KEYS)));
    return {
      tls: {
        settings: this.settings,
        handshakeBegins: (handshake) => this.#begins(handshake),
        handshakeEnded: (handshake, why) => this.#ended(handshake, why),
      },
    };
  }

  /** Checks other settings, and uses them if the server listens. @param users what is to use them */
  async set(make: (ticketKeys: Uint8Array) => Promise<TlsSettings>, users: readonly (TlsUser | null)[]): Promise<void> {
    const settings = await make(this.settings?.ticketKeys ?? new Uint8Array(TICKET_KEYS));
    if (this.settings === null) return;
    for (const user of users) user?.setTls(settings);
    this.settings = settings;
  }

  #begins(handshake: Handshake): boolean {
    if (!this.#owner.admits(this.handshakes)) return false;
    if (this.handshakes >= this.#most) this.#giveUpOldest();
    this.#began.set(handshake, this.#owner.now());
    return true;
  }

  /** Makes room for a new handshake. A client that means it takes some milliseconds, so the oldest is most likely one that stalls. */
  #giveUpOldest(): void {
    const [oldest] = this.#began.keys();
    if (!this.#isCrowded)
      this.#owner.logError(
        "too many TLS handshakes: with %d under way, the oldest is given up for each one that begins",
        this.handshakes,
      );
    this.#isCrowded = true;
    this.#cut(oldest, "too many others have begun since");
  }

  #ended(handshake: Handshake, why: string | null): void {
    if (!this.#began.delete(handshake)) return;
    if (this.handshakes < this.#most / 2) this.#isCrowded = false;
    if (why !== null) {
      const reason = this.#reasons.get(handshake) ?? why;
      this.#owner.logError("%s: the TLS handshake has failed: %s", loggedAddress(handshake.clientAddress), reason);
    }
    this.#owner.handshakeEnded();
  }

  /** A tick of the clock: ends the handshakes that have taken too long. */
  tick(now: number): void {
    for (const [handshake, began] of this.#began) {
      if (now - began < this.#timeout) return;
      this.#cut(handshake, `it has taken more than ${this.#timeout} ms`);
    }
  }

  /** The server stops: those that go on have so many milliseconds more. */
  stop(grace: number): void {
    const now = this.#owner.now();
    this.#timeout = Math.min(this.#timeout, grace);
    for (const handshake of this.#began.keys()) this.#began.set(handshake, now);
  }

  /** Ends all handshakes at once. */
  close(): void {
    for (const handshake of this.#began.keys()) this.#cut(handshake, "the server stops");
  }

  #cut(handshake: Handshake, why: string): void {
    this.#reasons.set(handshake, why);
    handshake.destroy();
    this.#ended(handshake, why);
  }
}
