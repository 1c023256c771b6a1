/** Chooses the protocol of a connection: by ALPN where TLS has agreed on one, else by the first bytes. */
import type { Connection, Host } from "./connection.ts";
import type { GoneReason } from "./exchange.ts";

/** A protocol that a server speaks. */
export interface Protocol {
  /** What ALPN calls it (RFC 7301): "http/1.1". */
  readonly alpn: string;
  /** The bytes that every client of it sends first; null for the protocol that a connection has where none of these come. */
  readonly preface: Uint8Array | null;
  /** Makes the protocol of one connection. */
  connect(host: Host): Connection;
}

export class ProtocolSelector {
  readonly #protocols: readonly Protocol[];
  /** Of a connection whose first bytes tell nothing else. */
  readonly #usual: Protocol;

  /** @param protocols those that a server speaks, the preferred first; exactly one of them has no preface */
  constructor(protocols: readonly Protocol[]) {
    this.#protocols = protocols;
    this.#usual = protocols.find(({ preface }) => preface === null)!;
  }

  /** Makes the protocol of a connection. */
  connect(host: Host): Connection {
    const { alpn } = host.info;
    if (alpn !== null) return (this.#protocols.find((one) => one.alpn === alpn) ?? this.#usual).connect(host);
    if (this.#protocols.length === 1) return this.#usual.connect(host);
    return new UndecidedConnection(host, this.#usual, this.#protocols);
  }
}

const NOTHING = new Uint8Array(0);

/**
 * A connection whose first bytes are still to come. Until then it is one of the usual protocol, so that its deadlines hold; it is given no
 * byte before it is known that no other protocol begins with those that have come.
 */
class UndecidedConnection implements Connection {
  readonly #host: Host;
  #connection: Connection;
  /** Those that the connection may still be one of. */
  #candidates: Protocol[];
  #first: Uint8Array = NOTHING;
  #isStopping = false;

  constructor(host: Host, usual: Protocol, protocols: readonly Protocol[]) {
    this.#host = host;
    this.#connection = usual.connect(host);
    this.#candidates = protocols.filter(({ preface }) => preface !== null);
  }

  receive(bytes: Uint8Array, length: number = bytes.length): void {
    if (this.#connection.closing !== null) this.#candidates = []; // it was idle for too long, or the server stops
    if (this.#candidates.length === 0) return this.#connection.receive(bytes, length);
    const first = new Uint8Array(this.#first.length + length);
    first.set(this.#first);
    first.set(bytes.subarray(0, length), this.#first.length);
    this.#candidates = this.#candidates.filter(({ preface }) => agrees(preface!, first));
    const chosen = this.#candidates.find(({ preface }) => preface!.length <= first.length);
    if (chosen !== undefined) this.#choose(chosen);
    if (this.#candidates.length > 0) this.#first = first;
    else this.#forward(first);
  }

  #choose(protocol: Protocol): void {
    this.#candidates = [];
    this.#connection = protocol.connect(this.#host);
    if (this.#isStopping) this.#connection.stop?.();
  }

  #forward(first: Uint8Array): void {
    this.#first = NOTHING;
    this.#connection.receive(first, first.length);
  }

  receiveEnd(): void {
    // Of a preface that has not come whole, the usual protocol says what is wrong with it.
    this.#candidates = [];
    if (this.#first.length > 0) this.#forward(this.#first);
    this.#connection.receiveEnd();
  }

  lost(why: GoneReason): void {
    this.#connection.lost(why);
  }

  pull(): Uint8Array | null {
    return this.#connection.pull();
  }

  recycle(batch: Uint8Array): void {
    this.#connection.recycle(batch);
  }

  get wantsRead(): boolean {
    return this.#connection.wantsRead;
  }

  get deadline(): number {
    return this.#connection.deadline;
  }

  get closing(): "end" | "cut" | "reset" | null {
    return this.#connection.closing;
  }

  tick(): void {
    this.#connection.tick();
  }

  stop(): void {
    this.#isStopping = true;
    this.#connection.stop?.();
  }

  shutdown(grace?: number): void {
    this.#isStopping = true;
    this.#connection.shutdown(grace);
  }
}

/** Whether what has come may be, or is, what a preface begins with. */
function agrees(preface: Uint8Array, first: Uint8Array): boolean {
  const length = Math.min(preface.length, first.length);
  for (let i = 0; i < length; i++) if (preface[i] !== first[i]) return false;
  return true;
}
