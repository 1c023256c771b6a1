/** How much of a request's content is buffered on the event loop before a thread is given to it. */
import type { Exchange } from "../../protocol/exchange.ts";
import type { BodyLimits } from "../../protocol/limits.ts";
import { bufferedBodyOf } from "../../handler/class_limits.ts";
import type { ExecutorServices } from "../../handler/loop_executor.ts";
import { classesOf, type Handlers, isRouter } from "../../handler/router_interface.ts";
import { pathOf } from "../../handler/request_path.ts";

export class BodyBuffering {
  readonly #threadBuffer: number;
  readonly #handlers: Handlers;
  readonly #services: ExecutorServices;
  /** The largest `bufferedBody` of all handler classes; -1 where no class has one. */
  readonly #most: number;
  readonly #limitsOf = ({ head }: Exchange): BodyLimits | null => this.#services.dispatcher.limitsFor(head);
  readonly #find = ({ head: { target } }: Exchange): number => {
    if (!isRouter(this.#handlers)) return this.#most;
    const found = target === "*" ? undefined : this.#handlers.find(pathOf(target));
    return found === undefined ? -1 : bufferedBodyOf(found.Handler);
  };

  constructor(threadBuffer: number, handlers: Handlers, services: ExecutorServices) {
    this.#threadBuffer = threadBuffer;
    this.#handlers = handlers;
    this.#services = services;
    this.#most = Math.max(...classesOf(handlers).map(bufferedBodyOf));
  }

  /**
   * How many bytes of a request's content are buffered before it gets a thread. Content is buffered whole if it is not longer than
   * `threadBuffer`, or than the `bufferedBody` of its class. Of longer content, `threadBuffer` bytes are buffered. If the length is not
   * known, one byte more than the larger of the two may be buffered: that byte shows that the content is too long.
   * @returns 0 if nothing is buffered, since `threadBuffer` is 0, or since the client waits for 100 (Continue) before it sends longer
   *   content, and the handler decides; -1 if the head announces more than `maxBodySize`, which the thread refuses unread
   */
  limitFor(exchange: Exchange): number {
    const { context, dispatcher, limits } = this.#services;
    const own = dispatcher.hasOwnLimits ? context.run(this.#limitsOf, exchange) : null;
    if (own !== null) exchange.limitBody(own);
    if (exchange.bodyLength > (own ?? limits).maxBodySize) return -1;
    const { bodyLength, waitsForContinue } = exchange;
    const least = this.#threadBuffer;
    if (least === 0) return 0;
    if (bodyLength > 0 && bodyLength <= least && !waitsForContinue) return bodyLength;
    const wanted = this.#bufferedBody(exchange);
    const most = Math.max(wanted, least);
    if (bodyLength < 0) return most + 1;
    // Content longer than its class's `bufferedBody` is refused unread, so the client must not be told to send it.
    const isRefused = wanted >= 0 && bodyLength > wanted;
    if (bodyLength <= most && !(waitsForContinue && isRefused)) return bodyLength;
    return waitsForContinue ? 0 : least;
  }

  /** The `bufferedBody` of a request's class; -1 if the class has none. */
  #bufferedBody(exchange: Exchange): number {
    if (this.#most < 0) return -1;
    try {
      return this.#services.context.run(this.#find, exchange);
    } catch {
      return -1; // the router throws again when the class is needed, and that error is reported
    }
  }
}
