/** One request being handled: its handler, the reader of its content, the writer of its response, and whether its client is gone. */
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

/** The methods of a handler that this library calls besides its `do_` methods. `BaseHTTPRequestHandler` has them. */
export interface RequestHandler {
  requestEnded(outcome: RequestOutcome): void;
  logRequest(code?: number | string, size?: number | string, reason?: string): void;
  logMessage(message: string, ...args: unknown[]): void;
  logError(message: string, ...args: unknown[]): void;
  /** A user's class may override it by a method that returns a promise. */
  sendError(
    code: number,
    message?: string,
    explain?: string,
    options?: Pick<HTTPErrorOptions, "headers" | "problem">,
  ): void;
}

export class RequestContext implements Sink, ResponseWatcher, ResponseOwner {
  /** This object is the context that a handler's constructor gets. `request` is a field, so that a copy of the context has it too. */
  readonly request: RequestContext = this;
  exchange: Exchange;
  readonly services: Services;
  readonly response: ResponseWriter;
  /** Why the client is gone; null while it is there. */
  gone: GoneReason | null = null;
  /** The client's fault, if a response can still report it. */
  fault: ProtocolError | null = null;
  /** What the handler has thrown. */
  error: unknown = undefined;
  /** The response was broken off, because the handler failed. */
  brokenOff = false;
  /** When the request's head was complete, in milliseconds by `performance.now`; the clock's last tick unless durations are measured. */
  began = 0;
  /** Null until the handler has been made. */
  handler: RequestHandler | null = null;
  /** The handler has settled. */
  settled = false;
  /** This request responds in the place of a handler that has taken too long. */
  isLate = false;
  /** The parameters that the route's pattern found in the path, not decoded; null where no route was looked for. */
  routeParams: RouteParams | null = null;
  /** The end of the request is reported. */
  reportsEnd = false;
  #reader: RequestBodyReader | null = null;
  #signals: RequestSignals | null = null;
  /** The async context in which the response began; null if the end of the request is not reported. */
  #context: Context | null = null;
  /** The whole response has left. */
  #sentWhole = false;
  /** The handler has read `clientGone`, and it was true. */
  #sawGone = false;
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

  /** Made when the handler first asks for a signal. */
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

  /** Whether the client is gone, as far as is known. A client that half-closed counts as gone, since most have. Read for the handler only. */
  get isGone(): boolean {
    if (this.gone === null) {
      this.exchange.watch?.();
      this.exchange.poll?.();
    }
    this.#sawGone = this.gone !== null || this.response.gone !== null;
    return this.#sawGone;
  }

  /** Whether the handler knows that the client is gone: by `clientGone`, or by a signal. */
  get knowsGone(): boolean {
    return this.#sawGone || (this.gone !== null && this.#signals !== null);
  }

  /**
   * The server responds in the place of the handler, which still runs. To the handler it looks as if the server had closed the
   * connection: its reads and writes reject.
   * @param exchange the exchange that the handler has from now on
   * @param reason the reason of its signals
   */
  abandon(exchange: Exchange, reason: Error): void {
    this.#abandoned = true;
    const { signals } = this; // before `gone` is set: signals that are made later abort with that reason
    this.exchange = exchange;
    this.gone = { kind: "shutdown" };
    this.#reader?.gone(this.gone);
    this.response.abandon(exchange, this.gone);
    signals.abort(reason);
  }

  /** The handler has settled. */
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

  /** Whether the client can get no response any more. */
  get hasLeft(): boolean {
    return this.gone !== null && this.gone.kind !== "half-closed" && this.gone.canRespond !== true;
  }

  /** A response begins. The end of the request will be reported in the present async context. */
  responseBegins(): void {
    if (this.reportsEnd) this.#context = presentContext();
  }

  /** The handler ends. If it has sent no response, the end of the request will be reported in the present async context. */
  handlerEnds(): void {
    this.#context ??= presentContext();
  }

  onSent(whole: boolean): void {
    this.#sentWhole = whole;
    (this.#context ?? this.services.context).run(RequestContext.#reportEndOf, this);
  }

  static readonly #reportEndOf = (request: RequestContext): void => request.#reportEnd();

  #reportEnd(): void {
    const { services, error } = this;
    const duration = performance.now() - this.began;
    const { code } = this.fault ?? this.gone?.error ?? {};
    const outcome = outcomeOf(this.exchange, { duration, reason: this.#reason, code, error });
    if (this.handler !== null) services.callHook(() => this.handler!.requestEnded(outcome));
    if (services.reportsEnds) services.callHook(() => services.server.requestEnded(outcome));
  }

  get #reason(): OutcomeReason {
    if (this.brokenOff && !this.hasLeft) return this.error === undefined ? "closed" : "failed";
    if (this.fault !== null) return this.fault.status === 408 ? "timeout" : "malformed";
    const { gone } = this;
    const isWhole = this.#sentWhole;
    // `abandon` has set `gone`, but a client whose response was whole has received it.
    if (gone !== null && gone.kind !== "half-closed" && !(isWhole && this.#abandoned)) return gone.kind;
    return isWhole ? "complete" : "closed";
  }

  contentUnwanted(): void {
    this.#signals?.abort(new PeerGoneError(this.response.gone!));
  }
}
