/**
 * Logs a line when all threads are busy and a request has waited for 5 s. Handlers may be waiting for each other, for instance when they
 * send requests to their own server, and would then wait for ever.
 */
import type { ThreadRequest } from "./thread_request.ts";
import { now } from "../shared/pool_memory.ts";
import type { Settings } from "../shared/threading_options.ts";
import type { StreamingRequests } from "./streaming_requests.ts";

/** A line is logged when a request has waited for this long. In milliseconds. */
const LONG = 5_000;
/** Another line may be logged once the first request in the queue has waited for less than this. In milliseconds. */
const SHORT = 1_000;

export class StallWatch {
  readonly #settings: Settings;
  readonly #log: (message: string, ...args: unknown[]) => void;
  #hasReported = false;
  #hasReportedStreams = false;

  constructor(settings: Settings, log: (message: string, ...args: unknown[]) => void) {
    this.#settings = settings;
    this.#log = log;
  }

  /**
   * Logs a line if the threads are stalled; called every 250 ms.
   * @param oldest when the request that has waited longest entered the queue, by `now`; Infinity if no request waits
   * @param pending how many requests run or wait
   * @param stuck how many threads go on after they were ended
   * @param runningRequests gives the requests that run
   */
  look(oldest: number, pending: number, stuck: number, runningRequests: () => readonly ThreadRequest[]): void {
    const time = now();
    const waited = time - oldest;
    if (waited < SHORT) this.#hasReported = false;
    if (waited < LONG || this.#hasReported) return;
    const running = runningRequests();
    const { max, handlerTimeout } = this.#settings;
    const threads = max - stuck;
    if (threads === 0 || running.length < threads) return; // threads are being started or replaced, which ThreadPool logs
    this.#hasReported = true;
    const { exchange, startedAt } = running.reduce((first, request) =>
      request.startedAt < first.startedAt ? request : first,
    );
    this.#log(
      "all %d threads are busy, and %d requests wait for one, the first of them for %s s; %s %s has run longest, for %s s." +
        " Handlers that send requests to their own server may wait for each other for ever: handlerTimeout (%s) ends them. See docs/THREADS.md",
      threads,
      pending - threads,
      seconds(waited),
      exchange.head.method,
      exchange.head.target,
      seconds(time - startedAt),
      handlerTimeout === Infinity ? "not set" : `${handlerTimeout} ms`,
    );
  }

  /** Does the same as `look` for requests whose content is still coming: these wait for other such requests. */
  lookAtStreams({ oldest, waiting }: StreamingRequests): void {
    const waited = now() - oldest;
    if (waited < SHORT) this.#hasReportedStreams = false;
    if (waited < LONG || this.#hasReportedStreams) return;
    this.#hasReportedStreams = true;
    this.#log(
      "all %d threads (of %d) that may run requests whose content is still coming are busy, and %d such requests wait, the first of them for" +
        " %s s. streamingThreads sets how many threads may, threadBuffer how much content is buffered before a request gets a thread",
      this.#settings.streamingThreads,
      this.#settings.max,
      waiting,
      seconds(waited),
    );
  }
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(1);
}
