/** What frames the content of a request: counted, chunked (chunked_reader.ts), or nothing (RFC 9112 §6.3). */
import { copy } from "../bytes.ts";
import { BODY_TOO_LARGE, type ProtocolError } from "../errors.ts";
import type { Fields } from "../fields.ts";
import type { ReceiveBuffer } from "../receive_buffer.ts";

/** The content is complete. */
export const END = -1;
/** The content is malformed: see `error`. */
export const FAULT = -2;

export interface BodyReader {
  readonly error: ProtocolError | null;
  readonly trailers: Fields | undefined;
  /** Bytes still to come, -1 when not known. */
  readonly remaining: number;
  /** More content than this is a fault for who reads it; it can be dropped all the same. */
  limit(maxBodySize: number): void;
  /**
   * Takes content from `input`, at most `max` bytes, to `to` from `at` on; nowhere when `to` is null.
   * @returns how many bytes; 0 when there are none yet; END; FAULT
   */
  read(input: ReceiveBuffer, to: Uint8Array | null, at: number, max: number): number;
}

/** Content of a length said beforehand; of length Infinity, what follows until the peer closes (a tunnel). */
export class CountedReader implements BodyReader {
  error: ProtocolError | null = null;
  readonly trailers: undefined = undefined;
  #left: number;

  constructor(length: number) {
    this.#left = length;
  }

  get remaining(): number {
    return this.#left === Infinity ? -1 : this.#left;
  }

  limit(maxBodySize: number): void {
    this.error = this.#left > maxBodySize && this.#left !== Infinity ? BODY_TOO_LARGE : null;
  }

  read(input: ReceiveBuffer, to: Uint8Array | null, at: number, max: number): number {
    if (this.#left === 0) return END;
    if (this.error !== null && to !== null) return FAULT;
    let n = input.end - input.pos;
    if (n > this.#left) n = this.#left;
    if (n > max) n = max;
    if (n > 0) {
      if (to !== null) copy(input.bytes, input.pos, input.pos + n, to, at);
      input.pos += n;
      this.#left -= n;
    }
    return n;
  }
}

/** No content. */
export const NO_BODY: BodyReader = new CountedReader(0);
