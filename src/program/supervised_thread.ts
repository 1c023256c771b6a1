/** One thread of this library, as seen by the event loop that has started it: its start, its messages, its end. */
import type { Worker, WorkerOptions } from "node:worker_threads";
import { describe, thrown } from "../loop/log.ts";
import { startThread, watchStart } from "./start_thread.ts";

/**
 * Wraps the messages between this library and its threads, since the program may send messages there itself, which the library ignores.
 */
export interface Envelope<Message> {
  readonly plinth: Message;
}

/** @returns the message that this library has sent; undefined if the program has sent it */
export function openEnvelope<Message>(sent: unknown): Message | undefined {
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
export interface SupervisedThreadOwner<Ready extends ReadyMessage, Message> {
  /** The thread is ready. */
  onReady(message: Ready): void;
  /** The thread cannot get ready, or was not ready in time: the owner should terminate it. `why` has the reason. */
  onFailed(): void;
  /** The thread has sent another message. */
  onMessage(message: Message): void;
  /** The thread has sent 0: there is something to look at. Left out where threads send no 0; the program may. */
  onNudge?(): void;
  /** The thread has ended. `why` has the reason, if there is one. */
  onExit(code: number): void;
}

/** @template Message the messages that do not report on the start */
export class SupervisedThread<Ready extends ReadyMessage, Message> {
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
    owner: SupervisedThreadOwner<Ready, Message>,
  ) {
    this.#worker = startThread(name, options);
    const failed = (why: Error): void => {
      this.why = why;
      this.hasSaidWhy = true;
      owner.onFailed();
    };
    const stopWatch = watchStart(startTimeout, (late) => failed(this.why ?? late));
    this.#worker.on("message", (sent: unknown) => {
      if (sent === 0) return owner.onNudge?.();
      const message = openEnvelope<object>(sent);
      if (typeof message !== "object" || message === null) return;
      if ("ready" in message) {
        stopWatch();
        this.ready = true;
        owner.onReady(message as Ready);
      } else if ("failed" in message) {
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

  /** Sends a message to the thread. */
  post(message: object): void {
    this.#worker.postMessage({ plinth: message } satisfies Envelope<object>);
  }

  /** Tells the thread that there is something to look at. */
  nudge(): void {
    this.#worker.postMessage(0);
  }

  /** Lets the process end while this thread runs. */
  unref(): void {
    this.#worker.unref();
  }

  /** Ends the thread, whatever it is doing, as far as the runtime can. */
  terminate(): void {
    void this.#worker.terminate();
  }
}

/** Makes an error that can be sent to another thread, whatever was thrown. */
export function sendable(error: unknown): Error {
  const failed = error instanceof Error ? error : new Error(describe(error));
  try {
    structuredClone(failed);
    return failed;
  } catch {
    return new Error(failed.message); // its cause, or another member, cannot be copied
  }
}
