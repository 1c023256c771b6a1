/** Chooses the protocol of a connection: by ALPN if TLS has negotiated one, otherwise by the first bytes. */
import type { Connection, Host } from "./connection.ts";
import type { GoneReason } from "./exchange.ts";

/** A protocol that a server speaks. */
export interface Protocol {
  /** The name of the protocol in ALPN (RFC 7301), such as "http/1.1". */
  readonly alpn: string;
  /** The bytes that every client of the protocol sends first; null for the protocol of connections that begin with no preface. */
  readonly preface: Uint8Array | null;
  /** Makes the protocol of one connection. */
  connect(host: Host): Connection;
}

export class ProtocolSelector {
  readonly #protocols: readonly Protocol[];
  /** The protocol of a connection that begins with no preface. */
  readonly #fallback: Protocol;

  /** @param protocols the protocols that a server speaks, the preferred one first; exactly one of them has no preface */
  constructor(protocols: readonly Protocol[]) {
    this.#protocols = protocols;
    this.#fallback = protocols.find(({ preface }) => preface === null)!;
  }

  /** Makes the protocol of a connection. */
  connect(host: Host): Connection {
    const { alpn } = host.info;
    if (alpn !== null) return (this.#protocols.find((one) => one.alpn === alpn) ?? this.#fallback).connect(host);
    if (this.#protocols.length === 1) return this.#fallback.connect(host);
    return new UndecidedConnection(host, this.#fallback, this.#protocols);
  }
}

const NOTHING = new Uint8Array(0);

/**
 * A connection whose protocol is not known before its first bytes have come. Until then, it has the protocol without a preface, so that
 * its deadlines hold. That protocol gets no bytes before it is known that they begin no other protocol's preface.
 */
class UndecidedConnection implements Connection {
  readonly #host: Host;
  #connection: Connection;
  /** The protocols with a preface that the connection may still have. */
  #candidates: Protocol[];
  #first: Uint8Array = NOTHING;
  #isStopping = false;

  constructor(host: Host, fallback: Protocol, protocols: readonly Protocol[]) {
    this.#host = host;
    this.#connection = fallback.connect(host);
    this.#candidates = protocols.filter(({ preface }) => preface !== null);
  }

  receive(bytes: Uint8Array, length: number = bytes.length): void {
    if (this.#connection.closing !== null) this.#candidates = []; // a deadline has passed, or the server stops
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

  /** Only a part of a preface has come: the protocol without a preface responds to it with an error. */
  #giveUp(): void {
    this.#candidates = [];
    if (this.#first.length > 0) this.#forward(this.#first);
  }

  receiveEnd(): void {
    this.#giveUp();
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
    // A client that stops in the middle of a preface gets the response that the protocol without a preface has for it.
    if (this.#host.now >= this.deadline) this.#giveUp();
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

/** Whether the bytes that have come agree with a preface, as far as both go. */
function agrees(preface: Uint8Array, first: Uint8Array): boolean {
  const length = Math.min(preface.length, first.length);
  for (let i = 0; i < length; i++) if (preface[i] !== first[i]) return false;
  return true;
}
