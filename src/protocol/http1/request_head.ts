/** Reads a request's head: request line, header section, and the fields that frame or route the message (RFC 9112 §3, §6, §9). */
import { latin1, latin1Bytes } from "../bytes.ts";
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
import { HTAB, isToken, SP } from "../grammar.ts";
import type { Limits } from "../limits.ts";
import { methodOf } from "../method_names.ts";
import { FieldLinesReader } from "./field_lines.ts";
import { RequestLineReader } from "./request_line.ts";
import { authorityOf, isHostField } from "./request_target.ts";

const HOST = latin1Bytes("host");
const EXPECT = latin1Bytes("expect");
const CONNECTION = latin1Bytes("connection");
const KEEP_ALIVE = latin1Bytes("keep-alive");
const CONTENT_LENGTH = latin1Bytes("content-length");
const TRANSFER_ENCODING = latin1Bytes("transfer-encoding");

/** The head of one HTTP/1 request. One string holds the whole head; all parts are cut from it when they are read. */
export class Http1Head implements RequestHead {
  /** The minor version: 0 or 1. */
  readonly minor: number;
  readonly method: string;
  /** The Content-Length; -1 if there is none. */
  readonly contentLength: number;
  readonly chunked: boolean;
  /** Whether the client may send another request on this connection (RFC 9112 §9.3). */
  readonly persistent: boolean;
  /** Whether the client waits for 100 (Continue) before it sends the content (RFC 9110 §10.1.1). */
  readonly expectsContinue: boolean;
  readonly #text: string;
  readonly #targetStart: number;
  readonly #targetEnd: number;
  readonly #spans: readonly number[];
  readonly #hostStart: number;
  readonly #hostEnd: number;
  #authority: string | null;
  #fields: Fields | null = null;

  constructor(text: string, line: RequestLineReader, spans: readonly number[], meaning: Meaning) {
    this.#text = text;
    this.#spans = spans;
    this.#targetStart = line.targetStart;
    this.#targetEnd = line.targetEnd;
    this.minor = line.minor;
    this.method = meaning.method;
    this.#hostStart = meaning.hostStart;
    this.#hostEnd = meaning.hostEnd;
    this.#authority = meaning.authority;
    this.contentLength = meaning.contentLength;
    this.chunked = meaning.chunked;
    this.persistent = !meaning.close && (line.minor === 1 || meaning.keepAlive);
    this.expectsContinue = meaning.expectsContinue;
  }

