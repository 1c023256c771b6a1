/** What has been given so far: the account that every exchange keeps of its response, so that a mistake throws at the call. */
import { hasNoContent } from "./status.ts";

// A request and its response run independently of each other; this is the response's state.
//   IDLE --begin--> OPEN --finish--> ENDED,  any --breakOff--> ENDED,  OPEN | ENDED --takeBack--> IDLE
const IDLE = 0;
const OPEN = 1;
const ENDED = 2;

export class ResponseState {
  #state = IDLE;
  /** Bytes of content still to be written; -1 where no length was announced, or there is no content to be sent. */
  #left = -1;

  /** Whether the head of the response has been given, and not taken back. */
  get hasBegun(): boolean {
    return this.#state !== IDLE;
  }

  /** Whether the response has ended, or was broken off. */
  get ended(): boolean {
    return this.#state === ENDED;
  }

  /** @throws where an interim response with this status has no place */
  checkInterim(status: number): void {
    if (this.#state !== IDLE) throw new Error(`cannot send the interim response ${status}: the final one has begun`);
    if (!Number.isInteger(status) || status < 100 || status > 199 || status === 101) {
      throw new RangeError(`an interim response has a status from 100 to 199, but not 101: ${status}`);
    }
  }

  /** @throws where a response with this status and length cannot begin */
  checkBegin(status: number, length: number): void {
    if (this.#state !== IDLE) throw new Error(`cannot respond with ${status}: a response has begun already`);
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`a response has a status from 200 to 599: ${status}`);
    }
    if (length !== -1 && !(Number.isSafeInteger(length) && length >= 0)) {
      throw new RangeError(`a length is a number of bytes, or -1 when it is not known: ${length}`);
    }
  }

  /** @param counted the length of the content, where so much must be written; -1 where nobody counts */
  begin(counted: number): void {
    this.#state = OPEN;
    this.#left = counted;
  }

  /** Counts content. @throws where it has no place */
  count(bytes: number): void {
    if (this.#state !== OPEN) {
      throw new Error(
        this.#state === IDLE ? "cannot write content before the head" : "cannot write content after the end",
      );
    }
    if (this.#left < 0) return;
    if (bytes > this.#left) {
      throw new RangeError(
        `cannot write ${bytes} bytes: only ${this.#left} are left of the Content-Length that was announced`,
      );
    }
    this.#left -= bytes;
  }

  /** @throws where the response is not at its end */
  finish(): void {
    if (this.#state !== OPEN) {
      throw new Error(
        this.#state === IDLE ? "cannot end a response that has not begun" : "cannot end a response twice",
      );
    }
    if (this.#left > 0) {
      throw new Error(
        `cannot end the response: ${this.#left} bytes are missing of the Content-Length that was announced`,
      );
    }
    this.#state = ENDED;
  }

  takeBack(): void {
    this.#state = IDLE;
  }

  breakOff(): void {
    this.#state = ENDED;
  }
}

/** Whether what is written as content of a response is not sent: only its head is (RFC 9110 §6.4.1). */
export function isHeadOnly(method: string, status: number): boolean {
  return method === "HEAD" || hasNoContent(status) || status === 205;
}

/** "Any 2xx response" to CONNECT opens a tunnel (RFC 9110 §9.3.6). */
export function opensTunnel(method: string, status: number): boolean {
  return method === "CONNECT" && status < 300;
}
