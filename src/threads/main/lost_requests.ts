/** Ends the request of a thread that has ended while it ran the request, or that goes on after it was ended. */
import { HTTPError } from "../../handler/errors.ts";
import { type ExecutorServices, TOO_LONG } from "../../handler/loop_executor.ts";
import { loggableReason, type ThreadHandle } from "./thread_handle.ts";
import type { ThreadRequest } from "./thread_request.ts";

/** What LostRequests needs of the executor. */
export interface LostRequestsOwner {
  /** The requests in shared memory, by their slots. */
  readonly requests: readonly (ThreadRequest | null)[];
  /** Counts a request as failed, and takes it out of its slot. @param writer the thread that may still write there; -1 for none */
  leave(request: ThreadRequest, writer: number): void;
  /** Sends an error response in place of the handler's. */
  refuse(request: ThreadRequest, error: HTTPError): void;
  /** Releases a request whose connection was cut. */
  release(request: ThreadRequest, why: Error): void;
}

export class LostRequests {
  readonly #owner: LostRequestsOwner;
  readonly #services: ExecutorServices;
  readonly #handlerTimeout: number;

  /** @param handlerTimeout how long a handler may run, in milliseconds; for the log */
  constructor(owner: LostRequestsOwner, services: ExecutorServices, handlerTimeout: number) {
    this.#owner = owner;
    this.#services = services;
    this.#handlerTimeout = handlerTimeout;
  }

  /** The thread has ended: takes what it has handed over, and ends the request that it ran with an error response or a cut connection. */
  threadEnded(thread: ThreadHandle, why: Error): void {
    for (const request of this.#owner.requests) {
      if (request?.thread !== thread.index) continue;
      request.look();
      if (request.slot >= 0) this.#fail(request, thread, why, -1);
    }
  }

  /** Ends the request of a thread that goes on. @param ticket the request's; left out, the request is the one that the thread runs */
  threadGoesOn(thread: ThreadHandle, ticket?: number): void {
    for (const request of this.#owner.requests) {
      if (request?.thread !== thread.index || (ticket !== undefined && request.ticket !== ticket)) continue;
      request.look();
      if (request.slot >= 0) this.#fail(request, thread, thread.why ?? new Error("it was ended"), thread.index);
    }
  }

  #fail(request: ThreadRequest, thread: ThreadHandle, why: Error, writer: number): void {
    const overdue = thread.overdueTicket === request.ticket;
    if (!thread.isLeaving) {
      const what = overdue ? `it took more than ${this.#handlerTimeout} ms` : loggableReason(why);
      const { method, target } = request.exchange.head;
      const doubt = thread.doubtOf(request.ticket);
      this.#services.logError("a thread was lost while it ran %s %s: %s%s", method, target, what, doubt);
    }
    this.#owner.leave(request, writer);
    if (!request.hasLostClient && request.exchange.retract()) {
      this.#owner.refuse(request, overdue ? new HTTPError(503, { detail: TOO_LONG }) : new HTTPError(500));
    } else {
      request.exchange.abort();
      this.#owner.release(request, why);
    }
  }
}
