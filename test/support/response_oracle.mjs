// Reads HTTP/1 responses for tests and benchmarks, and refuses what is malformed. It is written from RFC 9110 and RFC 9112 and imports
// nothing of the engine, so that the two can disagree. It is plain JavaScript, since the benchmarks import it without a build; tests
// import response_oracle.ts, which adds the types.
import { Buffer } from "node:buffer";

/** Bytes that RFC 9112 does not allow, or that the server in question never sends. */
export class MalformedResponse extends Error {
  name = "MalformedResponse";
}

/** The connection has ended before a response was whole. */
export class IncompleteResponse extends Error {
  name = "IncompleteResponse";
}

/** @typedef {[name: string, value: string][]} FieldLines Names and values in their order, one character a byte. */
/** @typedef {"none" | "counted" | "chunked" | "until-close" | "tunnel"} Framing How the end of the content is known (RFC 9112 §6.3). */
/**
 * @typedef {object} Head of a response, an interim one (1xx) too
 * @property {"1.0" | "1.1"} version
 * @property {number} status
 * @property {string} reason
 * @property {FieldLines} fields
 * @property {Framing} framing
 * @property {number | null} length of the content in bytes, where the framing is "counted"
 * @property {boolean} closes whether the connection ends behind this response (RFC 9112 §9.3)
 */

/** The longest line, in bytes. */
const LONGEST_LINE = 64 * 1024;

