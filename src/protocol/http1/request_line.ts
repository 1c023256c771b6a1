/**
 * Reads the request line (RFC 9112 §3), method SP request-target SP HTTP-version CRLF, and the empty lines that may come before it.
 * The reader takes the bytes that have come, remembers where it has stopped, and goes on from there. All positions are relative to the
 * first byte of the head, so that they stay right when the bytes are moved.
 */
import {
  LINE_ENDING_INVALID,
  METHOD_INVALID,
  TARGET_INVALID,
  TARGET_TOO_LONG,
  VERSION_INVALID,
  VERSION_UNSUPPORTED,
  type ProtocolError,
} from "../errors.ts";
import * as grammar from "../grammar.ts";

const { CLASS, CR, LF, PATH, QUERY, QUESTION, SLASH, SP, TCHAR } = grammar;

// States, in the order a request line passes through them.
const BEFORE_METHOD = 0;
const EMPTY_LINE_LF = 1;
const METHOD = 2;
const TARGET_START = 3;
const TARGET_PATH = 4;
const TARGET_QUERY = 5;
const TARGET_OTHER = 6;
const VERSION = 7;

const DOT = 0x2e;
const DIGIT_0 = 0x30;
const H = 0x48;
const T = 0x54;
const P = 0x50;
const NAME = [H, T, T, P, SLASH];

export class RequestLineReader {
  /** What was wrong, after `read` returned -1. */
  error: ProtocolError | null = null;
  methodStart = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  /** Whether the target begins with a slash. If not, only its characters have been checked, and not its form. */
  originForm = false;
  /** The minor version: 0, or 1 for 1 to 9. */
  minor = 1;

  readonly #maxTarget: number;
  #state = BEFORE_METHOD;
  #at = 0;
  #inVersion = 0;
  #major = 0;

  constructor(maxTargetSize: number) {
    this.#maxTarget = maxTargetSize;
  }

  reset(): void {
    this.#state = BEFORE_METHOD;
    this.#at = 0;
    this.methodStart = this.methodEnd = 0;
    this.error = null;
  }

  /** Whether the request line has begun: empty lines before it do not count. */
  get started(): boolean {
    return this.#state >= METHOD;
  }

  /**
   * Reads on.
   * @param base the index of the head's first byte in `bytes`
   * @param end the index behind the last byte that has come
   * @returns the length up to and including the line's end; 0 if more bytes are needed; -1 if `error` says what is wrong
   */
  read(bytes: Uint8Array, base: number, end: number): number {
    let i = base + this.#at;
    let state = this.#state;
    while (i < end) {
      const c = bytes[i];
      switch (state) {
        case BEFORE_METHOD:
          // "a server SHOULD ignore at least one empty line (CRLF) received prior to the request-line" (§2.2)
          if (c === CR) {
            state = EMPTY_LINE_LF;
            i++;
            continue;
          }
          this.methodStart = i - base;
          state = METHOD;
        // falls through
        case METHOD: {
          while (i < end && (CLASS[bytes[i]] & TCHAR) !== 0) i++;
          if (i === end) break;
          if (bytes[i] !== SP || i - base === this.methodStart) return this.#fail(METHOD_INVALID);
          this.methodEnd = i - base;
          this.targetStart = ++i - base;
          state = TARGET_START;
          continue;
        }
        case TARGET_START:
          this.originForm = c === SLASH;
          state = this.originForm ? TARGET_PATH : TARGET_OTHER;
        // falls through
        case TARGET_PATH:
        case TARGET_QUERY:
        case TARGET_OTHER: {
          const limit = base + this.targetStart + this.#maxTarget;
          const stop = limit < end ? limit : end;
          if (state === TARGET_PATH) {
            while (i < stop && (CLASS[bytes[i]] & PATH) !== 0) i++;
            if (i < stop && bytes[i] === QUESTION) state = TARGET_QUERY;
          }
          if (state === TARGET_QUERY) while (i < stop && (CLASS[bytes[i]] & QUERY) !== 0) i++;
          if (state === TARGET_OTHER) while (i < stop && (CLASS[bytes[i]] & (PATH | QUERY)) !== 0) i++;
          if (i === end) break;
          if (bytes[i] === SP && i - base > this.targetStart) {
            this.targetEnd = i - base;
            this.#inVersion = 0;
            state = VERSION;
            i++;
            continue;
          }
          if (i === limit && (CLASS[bytes[i]] & (PATH | QUERY)) !== 0) return this.#fail(TARGET_TOO_LONG);
          // A line that ends here is HTTP/0.9, which this server does not speak.
          return this.#fail(bytes[i] === CR || bytes[i] === LF ? VERSION_INVALID : TARGET_INVALID);
        }
        case VERSION:
          if (this.#inVersion === 0 && i + 10 <= end && isVersion1(bytes, i)) {
            this.minor = bytes[i + 7] === DIGIT_0 ? 0 : 1;
            this.#state = state;
            return i + 10 - base;
          }
          if (!this.#version(c, this.#inVersion++)) return this.#fail(VERSION_INVALID);
          i++;
          // "HTTP/1.2" and above are treated as 1.1, the highest minor version known (RFC 9110 §2.5).
          if (this.#inVersion === 8 && this.#major !== 1) return this.#fail(VERSION_UNSUPPORTED);
          if (this.#inVersion < 10) continue;
          this.#state = state;
          return i - base;
        default: // EMPTY_LINE_LF
          if (c !== LF) return this.#fail(LINE_ENDING_INVALID);
          state = BEFORE_METHOD;
          i++;
          continue;
      }
      break;
    }
    this.#state = state;
    this.#at = i - base;
    return 0;
  }

  /** Whether `c` may be the character at `place` in "HTTP/1.1" CR LF. The name is case-sensitive (§2.3). */
  #version(c: number, place: number): boolean {
    if (place < 5) return c === NAME[place];
    if (place === 6) return c === DOT;
    if (place === 8) return c === CR;
    if (place === 9) return c === LF;
    const digit = c - DIGIT_0;
    if (digit < 0 || digit > 9) return false;
    if (place === 5) this.#major = digit;
    else this.minor = digit === 0 ? 0 : 1;
    return true;
  }

  #fail(error: ProtocolError): -1 {
    this.error = error;
    return -1;
  }
}

/** Whether all of "HTTP/1." DIGIT CR LF stands at `at`: nearly every client sends that. */
function isVersion1(bytes: Uint8Array, at: number): boolean {
  const minor = bytes[at + 7] - DIGIT_0;
  return (
    bytes[at] === H &&
    bytes[at + 1] === T &&
    bytes[at + 2] === T &&
    bytes[at + 3] === P &&
    bytes[at + 4] === SLASH &&
    bytes[at + 5] === DIGIT_0 + 1 &&
    bytes[at + 6] === DOT &&
    minor >= 0 &&
    minor <= 9 &&
    bytes[at + 8] === CR &&
    bytes[at + 9] === LF
  );
}
