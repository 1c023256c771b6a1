/** The state of a response: each exchange keeps one, so that a handler's mistake throws at the call. */
import { hasNoContent } from "./status.ts";

// The response's state does not depend on how much of the request has come.
//   IDLE --begin--> OPEN --finish--> ENDED,  any --breakOff--> ENDED,  OPEN | ENDED --takeBack--> IDLE
const IDLE = 0;
const OPEN = 1;
const ENDED = 2;

export class ResponseState {
  #state = IDLE;
  /** How many bytes of content are still to be written; -1 if no length was announced, or no content is sent. */
  #left = -1;

  /** Whether the head of the response has been given, and not taken back. */
  get hasBegun(): boolean {
    return this.#state !== IDLE;
  }

  /** Whether the response has ended, or was broken off. */
  get ended(): boolean {
    return this.#state === ENDED;
  }

  /** @throws {Error} if the final response has begun; {RangeError} if the status is not one of an interim response */
  checkInterim(status: number): void {
    if (this.#state !== IDLE) throw new Error(`cannot send the interim response ${status}: the final one has begun`);
    if (!Number.isInteger(status) || status < 100 || status > 199 || status === 101) {
      throw new RangeError(`an interim response has a status from 100 to 199, but not 101, and not ${status}`);
    }
  }

  /** @throws {Error} if a response has begun; {RangeError} if the status or the length is wrong */
  checkBegin(status: number, length: number): void {
    if (this.#state !== IDLE) throw new Error(`cannot respond with ${status}: a response has begun already`);
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`a response has a status from 200 to 599, not ${status}`);
    }
    if (length !== -1 && !(Number.isSafeInteger(length) && length >= 0)) {
      throw new RangeError(`the length of a response is a number of bytes, or -1 if it is not known, not ${length}`);
    }
  }

  /** @param counted how many bytes of content must be written; -1 for any number */
  begin(counted: number): void {
    this.#state = OPEN;
    this.#left = counted;
  }

  /** Counts content. @throws {Error} before the head or after the end; {RangeError} past the length that was announced */
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

  /** Ends the response. @throws {Error} if it has not begun, has ended already, or is shorter than was announced */
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

/** Whether only the head of a response is sent: content that a handler writes is dropped (RFC 9110 §6.4.1). */
export function isHeadOnly(method: string, status: number): boolean {
  return method === "HEAD" || hasNoContent(status) || status === 205;
}

/** Whether a final response opens a tunnel: "any 2xx response" to CONNECT does (RFC 9110 §9.3.6). */
export function opensTunnel(method: string, status: number): boolean {
  return method === "CONNECT" && status < 300;
}
