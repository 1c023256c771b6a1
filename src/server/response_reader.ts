/** Reads a response of this server's, as the client of `inject` gets it. It trusts that it is well-formed. */
/// <reference types="node" preserve="true" />
import { Buffer } from "node:buffer";
import { isHeadOnly } from "../protocol/response_state.ts";
import { Fields } from "../protocol/fields.ts";
import { FieldLinesReader } from "../protocol/http1/field_lines.ts";

type Bytes = Buffer<ArrayBuffer>;

// What comes next (RFC 9112 §6.3, §7.1):
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
  /** Null until the head is there. */
  headers: Fields | null = null;
  /** Known at the end, where there are any. */
  trailers: Fields | undefined = undefined;
  readonly #method: string;
  #state = HEAD;
  /** Bytes of content, or of a chunk, that are still to come. */
  #left = 0;
  #bytes: Bytes = NOTHING;
  /** What has come behind `#bytes`. */
  readonly #pieces: Uint8Array<ArrayBuffer>[] = [];

  /** @param method of the request: the response to a HEAD has no content */
  constructor(method: string) {
    this.#method = method;
  }

  /** Whether the response is whole. */
  get ended(): boolean {
    return this.#state === END;
  }

  /** Takes what has come; it must stay as it is. */
  feed(pieces: readonly Uint8Array<ArrayBuffer>[]): void {
    for (const piece of pieces) this.#pieces.push(piece);
  }

  /** Nothing more will come, and all that has come is read. */
  feedEnd(): void {
    if (this.#state === UNTIL_CLOSE) this.#state = END;
  }

  /** Reads up to the end of the head. @returns whether it is there */
  readHead(): boolean {
    while (this.#state === HEAD) {
      const lineEnd = this.#bytes.indexOf("\r\n");
      const section = lineEnd < 0 ? null : this.#section(lineEnd + 2);
      if (section !== null) this.#takeHead(section.start, section.fields);
      else if (!this.#more()) return false;
    }
    return true;
  }

  /** Reads content, behind the head. @returns a piece of it; null when there is none now, or the response has ended */
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

  /** Field lines, and the line before them where there is one. @param at where the field lines begin */
  #section(at: number): { start: string; fields: Fields } | null {
    const reader = new FieldLinesReader(Infinity);
    reader.reset(at);
    const end = reader.read(this.#bytes, 0, this.#bytes.length);
    if (end <= 0) return null;
    const text = this.#drop(end).toString("latin1");
    return { start: text.slice(0, Math.max(0, at - 2)), fields: new Fields(text, reader.spans) };
  }

  /** Moves on behind so many bytes. @returns them */
  #drop(count: number): Bytes {
    const dropped = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return dropped;
  }

  /** Takes in what has come. @returns whether there was anything */
  #more(): boolean {
    const piece = this.#pieces.shift();
    if (piece === undefined) return false;
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    return true;
  }
}

const NOTHING = Buffer.alloc(0);
