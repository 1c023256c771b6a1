/** One thread of this library's, as the event loop sees it that has started it: from its start to its end, and what it says. */
import type { Worker, WorkerOptions } from "node:worker_threads";
import { thrown } from "../loop/log.ts";
import { startThread, watchStart } from "./start_thread.ts";

/**
 * Around what this library says to its threads and hears from them: the program may say things there itself, which are for nobody
 * here. Only 0, which nobody else has a use for, goes without.
 */
export interface Envelope<Message> {
  readonly plinth: Message;
}

/** @returns what this library has sent; undefined where the program has sent something */
export function openEnvelope<Message>(sent: unknown): Message | 0 | undefined {
  if (sent === 0) return 0;
  return typeof sent === "object" && sent !== null ? (sent as Partial<Envelope<Message>>).plinth : undefined;
}

/** What a thread says when it has begun to do what it was started for. */
export interface ReadyMessage {
  readonly ready: true;
}

/** What a thread says when it cannot do what it was started for. */
export interface FailedMessage {
  readonly failed: Error;
}

/** Whoever has started a thread. */
export interface SupervisedWorkerOwner<Ready extends ReadyMessage, Message> {
  /** It has begun to do what it was started for. */
  onReady(message: Ready): void;
  /** It cannot, or has been silent for too long: it is to be ended. `why` says the reason. */
  onFailed(): void;
  onMessage(message: Message): void;
  /** It has ended. `why` says the reason, where there is one. */
  onExit(code: number): void;
}

/** @template Message what the thread says besides how its start went; 0 is one of these messages */
export class SupervisedWorker<Ready extends ReadyMessage, Message> {
  /** It does what it was started for, or has done so. */
  ready = false;
  /** Why it has failed, or ended; null while it has not, and where there is nothing to say. */
  why: Error | null = null;
  /** `why` is its own account of its start: nothing is to be added. */
  hasSaidWhy = false;
  readonly #worker: Worker;

  /**
   * @param name that of the file which it runs: see `startThread`, which may throw
   * @param startTimeout how long it may take to be ready, in milliseconds
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

  /** Says something to the thread; 0 says no more than that there is something to be looked at. */
  post(message: object | 0): void {
    this.#worker.postMessage(message === 0 ? 0 : ({ plinth: message } satisfies Envelope<object>));
  }

  /** Whether the process goes on for this thread. (Whoever listens to the messages of a worker refs it again.) */
  set isHolding(isHolding: boolean) {
    if (isHolding) this.#worker.ref();
    else this.#worker.unref();
  }

  /** Ends it, whatever it does, as far as the runtime can. */
  terminate(): void {
    void this.#worker.terminate();
  }
}
