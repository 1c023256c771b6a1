/** One request being handled: the handler, what it reads from and writes to, and what it hears of its peer. */
import { performance } from "node:perf_hooks";
import type { ProtocolError } from "../protocol/errors.ts";
import type { Exchange, GoneReason, ResponseWatcher, Sink } from "../protocol/exchange.ts";
import { ResponseWriter, type ResponseOwner } from "./response_writer.ts";
import { type Context, presentContext } from "../loop/async_context.ts";
import { PeerGoneError } from "./errors.ts";
import type { HTTPErrorOptions } from "./errors.ts";
import { outcomeOf, type OutcomeReason, type RequestOutcome } from "./request_outcome.ts";
import type { RouteParams } from "./request_path.ts";
import { RequestBodyReader } from "./request_body.ts";
import type { Services } from "./services.ts";
import { RequestSignals } from "./request_signals.ts";

/** What those who run a handler call of it. `BaseHTTPRequestHandler` is one. */
export interface RequestHandler {
  requestEnded(outcome: RequestOutcome): void;
  logRequest(code?: number | string, size?: number | string, reason?: string): void;
  logMessage(message: string, ...args: unknown[]): void;
  logError(message: string, ...args: unknown[]): void;
  /** One of a class of a user's may return a promise. */
  sendError(
    code: number,
    message?: string,
    explain?: string,
    options?: Pick<HTTPErrorOptions, "headers" | "problem">,
  ): void;
}

export class RequestContext implements Sink, ResponseWatcher, ResponseOwner {
  /** For a handler's constructor, whose context this is. A field, so that a class may give a copy of its context to `super`. */
  readonly request: RequestContext = this;
  exchange: Exchange;
  readonly services: Services;
  readonly response: ResponseWriter;
  /** Why the peer is not there any more, once it is not. */
  gone: GoneReason | null = null;
  /** What the peer did wrong, where a response can tell it. */
  fault: ProtocolError | null = null;
  /** What the handler has thrown. */
  error: unknown = undefined;
  /** The response was broken off, because the handler failed. */
  brokenOff = false;
  /** When the request's head was complete, in milliseconds; exact only where somebody wants to know. */
  began = 0;
  /** Set when it has been made. */
  handler: RequestHandler | null = null;
  /** The handler has settled. */
  settled = false;
  /** It responds in the place of a handler that has taken too long. */
  isLate = false;
  /** What the route's pattern found in the path, not decoded; null where no route was looked for. */
  routeParams: RouteParams | null = null;
  /** Somebody wants to know how the request ends. */
  watched = false;
  #reader: RequestBodyReader | null = null;
  #signals: RequestSignals | null = null;
  /** The context in which the response began, where somebody wants to know how the request ends. */
  #context: Context | null = null;
  /** The whole response has left. */
  #sentWhole = false;
  /** The handler has asked whether the peer is gone, and was told so. */
  #told = false;
  /** The server has responded in the place of the handler, which took too long. */
  #abandoned = false;

  constructor(exchange: Exchange, services: Services) {
    this.exchange = exchange;
    this.services = services;
    this.response = new ResponseWriter(exchange, services.scheduler, this);
  }

  get reader(): RequestBodyReader {
    let reader = this.#reader;
    if (reader === null) {
      reader = this.#reader = new RequestBodyReader(this.exchange);
      if (this.gone !== null) reader.gone(this.gone);
    }
    return reader;
  }

  /** Made when a handler first asks for one. */
  get signals(): RequestSignals {
    if (this.#signals === null) {
      this.#signals = new RequestSignals();
      this.exchange.watch?.();
      const why = this.gone ?? this.response.gone;
      if (why !== null) this.#signals.abort(new PeerGoneError(why));
      else if (this.settled) this.#signals.end();
    }
    return this.#signals;
  }

  /** Whether the peer has gone, as far as can be told: most that only half-closed have. For the handler, which then knows. */
  get isGone(): boolean {
    if (this.gone === null) {
      this.exchange.watch?.();
      this.exchange.poll?.();
    }
    this.#told = this.gone !== null || this.response.gone !== null;
    return this.#told;
  }

  /** Whether the handler has asked, and seen that the peer is gone. */
  get knowsGone(): boolean {
    return this.#told || (this.gone !== null && this.#signals !== null);
  }

  /**
   * The server has responded in the place of the handler, which goes on. To the handler, the server has closed the
   * connection: its reads and writes reject.
   * @param exchange what it has from now on
   * @param reason what its signals abort with
   */
  abandon(exchange: Exchange, reason: Error): void {
    this.#abandoned = true;
    const { signals } = this; // made behind `gone`, they would abort with that
    this.exchange = exchange;
    this.gone = { kind: "shutdown" };
    this.#reader?.gone(this.gone);
    this.response.abandon(exchange, this.gone);
    signals.abort(reason);
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
    this.response.writable();
  }

  onGone(why: GoneReason): void {
    this.gone = why;
    if (why.canRespond === true) this.fault = why.error!;
    this.#reader?.gone(why);
    if (this.hasLeft) this.response.peerGone(why);
    this.#signals?.abort(new PeerGoneError(why));
  }

  /** Whether there is nobody any more to respond to. */
  get hasLeft(): boolean {
    return this.gone !== null && this.gone.kind !== "half-closed" && this.gone.canRespond !== true;
  }

  /** A response begins: what is told of the request's end is told in this context, whoever brings the news. */
  responseBegins(): void {
    if (this.watched) this.#context = presentContext();
  }

  /** The handler ends. Where it has sent no response, this is the context in which its end is told. */
  handlerEnds(): void {
    this.#context ??= presentContext();
  }

  onSent(whole: boolean): void {
    this.#sentWhole = whole;
    (this.#context ?? this.services.context).run(RequestContext.#tellEnd, this);
  }

  static readonly #tellEnd = (request: RequestContext): void => request.#tell();

  #tell(): void {
    const { services, error } = this;
    const duration = performance.now() - this.began;
    const { code } = this.fault ?? this.gone?.error ?? {};
    const outcome = outcomeOf(this.exchange, { duration, reason: this.#reason, code, error });
    if (this.handler !== null) services.told(() => this.handler!.requestEnded(outcome));
    if (services.watched) services.told(() => services.server.requestEnded(outcome));
  }

  get #reason(): OutcomeReason {
    if (this.brokenOff && !this.hasLeft) return this.error === undefined ? "closed" : "failed";
    if (this.fault !== null) return this.fault.status === 408 ? "timeout" : "malformed";
    const { gone } = this;
    const whole = this.#sentWhole;
    // To a handler that the server has given up, the peer is gone; but where its response was whole, that peer has got it.
    if (gone !== null && gone.kind !== "half-closed" && !(whole && this.#abandoned)) return gone.kind;
    return whole ? "complete" : "closed";
  }

  contentUnwanted(): void {
    this.#signals?.abort(new PeerGoneError(this.response.gone!));
  }
}
