/** Calls of the server that serves, made in one of its threads: the main thread carries them out, and says how they have ended. */
import { sendable } from "./supervised_thread.ts";

/** A message to the main thread. */
export interface ServerCall {
  /** The number of the call, among those of its thread. */
  readonly call: number;
  /** The argument of `setCertificate`; null for none. */
  readonly setCertificate: object | null;
}

/** A message from the main thread: a call has ended. */
export interface ServerCallEnd {
  /** The number of the call. */
  readonly called: number;
  /** The error that it has ended with; null for none. */
  readonly error: Error | null;
  /** The error's `code`, which does not go from thread to thread with it. */
  readonly code: string | undefined;
}

/** The calls of one thread that have not ended. */
export class ServerCalls {
  readonly #send: (call: ServerCall) => void;
  readonly #ends = new Map<number, (error: Error | null) => void>();
  #last = 0;

  /** @param send sends a message to the main thread */
  constructor(send: (call: ServerCall) => void) {
    this.#send = send;
  }

  /** @returns resolves when the call has ended; rejects with its error, or if the argument cannot be sent to another thread */
  setCertificate(change: object | null): Promise<void> {
    return new Promise((resolve, reject) => {
      const call = ++this.#last;
      this.#send({ call, setCertificate: change });
      this.#ends.set(call, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** A message from the main thread has come. */
  ended({ called, error, code }: ServerCallEnd): void {
    if (error !== null && code !== undefined) Object.assign(error, { code });
    this.#ends.get(called)?.(error);
    this.#ends.delete(called);
  }
}

/** Carries out a call that has come from a thread. @param server the server of that thread @param post sends a message to the thread */
export function carryOut(
  server: object,
  { call, setCertificate }: ServerCall,
  post: (end: ServerCallEnd) => void,
): void {
  const { setCertificate: set } = server as { setCertificate(change?: object): Promise<void> };
  Promise.resolve()
    .then(() => set.call(server, setCertificate ?? undefined))
    .then(
      () => post({ called: call, error: null, code: undefined }),
      (error: unknown) => post({ called: call, error: sendable(error), code: (error as NodeJS.ErrnoException)?.code }),
    )
    .catch(() => {}); // the thread has ended
}
