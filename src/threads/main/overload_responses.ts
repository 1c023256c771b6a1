/** Sends error responses to requests that no thread handles, or that lost their thread, and reports how requests ended. */
import { HTTPError } from "../../handler/errors.ts";
import { type ExecutorServices, LoopExecutor } from "../../handler/loop_executor.ts";
import { BaseHTTPRequestHandler } from "../../handler/handler.ts";
import { RequestContext } from "../../handler/request_context.ts";
import type { ThreadRequest } from "./thread_request.ts";
import { origin } from "../shared/pool_memory.ts";
import type { Settings } from "../shared/threading_options.ts";

export class OverloadResponses {
  /** Runs no handler: its dispatcher throws the error that is to be sent. */
  readonly loop: LoopExecutor;
  readonly #services: ExecutorServices;
  readonly #settings: Settings;
  #error: HTTPError | null = null;

  constructor(services: ExecutorServices, settings: Settings) {
    this.#services = services;
    this.#settings = settings;
    const dispatcher = {
      reportsEnds: services.dispatcher.reportsEnds,
      hasOwnLimits: false,
      limitsFor: () => null,
      dispatch: () => {
        throw this.#error ?? new HTTPError(500);
      },
    };
    this.loop = new LoopExecutor({ ...services, dispatcher });
  }

  // Errors for requests that may not even wait in the queue. `mean` is how long handlers run on average, in milliseconds.

  busy(mean: number): HTTPError {
    return this.#unavailable("All threads are busy, and the queue of requests that wait for one is full.", mean);
  }

  streaming(mean: number): HTTPError {
    return this.#unavailable(
      "All threads that may read content while it arrives are busy, and the queue of requests that wait for one is full.",
      mean,
    );
  }

  stuck(): HTTPError {
    return this.#unavailable("All threads run handlers that have taken too long and cannot be ended.", Infinity);
  }

  none(): HTTPError {
    return this.#unavailable("No thread can be started.", Infinity);
  }

  #unavailable(detail: string, mean: number): HTTPError {
    const { queue, max } = this.#settings;
    const seconds = mean === Infinity ? 1 : Math.ceil((mean * (1 + queue / max)) / 1000);
    return new HTTPError(503, { detail, headers: { "Retry-After": Math.min(60, Math.max(1, seconds)) } });
  }

  /** Sends an error response in place of a handler's response. */
  refuse({ exchange, beganAt }: ThreadRequest, error: HTTPError): void {
    this.#error = error;
    this.loop.start(exchange, beganAt === 0 ? undefined : beganAt - origin);
    this.#error = null;
  }

  /**
   * Makes the watcher that reports to the server how a request ended, and to the log if no thread has logged the request.
   * @param handled the handler has settled in its thread, which has logged how the request ended
   * @param why the error by which the thread was lost
   * @returns null if neither the server nor the log wants the report
   */
  watcherOf(request: ThreadRequest, handled: boolean, why: Error | undefined): RequestContext | null {
    const services = this.#services;
    if (!services.reportsEnds && (handled || services.log.silent)) return null;
    const context = new RequestContext(request.exchange, services);
    if (!handled) context.handler = new BaseHTTPRequestHandler(context);
    if (request.gone !== null) context.onGone(request.gone);
    context.brokenOff = request.aborted || (!handled && request.gone === null);
    context.error = why;
    context.began = request.beganAt - origin;
    return context;
  }
}
