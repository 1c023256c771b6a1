/** Reads the response for `inject`. It trusts that the response is well-formed, since this server has sent it. */
/// <reference types="node" preserve="true" />
import { Buffer } from "node:buffer";
import { isHeadOnly } from "../protocol/response_state.ts";
import { Fields } from "../protocol/fields.ts";
import { FieldLinesReader } from "../protocol/http1/field_lines.ts";

type Bytes = Buffer<ArrayBuffer>;

// States, named by what comes next (RFC 9112 §6.3, §7.1):
//   HEAD ──► COUNTED ──► END,  HEAD ──► SIZE ──► CHUNK ──► CHUNK_END ──► SIZE ──► TRAILERS ──► END,  HEAD ──► UNTIL_CLOSE ──► END
const HEAD = 0;
const COUNTED = 1;
const SIZE = 2;
const CHUNK = 3;
const CHUNK_END = 4;
const TRAILERS = 5;
const UNTIL_CLOSE = 6;
const END = 7;

export class ResponseReader {
  /** The interim responses (1xx). */
  readonly informational: { readonly status: number; readonly headers: Fields }[] = [];
  status = 0;
  reason = "";
  /** The header section; null until the head has come. */
  headers: Fields | null = null;
  /** The trailer section, at the end; undefined if there is none. */
  trailers: Fields | undefined = undefined;
  readonly #method: string;
  #state = HEAD;
  /** How many bytes of the content, or of the chunk, are still to come. */
  #left = 0;
  /** Bytes that have come and have not been read. */
  #bytes: Bytes = NOTHING;
  /** Further bytes, behind `#bytes`. */
  readonly #pieces: Uint8Array<ArrayBuffer>[] = [];

  /** @param method the request's: the response to a HEAD has no content */
  constructor(method: string) {
    this.#method = method;
  }

  /** Whether the response is whole. */
  get ended(): boolean {
    return this.#state === END;
  }

  /** Adds bytes that have come; they must not be changed afterwards. */
  feed(pieces: readonly Uint8Array<ArrayBuffer>[]): void {
    for (const piece of pieces) this.#pieces.push(piece);
  }

  /** The connection has ended, and all bytes have been read. */
  feedEnd(): void {
    if (this.#state === UNTIL_CLOSE) this.#state = END;
  }

  /** Reads up to the end of the head. @returns whether the head is complete */
  readHead(): boolean {
    while (this.#state === HEAD) {
      const lineEnd = this.#bytes.indexOf("\r\n");
      const section = lineEnd < 0 ? null : this.#section(lineEnd + 2);
      if (section !== null) this.#takeHead(section.start, section.fields);
      else if (!this.#more()) return false;
    }
    return true;
  }

  /** Reads content, after the head. @returns a piece of it; null if there is none yet, or the response has ended */
  readContent(): Bytes | null {
    for (;;) {
      switch (this.#state) {
        case COUNTED:
        case CHUNK:
        case UNTIL_CLOSE:
          return this.#bytes.length > 0 || this.#more() ? this.#takeContent() : null;
        case SIZE: {
          const lineEnd = this.#bytes.indexOf("\r\n");
          if (lineEnd >= 0) {
            this.#left = Number.parseInt(this.#bytes.toString("latin1", 0, lineEnd), 16);
            this.#drop(lineEnd + 2);
            this.#state = this.#left > 0 ? CHUNK : TRAILERS;
          } else if (!this.#more()) return null;
          break;
        }
        case CHUNK_END:
          if (this.#bytes.length >= 2) {
            this.#drop(2);
            this.#state = SIZE;
          } else if (!this.#more()) return null;
          break;
        case TRAILERS: {
          const section = this.#section(0);
          if (section !== null) {
            if (section.fields.length > 0) this.trailers = section.fields;
            this.#state = END;
          } else if (!this.#more()) return null;
          break;
        }
        default:
          return null;
      }
    }
  }

  #takeHead(start: string, headers: Fields): void {
    const status = Number(start.slice(9, 12));
    if (status < 200) {
      this.informational.push({ status, headers });
      return;
    }
    this.status = status;
    this.reason = start.slice(13);
    this.headers = headers;
    const length = headers.get("Content-Length");
    if (isHeadOnly(this.#method, status)) this.#state = END;
    else if (headers.has("Transfer-Encoding")) this.#state = SIZE;
    else if (length === null) this.#state = UNTIL_CLOSE;
    else {
      this.#left = Number(length);
      this.#state = this.#left > 0 ? COUNTED : END;
    }
  }

  #takeContent(): Bytes {
    if (this.#state === UNTIL_CLOSE) return this.#drop(this.#bytes.length);
    const piece = this.#drop(Math.min(this.#left, this.#bytes.length));
    this.#left -= piece.length;
    if (this.#left === 0) this.#state = this.#state === CHUNK ? CHUNK_END : END;
    return piece;
  }

  /**
   * Reads a section of field lines, and the line before them.
   * @param at where the field lines begin: behind the status line, or 0 for trailers, which have no line before them
   * @returns null if the section is not complete
   */
  #section(at: number): { start: string; fields: Fields } | null {
    const reader = new FieldLinesReader(Infinity);
    reader.reset(at);
    const end = reader.read(this.#bytes, 0, this.#bytes.length);
    if (end <= 0) return null;
    const text = this.#drop(end).toString("latin1");
    return { start: text.slice(0, Math.max(0, at - 2)), fields: new Fields(text, reader.spans) };
  }

  /** Takes bytes from the front. @returns these bytes */
  #drop(count: number): Bytes {
    const dropped = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return dropped;
  }

  /** Moves the next piece into `#bytes`. @returns whether there was one */
  #more(): boolean {
    const piece = this.#pieces.shift();
    if (piece === undefined) return false;
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    return true;
  }
}

const NOTHING = Buffer.alloc(0);
