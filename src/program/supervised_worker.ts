/** One thread of this library, as seen by the event loop that has started it: its start, its messages, its end. */
import type { Worker, WorkerOptions } from "node:worker_threads";
import { thrown } from "../loop/log.ts";
import { startThread, watchStart } from "./start_thread.ts";

/**
 * Wraps the messages between this library and its threads, since the program may send messages there itself, which the library ignores.
 * Only the message 0 is sent without an envelope.
 */
export interface Envelope<Message> {
  readonly plinth: Message;
}

/** @returns the message that this library has sent; undefined if the program has sent it */
export function openEnvelope<Message>(sent: unknown): Message | 0 | undefined {
  if (sent === 0) return 0;
  return typeof sent === "object" && sent !== null ? (sent as Partial<Envelope<Message>>).plinth : undefined;
}

/** The message of a thread that is ready. */
export interface ReadyMessage {
  readonly ready: true;
}

/** The message of a thread that cannot get ready. */
export interface FailedMessage {
  readonly failed: Error;
}

/** The owner of a thread, which has started it. */
export interface SupervisedWorkerOwner<Ready extends ReadyMessage, Message> {
  /** The thread is ready. */
  onReady(message: Ready): void;
  /** The thread cannot get ready, or was not ready in time: the owner should terminate it. `why` has the reason. */
  onFailed(): void;
  /** The thread has sent another message. */
  onMessage(message: Message): void;
  /** The thread has ended. `why` has the reason, if there is one. */
  onExit(code: number): void;
}

/** @template Message the messages that do not report on the start; 0 is one of them */
export class SupervisedWorker<Ready extends ReadyMessage, Message> {
  /** The thread has reported that it is ready. */
  ready = false;
  /** Why the thread has failed or ended; null while it has not, and if no reason is known. */
  why: Error | null = null;
  /** `why` explains a failed start in full: it needs no addition. */
  hasSaidWhy = false;
  readonly #worker: Worker;

  /**
   * @param name the name of the file that the thread runs, as `startThread` takes it
   * @param startTimeout milliseconds that the thread may take to be ready
   * @throws as `startThread`
   */
  constructor(
    name: string,
    options: WorkerOptions,
    startTimeout: number,
    owner: SupervisedWorkerOwner<Ready, Message>,
  ) {
    this.#worker = startThread(name, options);
    const failed = (why: Error): void => {
      this.why = why;
      this.hasSaidWhy = true;
      owner.onFailed();
    };
    const stopWatch = watchStart(startTimeout, (late) => failed(this.why ?? late));
    this.#worker.on("message", (sent: unknown) => {
      const message = openEnvelope<object>(sent);
      if (message === undefined) return;
      if (message !== 0 && "ready" in message) {
        stopWatch();
        this.ready = true;
        owner.onReady(message as Ready);
      } else if (message !== 0 && "failed" in message) {
        stopWatch();
        failed((message as FailedMessage).failed);
      } else {
        owner.onMessage(message as Message);
      }
    });
    this.#worker.on("messageerror", (error: Error) => (this.why ??= error));
    this.#worker.on("error", (error: unknown) => (this.why ??= thrown(error)));
    this.#worker.once("exit", (code) => {
      stopWatch();
      owner.onExit(code);
    });
  }

  /** Sends a message to the thread. The message 0 says only that there is something to look at. */
  post(message: object | 0): void {
    this.#worker.postMessage(message === 0 ? 0 : ({ plinth: message } satisfies Envelope<object>));
  }

  /** Whether this thread keeps the process alive. (Adding a listener for a worker's messages refs the worker again.) */
  set isHolding(isHolding: boolean) {
    if (isHolding) this.#worker.ref();
    else this.#worker.unref();
  }

  /** Ends the thread, whatever it is doing, as far as the runtime can. */
  terminate(): void {
    void this.#worker.terminate();
  }
}
