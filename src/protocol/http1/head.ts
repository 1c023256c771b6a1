/** A request's head: request line and header section, and what its fields say about the message (RFC 9112 §3, §6, §9). */
import { latin1 } from "../bytes.ts";
import {
  BODY_TOO_LARGE,
  CONNECTION_INVALID,
  CONTENT_LENGTH_INVALID,
  CONTENT_LENGTH_REPEATED,
  EXPECTATION_FAILED,
  HEAD_TOO_LARGE,
  HOST_INVALID,
  HOST_MISSING,
  HOST_REPEATED,
  type ProtocolError,
  TARGET_INVALID,
  TRANSFER_CODING_UNKNOWN,
  TRANSFER_ENCODING_INVALID,
  TRANSFER_ENCODING_TOO_EARLY,
  TRANSFER_ENCODING_WITH_LENGTH,
} from "../errors.ts";
import type { RequestHead } from "../exchange.ts";
import { Fields } from "../fields.ts";
import { equalsIgnoringCase, HTAB, isToken, SP } from "../grammar.ts";
import type { Limits } from "../limits.ts";
import { FieldLinesReader } from "./field_lines.ts";
import { RequestLineReader } from "./request_line.ts";
import { authorityOf, isHost } from "./target.ts";

/** The head of one HTTP/1 request. One string owns its bytes; everything else is cut from it on demand. */
export class Http1Head implements RequestHead {
  /** Minor version: 0 or 1. */
  readonly minor: number;
  readonly method: string;
  readonly authority: string | null;
  /** The Content-Length, or -1 where there is none. */
  readonly contentLength: number;
  readonly chunked: boolean;
  /** Whether the client would send another request on this connection (RFC 9112 §9.3). */
  readonly persistent: boolean;
  /** Whether it waits for 100 before it sends the content (RFC 9110 §10.1.1). */
  readonly expectsContinue: boolean;
  readonly #text: string;
  readonly #targetStart: number;
  readonly #targetEnd: number;
  readonly #spans: readonly number[];
  #fields: Fields | null = null;

  constructor(text: string, line: RequestLineReader, spans: readonly number[], meaning: Meaning) {
    this.#text = text;
    this.#spans = spans;
    this.#targetStart = line.targetStart;
    this.#targetEnd = line.targetEnd;
    this.minor = line.minor;
    this.method = meaning.method;
    this.authority = meaning.authority;
    this.contentLength = meaning.contentLength;
    this.chunked = meaning.chunked;
    this.persistent = !meaning.close && (line.minor === 1 || meaning.keepAlive);
    this.expectsContinue = meaning.expectsContinue;
  }

  get target(): string {
    return this.#text.substring(this.#targetStart, this.#targetEnd);
  }

  get version(): string {
    return this.minor === 1 ? "HTTP/1.1" : "HTTP/1.0";
  }

  get fields(): Fields {
    return (this.#fields ??= new Fields(this.#text, this.#spans));
  }
}

/** What the fields of a head say about its message. */
class Meaning {
  method = "";
  authority: string | null = null;
  host: string | null = null;
  /** The values of Transfer-Encoding, joined. */
  codings: string | null = null;
  contentLength = -1;
  chunked = false;
  close = false;
  keepAlive = false;
  expectsContinue = false;
}

/** Reads heads, one after the other. */
export class HeadReader {
  /** What was wrong, after `read` returned -1. */
  error: ProtocolError | null = null;
  /** What was read, after `read` returned a length. */
  head: Http1Head | null = null;

  readonly #maxSize: number;
  readonly #maxBodySize: number;
  readonly #line: RequestLineReader;
  readonly #lines: FieldLinesReader;
  #inFields = false;
  #meaning = new Meaning();
  /** How much of the spans has been understood. */
  #understood = 0;

  constructor(limits: Limits) {
    this.#maxSize = limits.maxHeadSize;
    this.#maxBodySize = limits.maxBodySize;
    this.#line = new RequestLineReader(limits.maxTargetSize);
    this.#lines = new FieldLinesReader(limits.maxFields);
  }

