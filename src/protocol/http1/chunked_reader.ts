/** Reads the chunked transfer coding (RFC 9112 §7.1): sizes, extensions by their full grammar, data, and the trailer section. */
import { copy, latin1 } from "../bytes.ts";
import {
  BODY_TOO_LARGE,
  CHUNK_END_INVALID,
  CHUNK_EXTENSION_INVALID,
  CHUNK_EXTENSIONS_TOO_LARGE,
  CHUNK_SIZE_INVALID,
  LINE_ENDING_INVALID,
  type ProtocolError,
  TRAILER_FORBIDDEN,
  TRAILERS_TOO_LARGE,
} from "../errors.ts";
import { Fields, NOT_IN_TRAILERS } from "../fields.ts";
import * as grammar from "../grammar.ts";
import type { Limits } from "../limits.ts";
import { type BodyReader, END, FAULT } from "./body_reader.ts";
import { FieldLinesReader } from "./field_lines.ts";
import type { ReceiveBuffer } from "../receive_buffer.ts";

const { BACKSLASH, CLASS, CR, DQUOTE, EQUALS, HEX, HTAB, LF, QDTEXT, SEMICOLON, SP, TCHAR, VALUE } = grammar;

// States. A chunk is: size, extensions, CR LF, data, CR LF; BWS is "bad" white space, which the grammar allows.
const SIZE = 0;
const AFTER_SIZE = 1; // BWS behind the size or a value: only ";" may follow
const EXT_START = 2; // behind ";": BWS, then a name
const EXT_NAME = 3;
const AFTER_NAME = 4; // BWS behind a name: "=" or ";" must follow
const VALUE_START = 5; // behind "=": BWS, then a token or a quoted string
const VALUE_TOKEN = 6;
const VALUE_QUOTED = 7;
const VALUE_ESCAPED = 8; // behind a backslash
const AFTER_VALUE = 9; // right behind a closing quote
const SIZE_LF = 10;
const DATA = 11;
const DATA_CR = 12;
const DATA_LF = 13;
const TRAILERS = 14;
const DONE = 15;

export class ChunkedReader implements BodyReader {
  error: ProtocolError | null = null;
  trailers: Fields | undefined = undefined;

