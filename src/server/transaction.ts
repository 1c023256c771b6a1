/** One request being handled: the handler, what it reads from and writes to, and what it hears of its peer. */
import { AsyncResource } from "node:async_hooks";
import type { Exchange, GoneReason, Sink } from "../protocol/exchange.ts";
import { Answer } from "./answer.ts";
import type { RouteParams } from "./dispatch.ts";
import { PeerGoneError } from "./errors.ts";
import type { BaseHTTPRequestHandler, HandlerContext } from "./handler.ts";
import { ContentReader } from "./rfile.ts";
import type { Services } from "./services.ts";

export class Transaction implements Sink, HandlerContext {
  /** For a handler's constructor, whose context this is. A field, so that a class may give a copy of its context to `super`. */
  readonly transaction: Transaction = this;
  readonly exchange: Exchange;
  readonly services: Services;
  readonly answer: Answer;
  /** Why the peer is not there any more, once it is not. */
  gone: GoneReason | null = null;
  /** Set when it has been made. */
  handler: BaseHTTPRequestHandler | null = null;
  /** The handler has settled. */
  settled = false;
  /** What the route's pattern found in the path, not decoded; null where no route was looked for. */
  routeParams: RouteParams | null = null;
  #reader: ContentReader | null = null;
  #controller: AbortController | null = null;
  /** The context in which the handler has asked for the signal first: who listens to it hears of it there. */
  #context: AsyncResource | null = null;
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

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      this.#context = new AsyncResource("plinth.signal");
      if (this.gone !== null) this.#controller.abort(new PeerGoneError(this.gone));
    }
    return this.#controller.signal;
  }

  /** Whether the peer has gone, as far as can be told: most that only half-closed have. For the handler, which then knows. */
  get isGone(): boolean {
    if (this.gone === null) this.exchange.poll?.();
    this.#told = this.gone !== null;
    return this.#told;
  }

  /** Whether the handler has asked, and seen that the peer is gone. */
  get knowsGone(): boolean {
    return this.#told || (this.gone !== null && this.#controller !== null);
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
    const controller = this.#controller;
    if (controller !== null) this.#context!.runInAsyncScope(() => controller.abort(new PeerGoneError(why)));
  }
}