  /** Gets ready for the next head. */
  reset(): void {
    this.error = null;
    this.head = null;
    this.#inFields = false;
    this.#meaning = new Meaning();
    this.#understood = 0;
    this.#line.reset();
  }

  /** Whether more than empty lines has been read of the next head. */
  get started(): boolean {
    return this.#line.started;
  }

  /** The method, when the request line has come that far; for answering a request whose head is wrong. */
  method(bytes: Uint8Array, base: number): string {
    const { methodStart, methodEnd } = this.#line;
    return latin1(bytes, base + methodStart, base + methodEnd);
  }

  /**
   * @param base index of the head's first byte, which must stay in front of the bytes until the head is complete
   * @returns the head's length; 0 when more bytes are needed; -1 for `error`
   */
  read(bytes: Uint8Array, base: number, end: number): number {
    const limit = base + this.#maxSize;
    const stop = limit < end ? limit : end;
    if (!this.#inFields) {
      const length = this.#line.read(bytes, base, stop);
      if (length < 0) return this.#fail(this.#line.error!);
      if (length === 0) return stop === limit ? this.#fail(HEAD_TOO_LARGE) : 0;
      this.#inFields = true;
      this.#lines.reset(length);
    }
    const length = this.#lines.read(bytes, base, stop);
    const { spans } = this.#lines;
    if (length <= 0) {
      // What the lines so far say may be wrong already: then there is nothing to wait for. And it counts before what is
      // wrong in a later line: which error it is must not depend on how the bytes were split.
      if (spans.length > this.#understood) {
        const start = spans[this.#understood];
        const error = this.#understand(latin1(bytes, base + start, base + spans[spans.length - 1]), start);
        if (error !== null) return this.#fail(error);
      }
      if (length < 0) return this.#fail(this.#lines.error!);
      return stop === limit ? this.#fail(HEAD_TOO_LARGE) : 0;
    }
    const text = latin1(bytes, base, base + length);
    const error = this.#understand(text, 0) ?? this.#conclude(text);
    if (error !== null) return this.#fail(error);
    this.head = new Http1Head(text, this.#line, spans.slice(), this.#meaning);
    return length;
  }

  #fail(error: ProtocolError): -1 {
    this.error = error;
    return -1;
  }

  /** Takes in what the fields say that were not understood yet. @param origin where `text` begins in the head */
  #understand(text: string, origin: number): ProtocolError | null {
    const { spans } = this.#lines;
    const meaning = this.#meaning;
    for (let i = this.#understood; i < spans.length; i += 4) {
      const start = spans[i] - origin;
      const end = spans[i + 1] - origin;
      // Only five names matter here, each of a length of its own: everything else costs one comparison.
      switch (end - start) {
        case 4:
          if (equalsIgnoringCase(text, start, end, "host")) {
            if (meaning.host !== null) return HOST_REPEATED;
            meaning.host = text.substring(spans[i + 2] - origin, spans[i + 3] - origin);
            if (!isHost(meaning.host)) return HOST_INVALID;
          }
          break;
        case 6:
          if (equalsIgnoringCase(text, start, end, "expect") && this.#line.minor === 1) {
            // HTTP/1.0 has no expectations: there the field is to be ignored (RFC 9110 §10.1.1)
            if (!readExpect(text, spans[i + 2] - origin, spans[i + 3] - origin, meaning)) return EXPECTATION_FAILED;
          }
          break;
        case 10:
          if (equalsIgnoringCase(text, start, end, "connection")) {
            if (!readConnection(text, spans[i + 2] - origin, spans[i + 3] - origin, meaning)) return CONNECTION_INVALID;
          }
          break;
        case 14:
          if (equalsIgnoringCase(text, start, end, "content-length")) {
            // Two that agree, or a list that does, could be repaired (RFC 9112 §6.3): nobody honest sends them.
            if (meaning.contentLength >= 0) return CONTENT_LENGTH_REPEATED;
            meaning.contentLength = digits(text, spans[i + 2] - origin, spans[i + 3] - origin);
            if (meaning.contentLength < 0) return CONTENT_LENGTH_INVALID;
            if (meaning.contentLength > this.#maxBodySize || meaning.contentLength === Infinity) return BODY_TOO_LARGE;
          }
          break;
        case 17:
          if (equalsIgnoringCase(text, start, end, "transfer-encoding")) {
            const value = text.substring(spans[i + 2] - origin, spans[i + 3] - origin);
            meaning.codings = meaning.codings === null ? value : meaning.codings + "," + value;
          }
          break;
      }
    }
    this.#understood = spans.length;
    return null;
  }

  /** Now that the head is complete: what its parts say together. */
  #conclude(text: string): ProtocolError | null {
    const line = this.#line;
    const meaning = this.#meaning;
    if (meaning.codings !== null) {
      const error = readCodings(meaning.codings);
      if (error !== null) return error;
      // "A server that receives … Transfer-Encoding in an HTTP/1.0 message MUST treat the message as if the framing is faulty"
      if (line.minor === 0) return TRANSFER_ENCODING_TOO_EARLY;
      if (meaning.contentLength >= 0) return TRANSFER_ENCODING_WITH_LENGTH;
      meaning.chunked = true;
    }
    if (meaning.host === null && line.minor === 1) return HOST_MISSING;
    meaning.authority = meaning.host;
    meaning.method = text.substring(line.methodStart, line.methodEnd);
    if (meaning.method === "CONNECT" || !line.originForm) {
      const target = text.substring(line.targetStart, line.targetEnd);
      if (target === "*") {
        if (meaning.method !== "OPTIONS") return TARGET_INVALID; // asterisk-form is for OPTIONS alone (§3.2.4)
      } else {
        const authority = authorityOf(target, meaning.method === "CONNECT");
        if (authority === null) return TARGET_INVALID;
        // "an origin server MUST ignore the received Host header field … and instead replace it" (§3.2.2)
        meaning.authority = authority;
      }
    }
    return null;
  }
}

/** 1*DIGIT as a number; -1 for anything else. Beyond 2^53 - 1 it is Infinity: larger than every limit but never wrong. */
function digits(text: string, start: number, end: number): number {
  if (start === end) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : Infinity;
}

/** Connection = #connection-option (RFC 9110 §7.6.1). */
function readConnection(text: string, start: number, end: number, meaning: Meaning): boolean {
  for (const option of elements(text.substring(start, end))) {
    if (option === "close") meaning.close = true;
    else if (option === "keep-alive") meaning.keepAlive = true;
    else if (!isToken(option)) return false;
  }
  return true;
}

/** Expect = #expectation (RFC 9110 §10.1.1). */
function readExpect(text: string, start: number, end: number, meaning: Meaning): boolean {
  for (const expectation of elements(text.substring(start, end))) {
    if (expectation !== "100-continue") return false;
    meaning.expectsContinue = true;
  }
  return true;
}

/** Transfer-Encoding, all its lines joined: "chunked" is the only coding, and it comes once and last (RFC 9112 §6.1, §6.3). */
function readCodings(codings: string): ProtocolError | null {
  const names = elements(codings);
  if (names.at(-1) !== "chunked" || names.indexOf("chunked") < names.length - 1) return TRANSFER_ENCODING_INVALID;
  return names.length === 1 ? null : TRANSFER_CODING_UNKNOWN;
}

/** The elements of a list of names that are the same in either case, in lower case. Empty ones are allowed (RFC 9110 §5.6.1.2). */
function elements(list: string): string[] {
  if (!list.includes(",")) return list === "" ? [] : [list.toLowerCase()]; // what nearly everyone sends
  return list
    .split(",")
    .map((element) => trimOWS(element).toLowerCase())
    .filter((element) => element !== "");
}

/** By hand: a regular expression would try every space of a long run as the first of the last ones. */
function trimOWS(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isOWS(text.charCodeAt(start))) start++;
  while (end > start && isOWS(text.charCodeAt(end - 1))) end--;
  return text.substring(start, end);
}

function isOWS(c: number): boolean {
  return c === SP || c === HTAB;
}
