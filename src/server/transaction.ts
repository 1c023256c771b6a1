/** One request being handled: the handler, what it reads from and writes to, and what it hears of its peer. */
import type { Exchange, GoneReason, Sink } from "../protocol/exchange.ts";
import { Answer } from "./answer.ts";
import type { RouteParams } from "./dispatch.ts";
import { PeerGoneError } from "./errors.ts";
import type { BaseHTTPRequestHandler, HandlerContext } from "./handler.ts";
import { ContentReader } from "./rfile.ts";
import type { Services } from "./services.ts";
import { Signals } from "./signals.ts";

export class Transaction implements Sink, HandlerContext {
  /** For a handler's constructor, whose context this is. A field, so that a class may give a copy of its context to `super`. */
  readonly transaction: Transaction = this;
  exchange: Exchange;
  readonly services: Services;
  readonly answer: Answer;
  /** Why the peer is not there any more, once it is not. */
  gone: GoneReason | null = null;
  /** Set when it has been made. */
  handler: BaseHTTPRequestHandler | null = null;
  /** The handler has settled. */
  settled = false;
  /** It answers in the place of a handler that has taken too long. */
  isLate = false;
  /** What the route's pattern found in the path, not decoded; null where no route was looked for. */
  routeParams: RouteParams | null = null;
  #reader: ContentReader | null = null;
  #signals: Signals | null = null;
  #told = false;

  constructor(exchange: Exchange, services: Services) {
    this.exchange = exchange;
    this.services = services;
    this.answer = new Answer(exchange, services.turn);
  }

  get reader(): ContentReader {
    let reader = this.#reader;
    if (reader === null) {
      reader = this.#reader = new ContentReader(this.exchange);
      if (this.gone !== null) reader.gone(this.gone);
    }
    return reader;
  }

  /** Made when a handler first asks for one. */
  get signals(): Signals {
    if (this.#signals === null) {
      this.#signals = new Signals();
      this.exchange.watch?.();
      if (this.gone !== null) this.#signals.abort(new PeerGoneError(this.gone));
    }
    return this.#signals;
  }

  /** Whether the peer has gone, as far as can be told: most that only half-closed have. For the handler, which then knows. */
  get isGone(): boolean {
    if (this.gone === null) {
      this.exchange.watch?.();
      this.exchange.poll?.();
    }
    this.#told = this.gone !== null;
    return this.#told;
  }

  /** Whether the handler has asked, and seen that the peer is gone. */
  get knowsGone(): boolean {
    return this.#told || (this.gone !== null && this.#signals !== null);
  }

  /**
   * Others answer in the place of the handler, which goes on: it hears that nobody is there any more to answer, as the server has
   * closed the connection.
   * @param exchange what it has from now on
   * @param reason what its signals abort with
   */
  abandon(exchange: Exchange, reason: Error): void {
    this.exchange = exchange;
    this.gone = { kind: "shutdown" };
    this.#reader?.gone(this.gone);
    this.answer.abandon(exchange);
    this.signals.abort(reason);
  }

  /** The handler has come to its end, and is not waited for any more. */
  settle(): void {
    this.settled = true;
    this.#signals?.end();
  }

  onReadable(): void {
    this.#reader?.readable();
  }

  onWritable(): void {
    this.answer.writable();
  }

  onGone(why: GoneReason): void {
    this.gone = why;
    this.#reader?.gone(why);
    if (why.kind !== "half-closed") this.answer.peerGone();
    this.#signals?.abort(new PeerGoneError(why));
  }
}
