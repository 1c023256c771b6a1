/** Readers of a request's content, one for each framing: counted, chunked (chunked_reader.ts), or none (RFC 9112 §6.3). */
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
  /** How many bytes are still to come; -1 if that is not known. */
  readonly remaining: number;
  /** Makes `read` return FAULT for content longer than this. Content of any length can be dropped. */
  limit(maxBodySize: number): void;
  /**
   * Moves at most `max` bytes of content from `input` to `to`, from index `at` on. If `to` is null, drops them.
   * @returns how many bytes; 0 if none have come yet; END; FAULT
   */
  read(input: ReceiveBuffer, to: Uint8Array | null, at: number, max: number): number;
}

/** Reads content whose length is announced. With the length Infinity, reads until the client closes its side, for a tunnel. */
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
