/** A request's head: request line and header section, and what its fields say about the message (RFC 9112 §3, §6, §9). */
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

/** The head of one HTTP/1 request. One string owns its bytes; everything else is cut from it on demand. */
export class Http1Head implements RequestHead {
  /** Minor version: 0 or 1. */
  readonly minor: number;
  readonly method: string;
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
    this.persistent = !meaning.close && (line.minor === 1 || meaning.processHold);
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

/** What a head says about its message. */
class Meaning {
  method = "";
  /** Of the target, where that has one. */
  authority: string | null = null;
  /** Where the Host field's value stands; -1 where there is none. */
  hostStart = -1;
  hostEnd = -1;
  /** The values of Transfer-Encoding, joined. */
  codings: string | null = null;
  contentLength = -1;
  chunked = false;
  close = false;
  processHold = false;
  expectsContinue = false;

  clear(): void {
    this.authority = this.codings = null;
    this.hostStart = this.hostEnd = this.contentLength = -1;
    this.chunked = this.close = this.processHold = this.expectsContinue = false;
  }
}

/** Reads heads, one after the other: `read` until it returns a length, then `take`. */
export class HeadReader {
  /** What was wrong, after `read` returned -1. */
  error: ProtocolError | null = null;
  readonly limits: Limits;
  readonly #line: RequestLineReader;
  readonly #lines: FieldLinesReader;
  readonly #meaning = new Meaning();
  #inFields = false;
  /** How much of the fields' places has been understood. */
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

  /** Whether more than empty lines has been read of the next head. */
  get started(): boolean {
    return this.#line.started;
  }

  /** The method, when the request line has come that far; for responding to a request whose head is wrong. */
  method(bytes: Uint8Array, base: number): string {
    const { methodStart, methodEnd } = this.#line;
    return latin1(bytes, base + methodStart, base + methodEnd);
  }

  /**
   * @param base index of the head's first byte, which must stay in front of the bytes until the head is complete
   * @returns the head's length; 0 when more bytes are needed; -1 for `error`
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
    // What a line says counts before what is wrong in a later one, and at once: which error it is, and when, must not depend
    // on how the bytes were split.
    const error = this.#understand(bytes, base);
    if (error !== null) return this.#fail(error);
    if (length < 0) return this.#fail(this.#lines.error!);
    if (length === 0) return stop === limit ? this.#fail(HEAD_TOO_LARGE) : 0;
    const wrong = this.#conclude(bytes, base);
    return wrong === null ? length : this.#fail(wrong);
  }

  /** What was read, once `read` has returned a length: made of the same bytes. Gets ready for the next head. */
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

  /** Takes in what the fields say that were not understood yet. */
  #understand(bytes: Uint8Array, base: number): ProtocolError | null {
    const { places, used } = this.#lines;
    const meaning = this.#meaning;
    for (let i = this.#understood; i < used; i += 4) {
      const name = base + places[i];
      // Only five names matter here, each of a length of its own: everything else costs one comparison.
      switch (places[i + 1] - places[i]) {
        case 4:
          if (stands(HOST, bytes, name)) {
            if (meaning.hostStart >= 0) return HOST_REPEATED;
            meaning.hostStart = places[i + 2];
            meaning.hostEnd = places[i + 3];
            // "http" URIs have no empty host (RFC 9110 §4.2.1), and origin-form has none but this. HTTP/1.0 needs none.
            if (meaning.hostStart === meaning.hostEnd) {
              if (this.#line.originForm && this.#line.minor === 1) return HOST_INVALID;
            } else if (!isHostField(bytes, base + meaning.hostStart, base + meaning.hostEnd)) return HOST_INVALID;
          }
          break;
        case 6:
          if (stands(EXPECT, bytes, name) && this.#line.minor === 1) {
            // HTTP/1.0 has no expectations: there the field is to be ignored (RFC 9110 §10.1.1)
            if (!readExpect(latin1(bytes, base + places[i + 2], base + places[i + 3]), meaning))
              return EXPECTATION_FAILED;
          }
          break;
        case 10:
          if (stands(CONNECTION, bytes, name)) {
            if (!readConnection(bytes, base + places[i + 2], base + places[i + 3], meaning)) return CONNECTION_INVALID;
          }
          break;
        case 14:
          if (stands(CONTENT_LENGTH, bytes, name)) {
            // Two that agree, or a list that does, could be repaired (RFC 9112 §6.3): nobody honest sends them.
            if (meaning.contentLength >= 0) return CONTENT_LENGTH_REPEATED;
            meaning.contentLength = digits(bytes, base + places[i + 2], base + places[i + 3]);
            if (meaning.contentLength < 0) return CONTENT_LENGTH_INVALID;
            // More than can be counted is more than anybody takes. Any other limit may be the handler class's own.
            if (meaning.contentLength === Infinity) return BODY_TOO_LARGE;
          }
          break;
        case 17:
          if (stands(TRANSFER_ENCODING, bytes, name)) {
            const value = latin1(bytes, base + places[i + 2], base + places[i + 3]);
            meaning.codings = meaning.codings === null ? value : meaning.codings + "," + value;
          }
          break;
      }
    }
    this.#understood = used;
    return null;
  }

  /** Now that the head is complete: what its parts say together. */
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
 * A reader that nobody needs at the moment. Most heads come whole: then one reader serves all connections, and one that is idle
 * has none.
 */
let spareReader: HeadReader | null = null;

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
 * Whether `lower`, letters and hyphens, stands at `at`, in either case. The bit makes letters small and leaves a hyphen; the only
 * other byte that it makes a hyphen of is CR, which is in no name and no value.
 */
function stands(lower: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < lower.length; i++) if ((bytes[at + i] | 0x20) !== lower[i]) return false;
  return true;
}

/** 1*DIGIT as a number; -1 for anything else. Beyond 2^53 - 1 it is Infinity: larger than every limit but never wrong. */
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
  if (end - start === 10 && stands(KEEP_ALIVE, bytes, start)) {
    meaning.processHold = true; // nearly everyone's, by itself
    return true;
  }
  for (const option of elements(latin1(bytes, start, end))) {
    if (option === "close") meaning.close = true;
    else if (option === "keep-alive") meaning.processHold = true;
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