  get authority(): string | null {
    if (this.#authority === null && this.#hostStart < this.#hostEnd)
      this.#authority = this.#text.substring(this.#hostStart, this.#hostEnd);
    return this.#authority;
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

/** What a head says about how its message is framed, routed and kept alive. */
class Meaning {
  method = "";
  /** The authority of the target, if it has one. */
  authority: string | null = null;
  /** The position of the Host field's value; -1 if there is no such field. */
  hostStart = -1;
  hostEnd = -1;
  /** The values of Transfer-Encoding, joined. */
  codings: string | null = null;
  contentLength = -1;
  chunked = false;
  close = false;
  keepAlive = false;
  expectsContinue = false;

  clear(): void {
    this.authority = this.codings = null;
    this.hostStart = this.hostEnd = this.contentLength = -1;
    this.chunked = this.close = this.keepAlive = this.expectsContinue = false;
  }
}

/** Reads heads, one after the other: call `read` until it returns a length, then `take`. */
export class HeadReader {
  /** What is wrong, after `read` has returned -1. */
  error: ProtocolError | null = null;
  readonly limits: Limits;
  readonly #line: RequestLineReader;
  readonly #lines: FieldLinesReader;
  readonly #meaning = new Meaning();
  #inFields = false;
  /** How many positions of fields have been interpreted. */
  #understood = 0;

  constructor(limits: Limits) {
    this.limits = limits;
    this.#line = new RequestLineReader(limits.maxTargetSize);
    this.#lines = new FieldLinesReader(limits.maxFields);
  }

  /** Gets ready for the next head. */
  reset(): void {
    this.error = null;
    this.#inFields = false;
    this.#meaning.clear();
    this.#understood = 0;
    this.#line.reset();
  }

  /** Whether the request line of the next head has begun: empty lines before it do not count. */
  get started(): boolean {
    return this.#line.started;
  }

  /** The method, if it has been read, otherwise ""; for the error response to a malformed head. */
  method(bytes: Uint8Array, base: number): string {
    const { methodStart, methodEnd } = this.#line;
    return latin1(bytes, base + methodStart, base + methodEnd);
  }

  /**
   * Reads on.
   * @param base the index of the head's first byte; all bytes of the head must stay until it is complete
   * @param end the index behind the last byte that has come
   * @returns the head's length; 0 if more bytes are needed; -1 if `error` says what is wrong
   */
  read(bytes: Uint8Array, base: number, end: number): number {
    const limit = base + this.limits.maxHeadSize;
    const stop = limit < end ? limit : end;
    if (!this.#inFields) {
      const length = this.#line.read(bytes, base, stop);
      if (length < 0) return this.#fail(this.#line.error!);
      if (length === 0) return stop === limit ? this.#fail(HEAD_TOO_LARGE) : 0;
      this.#inFields = true;
      this.#lines.reset(length);
    }
    const length = this.#lines.read(bytes, base, stop);
    // Each line is interpreted before an error in a later line is reported. So it does not depend on how the bytes were split which error
    // is reported, and when.
    const error = this.#understand(bytes, base);
    if (error !== null) return this.#fail(error);
    if (length < 0) return this.#fail(this.#lines.error!);
    if (length === 0) return stop === limit ? this.#fail(HEAD_TOO_LARGE) : 0;
    const wrong = this.#conclude(bytes, base);
    return wrong === null ? length : this.#fail(wrong);
  }

  /** Makes the head, once `read` has returned a length; takes the same bytes. Then gets ready for the next head. */
  take(bytes: Uint8Array, base: number, length: number): Http1Head {
    const text = latin1(bytes, base, base + length);
    const head = new Http1Head(text, this.#line, this.#lines.spans, this.#meaning);
    this.reset();
    return head;
  }

  #fail(error: ProtocolError): -1 {
    this.error = error;
    return -1;
  }

  /** Interprets the fields that were read since the last call. */
  #understand(bytes: Uint8Array, base: number): ProtocolError | null {
    const { places, used } = this.#lines;
    const meaning = this.#meaning;
    for (let i = this.#understood; i < used; i += 4) {
      const name = base + places[i];
      // Only five names matter here. Each has another length, so any other field costs one comparison.
      switch (places[i + 1] - places[i]) {
        case 4:
          if (equalsName(HOST, bytes, name)) {
            if (meaning.hostStart >= 0) return HOST_REPEATED;
            meaning.hostStart = places[i + 2];
            meaning.hostEnd = places[i + 3];
            // "http" URIs have no empty host (RFC 9110 §4.2.1), and a target in origin-form has no other. HTTP/1.0 needs none.
            if (meaning.hostStart === meaning.hostEnd) {
              if (this.#line.originForm && this.#line.minor === 1) return HOST_INVALID;
            } else if (!isHostField(bytes, base + meaning.hostStart, base + meaning.hostEnd)) return HOST_INVALID;
          }
          break;
        case 6:
          if (equalsName(EXPECT, bytes, name) && this.#line.minor === 1) {
            // HTTP/1.0 has no expectations: there the field is to be ignored (RFC 9110 §10.1.1)
            if (!readExpect(latin1(bytes, base + places[i + 2], base + places[i + 3]), meaning))
              return EXPECTATION_FAILED;
          }
          break;
        case 10:
          if (equalsName(CONNECTION, bytes, name)) {
            if (!readConnection(bytes, base + places[i + 2], base + places[i + 3], meaning)) return CONNECTION_INVALID;
          }
          break;
        case 14:
          if (equalsName(CONTENT_LENGTH, bytes, name)) {
            // Two equal fields, or a list of equal lengths, could be repaired (RFC 9112 §6.3). But no honest client sends them.
            if (meaning.contentLength >= 0) return CONTENT_LENGTH_REPEATED;
            meaning.contentLength = digits(bytes, base + places[i + 2], base + places[i + 3]);
            if (meaning.contentLength < 0) return CONTENT_LENGTH_INVALID;
            // A length beyond 2^53 - 1 is above every limit. Other lengths are judged later: the handler class may have a limit of its own.
            if (meaning.contentLength === Infinity) return BODY_TOO_LARGE;
          }
          break;
        case 17:
          if (equalsName(TRANSFER_ENCODING, bytes, name)) {
            const value = latin1(bytes, base + places[i + 2], base + places[i + 3]);
            meaning.codings = meaning.codings === null ? value : meaning.codings + "," + value;
          }
          break;
      }
    }
    this.#understood = used;
    return null;
  }

  /** Checks the complete head: its fields together, and the target. */
  #conclude(bytes: Uint8Array, base: number): ProtocolError | null {
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
    if (meaning.hostStart < 0 && line.minor === 1) return HOST_MISSING;
    meaning.method = methodOf(bytes, base + line.methodStart, base + line.methodEnd);
    if (meaning.method === "CONNECT" || !line.originForm) {
      const target = latin1(bytes, base + line.targetStart, base + line.targetEnd);
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

/**
 * A reader that no connection uses at the moment. Most heads come whole, so one reader serves all connections, and idle connections hold
 * none.
 */
let spareReader: HeadReader | null = null;

/** Takes the spare reader, or makes one. */
export function takeReader(limits: Limits): HeadReader {
  const reader = spareReader;
  if (reader === null || reader.limits !== limits) return new HeadReader(limits);
  spareReader = null;
  return reader;
}

/** Gives back a reader that has been reset. */
export function giveReader(reader: HeadReader): void {
  spareReader = reader;
}

/**
 * Whether the bytes from `at` on are `lower`, which has letters in lower case and hyphens, in either case. Setting the bit 0x20 makes
 * letters lower case and keeps a hyphen. The only other byte that becomes a hyphen is CR, which is in no name and no value.
 */
function equalsName(lower: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < lower.length; i++) if ((bytes[at + i] | 0x20) !== lower[i]) return false;
  return true;
}

/** The value of 1*DIGIT; -1 for anything else. Above 2^53 - 1 it is Infinity, which is above every limit, and not a wrong number. */
function digits(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = bytes[i] - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : Infinity;
}

/** Connection = #connection-option (RFC 9110 §7.6.1). */
function readConnection(bytes: Uint8Array, start: number, end: number, meaning: Meaning): boolean {
  if (end - start === 10 && equalsName(KEEP_ALIVE, bytes, start)) {
    meaning.keepAlive = true; // by far the most frequent value
    return true;
  }
  for (const option of elements(latin1(bytes, start, end))) {
    if (option === "close") meaning.close = true;
    else if (option === "keep-alive") meaning.keepAlive = true;
    else if (!isToken(option)) return false;
  }
  return true;
}

/** Expect = #expectation (RFC 9110 §10.1.1). */
function readExpect(value: string, meaning: Meaning): boolean {
  for (const expectation of elements(value)) {
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

/** The elements of a list whose elements are the same in either case, in lower case. Empty ones are left out (RFC 9110 §5.6.1.2). */
function elements(list: string): string[] {
  if (!list.includes(",")) return list === "" ? [] : [list.toLowerCase()]; // the most frequent case
  return list
    .split(",")
    .map((element) => trimOWS(element).toLowerCase())
    .filter((element) => element !== "");
}

/** Trims without a regular expression, which would take quadratic time for a long run of spaces inside the text. */
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