const CR = 13;
const LF = 10;
const NOTHING = Buffer.alloc(0);
const PROTOCOL = Buffer.from("HTTP/1.");

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Of a field value and of a reason phrase. */
const TEXT = /^[\t\x20-\x7e\x80-\xff]*$/;
// RFC 9112 §7.1.1: a token or a quoted string may stand behind each name.
const EXTENSIONS =
  /^(?:[ \t]*;[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:[ \t]*=[ \t]*(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[^"\\\0-\x08\x0a-\x1f\x7f]|\\[\t\x20-\x7e\x80-\xff])*"))?)*$/;

const isSpace = (code) => code === 0x20 || code === 0x09;

/** Fields that frame or route a message have no place behind its content (RFC 9110 §6.5.1). */
const NO_TRAILERS = ["content-length", "transfer-encoding", "host", "trailer", "connection"];

// What comes next.
const HEAD = 0;
const CONTENT = 1;
const CHUNK_SIZE = 2;
const CHUNK_END = 3;
const TRAILERS = 4;

/**
 * Reads the responses on one connection, one behind the other, however their bytes are split. Nothing is copied but what is left of a
 * line, so it keeps up with any server.
 *
 * Call `feed` with what has come and `end` behind the last of it. For each response call `readHead`, and, unless it is an interim one,
 * `readContent` until `isWhole`. Both give null where more bytes are needed.
 */
export class ResponseOracle {
  /** The trailer section of the response that was read last; empty where it had none. @type {FieldLines} */
  trailers = [];
  /** Bytes that were read so far: heads, content and their framing. */
  bytesRead = 0;
  #isPlinth;
  #bytes = NOTHING;
  /** So many of `#bytes` were read. */
  #at = 0;
  /** `#bytes` is memory of this object, and not the caller's. */
  #isOwn = true;
  /** No line ends before this place in `#bytes`. */
  #searched = 0;
  #hasEnded = false;
  #state = HEAD;
  /** @type {Framing} */
  #framing = "none";
  /** Bytes of content, or of a chunk, that are still to come. */
  #left = 0;
  #mayHaveContent = true;
  /** The response that was read last said that the connection ends. */
  #closes = false;
  /** The status line, once it has come, of a head that has not. @type {Pick<Head, "version" | "status" | "reason"> | null} */
  #start = null;
  /** The field lines that have come of a head or of trailers. @type {FieldLines} */
  #fields = [];

  /**
   * @param {"Plinth" | "any server"} sender "Plinth" refuses also what is well-formed but never sent by Plinth: HTTP/1.0, extensions of
   * chunks, the chunked coding and chunk sizes in capital letters
   */
  constructor(sender = "Plinth") {
    this.#isPlinth = sender === "Plinth";
  }

  /** What has come and was not read yet. */
  get rest() {
    return this.#bytes.subarray(this.#at);
  }

  /** Whether the response whose head was read last has been read to its end; true before the first. */
  get isWhole() {
    return this.#state === HEAD && this.#start === null;
  }

  /**
   * Takes bytes. They must stay as they are until all are read, or a call has given null because it needs more.
   * @param {Uint8Array} bytes
   */
  feed(bytes) {
    if (this.#hasEnded) throw new TypeError("feed() was called behind end()");
    if (bytes.length === 0) return;
    const given = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#isOwn = this.#unread > 0;
    this.#bytes = this.#isOwn ? Buffer.concat([this.rest, given]) : given;
    this.#searched = Math.max(0, this.#searched - this.#at);
    this.#at = 0;
  }

  /** Says that the connection has ended behind what was fed. */
  end() {
    this.#hasEnded = true;
  }

  /**
   * Reads the head of a response, an interim one too.
   * @param {string} method of the request: the response to a HEAD has no content
   * @returns {Head | null} null where more bytes are needed
   * @throws {MalformedResponse}
   * @throws {IncompleteResponse} when the connection has ended and no head is there
   */
  readHead(method) {
    if (this.#state !== HEAD) throw new TypeError("readHead() was called before the content was read to its end");
    if (this.#start === null) {
      if (this.#closes && this.#unread > 0)
        this.#refuse("bytes have come behind a response that ends the connection", this.rest);
      for (let i = 0; i < PROTOCOL.length && i < this.#unread; i++) {
        if (this.#bytes[this.#at + i] !== PROTOCOL[i])
          this.#refuse("bytes have come that begin no response", this.rest);
      }
      const line = this.#readLine();
      if (line === null) return null;
      this.#start = this.#readStatusLine(line);
      this.#fields = [];
    }
    if (!this.#readFields()) return null;
    return this.#takeHead(method);
  }

  /**
   * Reads content, in pieces as they come. A piece lies in the memory that was fed.
   * @returns {Buffer | null} null where more bytes are needed, and at the end, where `isWhole` is true
   * @throws {MalformedResponse}
   * @throws {IncompleteResponse} when the connection has ended within the content
   */
  readContent() {
    for (;;) {
      switch (this.#state) {
        case CONTENT:
          return this.#readPiece();
        case CHUNK_SIZE: {
          const line = this.#readLine();
          if (line === null) return null;
          this.#left = this.#sizeOf(line);
          this.#state = this.#left > 0 ? CONTENT : TRAILERS;
          this.#fields = [];
          break;
        }
        case CHUNK_END:
          if (this.#unread < 2) return this.#wait();
          if (this.#bytes[this.#at] !== CR || this.#bytes[this.#at + 1] !== LF)
            this.#refuse("behind a chunk there is not CR LF", this.rest);
          this.#advance(2);
          this.#state = CHUNK_SIZE;
          break;
        case TRAILERS:
          if (!this.#readFields()) return null;
          for (const [name] of this.#fields) {
            if (NO_TRAILERS.includes(name.toLowerCase())) this.#refuse("a field has no place in trailers", name);
          }
          this.trailers = this.#fields;
          this.#state = HEAD;
          return null;
        default:
          return null;
      }
    }
  }

  #readPiece() {
    const untilClose = this.#left === Infinity;
    if (this.#unread === 0) {
      if (!untilClose || !this.#hasEnded) return this.#wait();
      this.#state = HEAD;
      return null;
    }
    if (!this.#mayHaveContent) this.#refuse("a response with the status 205 has content", this.rest);
    const length = Math.min(this.#left, this.#unread);
    const piece = this.#bytes.subarray(this.#at, this.#at + length);
    this.#advance(length);
    this.#left -= length;
    if (this.#left === 0) this.#state = this.#framing === "chunked" ? CHUNK_END : HEAD;
    return piece;
  }

  /** RFC 9112 §4. @returns {Pick<Head, "version" | "status" | "reason">} */
  #readStatusLine(line) {
    const [, version, status, reason] = /^HTTP\/(1\.[01]) ([1-5][0-9]{2}) (.*)$/.exec(line) ?? [];
    if (version === undefined || !TEXT.test(reason)) this.#refuse("a status line is malformed", line);
    if (this.#isPlinth && version !== "1.1") this.#refuse("Plinth sends HTTP/1.1", line);
    if (status === "101") this.#refuse("no request has asked for another protocol", line);
    return { version, status: Number(status), reason };
  }

  /** RFC 9112 §6.3 and §9.3. */
  #takeHead(method) {
    const { version, status, reason } = this.#start;
    const fields = this.#fields;
    this.#start = null;
    this.trailers = [];
    this.#framing = "none";
    this.#left = 0;

    const lengths = valuesOf(fields, "content-length");
    const codings = valuesOf(fields, "transfer-encoding");
    if (lengths.length + codings.length > 1)
      this.#refuse("a response is framed more than once", [...lengths, ...codings].join(", "));
    const isFramed = lengths.length + codings.length > 0;
    const isTunnel = method === "CONNECT" && status >= 200 && status < 300;
    if (isFramed && (status < 200 || status === 204 || isTunnel))
      this.#refuse("a response is framed that has no content (RFC 9110 §8.6, RFC 9112 §6.1)", `${status} ${reason}`);
    const [length] = lengths;
    if (length !== undefined && !/^[0-9]{1,15}$/.test(length)) this.#refuse("Content-Length is no length", length);
    const [coding] = codings;
    if (coding !== undefined && (this.#isPlinth ? coding : coding.toLowerCase()) !== "chunked")
      this.#refuse("Transfer-Encoding is not chunked", coding);
    if (coding !== undefined && version === "1.0") this.#refuse("HTTP/1.0 has no Transfer-Encoding", coding);

    if (status < 200) return { version, status, reason, fields, framing: this.#framing, length: null, closes: false };
    if (isTunnel) this.#framing = "tunnel";
    else if (method !== "HEAD" && status !== 204 && status !== 304) {
      if (coding !== undefined) this.#framing = "chunked";
      else this.#framing = length === undefined ? "until-close" : "counted";
    }
    this.#mayHaveContent = status !== 205;
    if (this.#framing === "chunked") this.#state = CHUNK_SIZE;
    else if (this.#framing !== "none") {
      this.#left = this.#framing === "counted" ? Number(length) : Infinity;
      this.#state = this.#left > 0 ? CONTENT : HEAD;
    }

    const options = valuesOf(fields, "connection")
      .join()
      .toLowerCase()
      .split(/[ \t]*,[ \t]*/);
    this.#closes =
      this.#left === Infinity || options.includes("close") || (version === "1.0" && !options.includes("keep-alive"));
    const counted = this.#framing === "counted" ? this.#left : null;
    return { version, status, reason, fields, framing: this.#framing, length: counted, closes: this.#closes };
  }

  /** RFC 9112 §7.1. */
  #sizeOf(line) {
    const [, size, extensions] = /^([0-9a-fA-F]{1,13})(.*)$/.exec(line) ?? [];
    if (size === undefined || !EXTENSIONS.test(extensions)) this.#refuse("a chunk's size is none", line);
    if (this.#isPlinth && !/^[0-9a-f]+$/.test(line))
      this.#refuse("Plinth sends sizes of chunks in small letters, without extensions", line);
    return Number.parseInt(size, 16);
  }

  /** Reads field lines up to the empty line behind them (RFC 9112 §5). @returns whether all are there */
  #readFields() {
    for (;;) {
      const line = this.#readLine();
      if (line === null) return false;
      if (line === "") return true;
      const colon = line.indexOf(":");
      let start = colon + 1;
      let end = line.length;
      while (start < end && isSpace(line.charCodeAt(start))) start++;
      while (start < end && isSpace(line.charCodeAt(end - 1))) end--;
      const [name, value] = [line.slice(0, Math.max(0, colon)), line.slice(start, end)];
      if (!TOKEN.test(name) || !TEXT.test(value)) this.#refuse("a field line is malformed", line);
      this.#fields.push([name, value]);
    }
  }

  /** Reads a line, without its end. @returns {string | null} null where more bytes are needed */
  #readLine() {
    const end = this.#bytes.indexOf(LF, Math.max(this.#at, this.#searched));
    if ((end < 0 ? this.#bytes.length : end) - this.#at > LONGEST_LINE)
      this.#refuse(`a line has more than ${LONGEST_LINE} bytes`, this.rest);
    if (end < 0) {
      this.#searched = this.#bytes.length;
      return this.#wait();
    }
    const line = this.#bytes.toString("latin1", this.#at, end);
    // The only CR is the one before LF.
    if (line === "" || line.indexOf("\r") !== line.length - 1) this.#refuse("CR and LF stand apart", `${line}\n`);
    this.#advance(end + 1 - this.#at);
    return line.slice(0, -1);
  }

  get #unread() {
    return this.#bytes.length - this.#at;
  }

  /** Moves on behind so many bytes. */
  #advance(count) {
    this.#at += count;
    this.bytesRead += count;
  }

  /** Keeps what has come until there is more. @returns {null} @throws {IncompleteResponse} where no more comes */
  #wait() {
    if (this.#hasEnded) throw new IncompleteResponse("the connection has ended before a response was whole");
    if (!this.#isOwn) {
      this.#searched = Math.max(0, this.#searched - this.#at);
      this.#bytes = this.#unread === 0 ? NOTHING : Buffer.from(this.rest);
      this.#at = 0;
      this.#isOwn = true;
    }
    return null;
  }

  /** @param {string} why @param {string | Buffer} what is quoted @returns {never} */
  #refuse(why, what) {
    const quoted = typeof what === "string" ? what : what.toString("latin1", 0, 200);
    throw new MalformedResponse(`${why}: ${JSON.stringify(quoted.slice(0, 200))}`);
  }
}

/**
 * The values of all fields of a name, whatever its letters' case.
 * @param {FieldLines} fields
 * @param {string} name
 */
export function valuesOf(fields, name) {
  const values = [];
  for (const [other, value] of fields)
    if (other.length === name.length && other.toLowerCase() === name.toLowerCase()) values.push(value);
  return values;
}

/**
 * The value of the only field of a name, null where there is none.
 * @param {FieldLines} fields
 * @param {string} name
 * @throws {MalformedResponse} where there are two
 */
export function valueOf(fields, name) {
  const values = valuesOf(fields, name);
  if (values.length > 1) throw new MalformedResponse(`${name} stands ${values.length} times in a response`);
  return values[0] ?? null;
}

/**
 * Takes the responses that are whole from the front of what has come, interim ones (1xx) too.
 * @param {Uint8Array} bytes
 * @param {{ methods?: readonly string[], ended?: boolean, sender?: "Plinth" | "any server" }} how `methods` of the requests in order, GET
 * where there is none; `ended`: the connection has ended behind the bytes
 * @returns {{ responses: (Head & { content: Buffer, trailers: FieldLines, size: number })[], rest: Buffer }} `size`: how many bytes a
 * response took; `rest`: the beginning of another one
 * @throws {MalformedResponse}
 */
export function takeResponses(bytes, { methods = [], ended = false, sender = "Plinth" } = {}) {
  const oracle = new ResponseOracle(sender);
  oracle.feed(bytes);
  if (ended) oracle.end();
  const responses = [];
  let used = 0;
  let finals = 0;
  while (oracle.rest.length > 0) {
    try {
      const head = oracle.readHead(methods[finals] ?? "GET");
      const pieces = [];
      for (let piece; head !== null && (piece = oracle.readContent()) !== null;) pieces.push(piece);
      if (head === null || !oracle.isWhole) break;
      const content = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
      responses.push({ ...head, content, trailers: oracle.trailers, size: oracle.bytesRead - used });
      used = oracle.bytesRead;
      if (head.status >= 200) finals++;
    } catch (error) {
      if (error instanceof IncompleteResponse) break;
      throw error;
    }
  }
  return { responses, rest: Buffer.from(bytes.buffer, bytes.byteOffset + used, bytes.length - used) };
}
