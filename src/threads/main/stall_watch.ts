/** Tells of threads that are all busy while requests wait for long: handlers may wait for each other, and would do so for ever. */
import type { ThreadRequest } from "./thread_request.ts";
import { now } from "../shared/memory.ts";
import type { Settings } from "../shared/threading_options.ts";
import type { StreamingRequests } from "./streaming_requests.ts";

/** A request that has waited for so long is told of. In milliseconds. */
const LONG = 5_000;
/** The next is told of when the first in the queue has waited for less than this in between. In milliseconds. */
const SHORT = 1_000;

export class StallWatch {
  readonly #settings: Settings;
  readonly #log: (message: string, ...args: unknown[]) => void;
  #isTold = false;
  #isTellingOfStreams = false;

  constructor(settings: Settings, log: (message: string, ...args: unknown[]) => void) {
    this.#settings = settings;
    this.#log = log;
  }

  /**
   * Looks whether there is one; now and then.
   * @param oldest when the request came into the queue that has waited longest, by `now`; Infinity where none waits
   * @param held how many run or wait
   * @param stuck how many threads go on behind their end
   * @param runningRequests gives the requests that run
   */
  look(oldest: number, held: number, stuck: number, runningRequests: () => readonly ThreadRequest[]): void {
    const time = now();
    const waited = time - oldest;
    if (waited < SHORT) this.#isTold = false;
    if (waited < LONG || this.#isTold) return;
    const running = runningRequests();
    const { max, handlerTimeout } = this.#settings;
    const threads = max - stuck;
    if (threads === 0 || running.length < threads) return; // threads are being started, or replaced, which is told of by others
    this.#isTold = true;
    const { exchange, startedAt } = running.reduce((first, request) =>
      request.startedAt < first.startedAt ? request : first,
    );
    this.#log(
      "all %d threads are busy, and %d requests wait for one, the first of them for %s s; %s %s has run longest, for %s s." +
        " Handlers that ask their own server wait for each other for ever: handlerTimeout, which is %s, ends them. docs/THREADS.md says more",
      threads,
      held - threads,
      seconds(waited),
      exchange.head.method,
      exchange.head.target,
      seconds(time - startedAt),
      handlerTimeout === Infinity ? "not set" : `${handlerTimeout} ms`,
    );
  }

  /** The same for those whose content is still coming, and which wait for others of their kind. */
  lookAtStreams({ oldest, waiting }: StreamingRequests): void {
    const waited = now() - oldest;
    if (waited < SHORT) this.#isTellingOfStreams = false;
    if (waited < LONG || this.#isTellingOfStreams) return;
    this.#isTellingOfStreams = true;
    this.#log(
      "all threads run requests whose content is still coming that may do so, %d of %d, and %d such requests wait, the first of them for %s s." +
        " streamingThreads says how many may, threadBuffer how much content is waited for before",
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
