/** Responds to requests that no thread handles, or handles to their end, and tells how they ended. */
import { HTTPError } from "../../handler/errors.ts";
import { type ExecutorServices, LoopExecutor } from "../../handler/loop_executor.ts";
import { BaseHTTPRequestHandler } from "../../handler/handler.ts";
import { RequestContext } from "../../handler/request_context.ts";
import type { ThreadRequest } from "./thread_request.ts";
import { origin } from "../shared/memory.ts";
import type { Settings } from "../shared/threading_options.ts";

export class OverloadResponses {
  /** Runs nothing but what throws the error that is to be sent. */
  readonly loop: LoopExecutor;
  readonly #services: ExecutorServices;
  readonly #settings: Settings;
  #error: HTTPError | null = null;

  constructor(services: ExecutorServices, settings: Settings) {
    this.#services = services;
    this.#settings = settings;
    const dispatcher = {
      watched: services.dispatcher.watched,
      limited: false,
      limitsFor: () => null,
      dispatch: () => {
        throw this.#error ?? new HTTPError(500);
      },
    };
    this.loop = new LoopExecutor({ ...services, dispatcher });
  }

  // Why a request may not even wait. Means are of how long handlers run, in milliseconds.

  busy(mean: number): HTTPError {
    return this.#later("All threads are busy, and as many requests as may wait for one do.", mean);
  }

  streaming(mean: number): HTTPError {
    return this.#later(
      "All threads that take content while it comes are busy, and as many requests as may wait for one of them do.",
      mean,
    );
  }

  stuck(): HTTPError {
    return this.#later("All threads are held by handlers that have taken too long, and cannot be ended.", Infinity);
  }

  none(): HTTPError {
    return this.#later("No thread can be started.", Infinity);
  }

  #later(detail: string, mean: number): HTTPError {
    const { queue, max } = this.#settings;
    const seconds = mean === Infinity ? 1 : Math.ceil((mean * (1 + queue / max)) / 1000);
    return new HTTPError(503, { detail, headers: { "Retry-After": Math.min(60, Math.max(1, seconds)) } });
  }

  /** Sends an error in the place of a handler's response. */
  refuse({ exchange, beganAt }: ThreadRequest, error: HTTPError): void {
    this.#error = error;
    this.loop.start(exchange, beganAt === 0 ? undefined : beganAt - origin);
    this.#error = null;
  }

  /**
   * Who tells the server how a request ended, and the log where no thread has done so.
   * @param handled a thread's handler has settled, and knows how its request ended
   * @param why the thread was lost
   */
  watcherOf(request: ThreadRequest, handled: boolean, why: Error | undefined): RequestContext | null {
    const services = this.#services;
    if (!services.watched && (handled || services.log.silent)) return null;
    const context = new RequestContext(request.exchange, services);
    if (!handled) context.handler = new BaseHTTPRequestHandler(context);
    if (request.gone !== null) context.onGone(request.gone);
    context.brokenOff = request.aborted || (!handled && request.gone === null);
    context.error = why;
    context.began = request.beganAt - origin;
    return context;
  }
}