  readonly #limits: Limits;
  #maxBodySize: number;
  #lines: FieldLinesReader | null = null;
  #state = SIZE;
  #digits = 0;
  #size = 0;
  #left = 0;
  #total = 0;
  #extensions = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#maxBodySize = limits.maxBodySize;
  }

  get remaining(): number {
    return this.#state === DONE ? 0 : -1;
  }

  limit(maxBodySize: number): void {
    this.#maxBodySize = maxBodySize;
  }

  read(input: ReceiveBuffer, to: Uint8Array | null, at: number, max: number): number {
    if (this.error !== null) return FAULT;
    if (to === null) this.#maxBodySize = Infinity; // content that is dropped takes no memory
    const start = at;
    const stop = at + max;
    for (;;) {
      if (this.#state === DATA) {
        const available = input.end - input.pos;
        let n = this.#left < available ? this.#left : available;
        if (n > stop - at) n = stop - at;
        if (n === 0) return at - start;
        if (to !== null) copy(input.bytes, input.pos, input.pos + n, to, at);
        input.pos += n;
        at += n;
        this.#left -= n;
        if (this.#left > 0) return at - start;
        this.#state = DATA_CR;
      }
      if (this.#state === TRAILERS) {
        if (at > start) return at - start; // the next call returns END
        return this.#readTrailers(input);
      }
      if (this.#state === DONE) return END;
      // Data before a fault is returned first, and FAULT by the next call, however the bytes were split.
      if (!this.#readLine(input)) return this.error !== null && at === start ? FAULT : at - start;
    }
  }

  /** Reads from the end of one chunk's data to the next chunk's data. @returns whether it has reached data or the trailers */
  #readLine(input: ReceiveBuffer): boolean {
    const { bytes, end } = input;
    let i = input.pos;
    let state = this.#state;
    for (; i < end; i++) {
      const c = bytes[i];
      switch (state) {
        case DATA_CR:
          if (c !== CR) return this.#fail(CHUNK_END_INVALID);
          state = DATA_LF;
          continue;
        case DATA_LF:
          if (c !== LF) return this.#fail(CHUNK_END_INVALID);
          state = SIZE;
          this.#digits = 0;
          this.#size = 0;
          continue;
        case SIZE: {
          const digit = HEX[c];
          if (digit >= 0) {
            if (++this.#digits > 16) return this.#fail(CHUNK_SIZE_INVALID);
            this.#size = this.#size * 16 + digit; // inexact from 2^53 on, where a size is above every limit anyway
            continue;
          }
          if (this.#digits === 0) return this.#fail(CHUNK_SIZE_INVALID);
          if (c === CR) state = SIZE_LF;
          else if (c === SEMICOLON) state = EXT_START;
          else if (c === SP || c === HTAB) state = AFTER_SIZE;
          else return this.#fail(CHUNK_SIZE_INVALID);
          break;
        }
        case SIZE_LF:
          if (c !== LF) return this.#fail(LINE_ENDING_INVALID);
          i++;
          this.#state = this.#size === 0 ? TRAILERS : DATA;
          if (this.#size > this.#maxBodySize - this.#total) return this.#fail(BODY_TOO_LARGE);
          if (this.#size > Number.MAX_SAFE_INTEGER) return this.#fail(CHUNK_SIZE_INVALID);
          this.#total += this.#size;
          this.#left = this.#size;
          input.pos = i;
          return true;
        case AFTER_SIZE:
          if (c === SEMICOLON) state = EXT_START;
          else if (c !== SP && c !== HTAB) return this.#fail(CHUNK_EXTENSION_INVALID);
          break;
        case EXT_START:
          if ((CLASS[c] & TCHAR) !== 0) state = EXT_NAME;
          else if (c !== SP && c !== HTAB) return this.#fail(CHUNK_EXTENSION_INVALID);
          break;
        case EXT_NAME:
          if ((CLASS[c] & TCHAR) !== 0) break;
          if (c === CR) state = SIZE_LF;
          else if (c === EQUALS) state = VALUE_START;
          else if (c === SEMICOLON) state = EXT_START;
          else if (c === SP || c === HTAB) state = AFTER_NAME;
          else return this.#fail(CHUNK_EXTENSION_INVALID);
          break;
        case AFTER_NAME:
          if (c === EQUALS) state = VALUE_START;
          else if (c === SEMICOLON) state = EXT_START;
          else if (c !== SP && c !== HTAB) return this.#fail(CHUNK_EXTENSION_INVALID);
          break;
        case VALUE_START:
          if (c === DQUOTE) state = VALUE_QUOTED;
          else if ((CLASS[c] & TCHAR) !== 0) state = VALUE_TOKEN;
          else if (c !== SP && c !== HTAB) return this.#fail(CHUNK_EXTENSION_INVALID);
          break;
        case VALUE_TOKEN:
          if ((CLASS[c] & TCHAR) !== 0) break;
        // falls through
        case AFTER_VALUE:
          if (c === CR) state = SIZE_LF;
          else if (c === SEMICOLON) state = EXT_START;
          else if (c === SP || c === HTAB) state = AFTER_SIZE;
          else return this.#fail(CHUNK_EXTENSION_INVALID);
          break;
        case VALUE_QUOTED:
          if (c === DQUOTE) state = AFTER_VALUE;
          else if (c === BACKSLASH) state = VALUE_ESCAPED;
          else if ((CLASS[c] & QDTEXT) === 0) return this.#fail(CHUNK_EXTENSION_INVALID);
          break;
        case VALUE_ESCAPED:
          if ((CLASS[c] & VALUE) === 0) return this.#fail(CHUNK_EXTENSION_INVALID);
          state = VALUE_QUOTED;
          break;
      }
      // A byte that breaks out of the switch belongs to an extension, or is the CR behind it.
      if (state !== SIZE_LF && ++this.#extensions > this.#limits.maxChunkExtensionSize) {
        return this.#fail(CHUNK_EXTENSIONS_TOO_LARGE);
      }
    }
    this.#state = state;
    input.pos = i;
    return false;
  }

  #readTrailers(input: ReceiveBuffer): number {
    if (this.#lines === null) {
      this.#lines = new FieldLinesReader(this.#limits.maxTrailers, TRAILERS_TOO_LARGE);
      this.#lines.reset(0);
    }
    const limit = input.pos + this.#limits.maxTrailerSize + 2; // the empty line does not count
    const length = this.#lines.read(input.bytes, input.pos, limit < input.end ? limit : input.end);
    if (length < 0) return this.#fault(this.#lines.error!);
    if (length === 0) return input.end >= limit ? this.#fault(TRAILERS_TOO_LARGE) : 0;
    const spans = this.#lines.spans;
    if (spans.length > 0) {
      const text = latin1(input.bytes, input.pos, input.pos + length);
      for (let i = 0; i < spans.length; i += 4) {
        for (const name of NOT_IN_TRAILERS) {
          if (grammar.equalsIgnoringCase(text, spans[i], spans[i + 1], name)) return this.#fault(TRAILER_FORBIDDEN);
        }
      }
      this.trailers = new Fields(text, spans);
    }
    input.pos += length;
    this.#state = DONE;
    return END;
  }

  #fail(error: ProtocolError): false {
    this.error = error;
    return false;
  }

  #fault(error: ProtocolError): typeof FAULT {
    this.error = error;
    return FAULT;
  }
}
