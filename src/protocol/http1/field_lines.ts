/**
 * Reads a header or trailer section: field lines up to the empty line (RFC 9112 §5). It takes one pass, and can stop and go on at any
 * byte. Positions are relative to the first byte of the message, as in request_line.ts.
 */
import {
  FIELD_FOLDED,
  FIELD_NAME_INVALID,
  FIELD_VALUE_INVALID,
  FIELDS_TOO_MANY,
  LINE_ENDING_INVALID,
  type ProtocolError,
} from "../errors.ts";
import * as grammar from "../grammar.ts";
import { endOfValue } from "../byte_scanner.ts";

const { CLASS, COLON, CR, HTAB, LF, SP, TCHAR } = grammar;

const LINE_START = 0;
const NAME = 1;
const BEFORE_VALUE = 2;
const VALUE_TEXT = 3;
const LINE_LF = 4;
const LAST_LF = 5;

export class FieldLinesReader {
  error: ProtocolError | null = null;
  /**
   * Four positions for each field: the beginning and the end of its name, and of its value. Only the first `used` count. Those behind are
   * of an earlier section, and are kept so that the array need not grow again.
   */
  readonly places: number[] = [];
  used = 0;

  readonly #maxPlaces: number;
  readonly #tooMany: ProtocolError;
  #state = LINE_START;
  #at = 0;
  #nameStart = 0;
  #nameEnd = 0;
  #valueStart = 0;

  constructor(maxFields: number, tooMany: ProtocolError = FIELDS_TOO_MANY) {
    this.#maxPlaces = 4 * maxFields;
    this.#tooMany = tooMany;
  }

  /** Begins a section. @param at the position where the section begins */
  reset(at: number): void {
    this.#state = LINE_START;
    this.#at = at;
    this.used = 0;
    this.error = null;
  }

  /** A copy of the positions that count. */
  get spans(): number[] {
    return this.places.slice(0, this.used);
  }

  /**
   * Reads on.
   * @param base the index of the message's first byte in `bytes`
   * @param end the index behind the last byte that has come
   * @returns the position behind the empty line that ends the section; 0 if more bytes are needed; -1 if `error` says what is wrong
   */
  read(bytes: Uint8Array, base: number, end: number): number {
    const { places } = this;
    let i = base + this.#at;
    let state = this.#state;
    let used = this.used;
    let nameStart = this.#nameStart;
    let nameEnd = this.#nameEnd;
    let valueStart = this.#valueStart;
    while (i < end) {
      const c = bytes[i];
      switch (state) {
        case LINE_START:
          if (c === CR) {
            state = LAST_LF;
            i++;
            continue;
          }
          if (c === SP || c === HTAB) return this.#fail(FIELD_FOLDED, used);
          if (used >= this.#maxPlaces) return this.#fail(this.#tooMany, used);
          nameStart = i - base;
          state = NAME;
        // falls through
        case NAME:
          while (i < end && (CLASS[bytes[i]] & TCHAR) !== 0) i++;
          if (i === end) break;
          // No white space between name and colon either: "a server MUST reject" it (§5.1)
          if (bytes[i] !== COLON || i - base === nameStart) return this.#fail(FIELD_NAME_INVALID, used);
          nameEnd = i - base;
          i++;
          state = BEFORE_VALUE;
          if (i === end) break;
        // falls through
        case BEFORE_VALUE:
          while (i < end && (bytes[i] === SP || bytes[i] === HTAB)) i++;
          if (i === end) break;
          valueStart = i - base;
          state = VALUE_TEXT;
        // falls through
        case VALUE_TEXT: {
          i = endOfValue(bytes, i, end);
          if (i === end) break;
          if (bytes[i] !== CR) return this.#fail(bytes[i] === LF ? LINE_ENDING_INVALID : FIELD_VALUE_INVALID, used);
          const start = base + valueStart;
          let last = i;
          while (last > start && (bytes[last - 1] === SP || bytes[last - 1] === HTAB)) last--;
          places[used] = nameStart;
          places[used + 1] = nameEnd;
          places[used + 2] = valueStart;
          places[used + 3] = last - base;
          used += 4;
          i++;
          state = LINE_LF;
          if (i === end) break;
        }
        // falls through
        case LINE_LF:
          if (bytes[i] !== LF) return this.#fail(LINE_ENDING_INVALID, used);
          i++;
          state = LINE_START;
          continue;
        default: // LAST_LF
          if (c !== LF) return this.#fail(LINE_ENDING_INVALID, used);
          this.used = used;
          return i + 1 - base;
      }
      break;
    }
    this.#state = state;
    this.#at = i - base;
    this.used = used;
    this.#nameStart = nameStart;
    this.#nameEnd = nameEnd;
    this.#valueStart = valueStart;
    return 0;
  }

  #fail(error: ProtocolError, used: number): -1 {
    this.error = error;
    this.used = used;
    return -1;
  }
}
