/** Reads responses of HTTP/1.1 as they come: strict, small, and written from RFC 9112, not from the engine, so that the two can disagree. */
import assert from "node:assert/strict";
import { CutOff, type FieldLines, type Fields, type ResponseHead } from "./mode.ts";

/** Gives the next bytes, null at the end. */
export type Source = () => Promise<Uint8Array | null>;

/** The most that a head or a chunk's line may take. */
const LONGEST_LINE = 64 * 1024;

export class ResponseReader {
  readonly #source: Source;
  #bytes: Buffer = Buffer.alloc(0);
  #atEnd = false;
  #framing: "none" | "counted" | "chunked" | "until-close" = "none";
  /** Bytes of content, or of the chunk, that are still to come. */
  #left = 0;
  /** The trailer section, once the content has been read to its end. */
  trailers: Fields | undefined;

  constructor(source: Source) {
    this.#source = source;
  }

  /** What has come and was not read. */
  get rest(): string {
    return this.#bytes.toString("latin1");
  }

  /** Resolves with whether the source is at its end, as soon as that, or bytes, are there. */
  async atEnd(): Promise<boolean> {
    return this.#bytes.length === 0 && !(await this.#more());
  }

  /** Reads the head of a response, an interim one's too. @param method that of the request: the response to a HEAD has no content */
  async head(method: string): Promise<ResponseHead> {
    const line = await this.#line();
    const match = /^HTTP\/1\.1 ([1-5][0-9]{2}) ([\t\x20-\x7e\x80-\xff]*)$/.exec(line);
    assert.ok(match !== null, `a status line is malformed: ${JSON.stringify(line)}`);
    const status = Number(match[1]);
    const headers = await this.#fields();
    this.trailers = undefined;
    if (status >= 200) this.#frame(method, status, headers);
    else assert.deepEqual(framingOf(headers), [], "an interim response is not framed (RFC 9110 §8.6, RFC 9112 §6.1)");
    return { status, reason: match[2], headers };
  }

  /** Reads content: some of what is there, null at the end. */
  async content(): Promise<Buffer | null> {
    if (this.#framing === "chunked" && this.#left === 0) {
      const line = await this.#line();
      assert.match(line, /^[0-9a-f]{1,14}$/i, "a chunk's size");
      this.#left = Number.parseInt(line, 16);
      if (this.#left === 0) {
        const trailers = await this.#fields();
        if (trailers.lines.length > 0) this.trailers = trailers;
        this.#framing = "none";
      }
    }
    if (this.#framing === "none" || (this.#framing === "counted" && this.#left === 0)) return null;
    if (this.#bytes.length === 0 && !(await this.#more())) {
      if (this.#framing === "until-close") return null;
      throw new CutOff("the connection has ended in the middle of content");
    }
    const piece = this.#bytes.subarray(0, this.#left);
    this.#bytes = this.#bytes.subarray(piece.length);
    this.#left -= piece.length;
    if (this.#framing === "chunked" && this.#left === 0) assert.equal(await this.#line(), "", "behind a chunk");
    return piece;
  }

  /** How long the content is (RFC 9112 §6.3). */
  #frame(method: string, status: number, headers: Fields): void {
    const framing = framingOf(headers);
    assert.ok(framing.length <= 1, `a response is framed once: ${framing.join()}`);
    const tunnel = method === "CONNECT" && status < 300;
    if (tunnel || status === 204) assert.deepEqual(framing, [], "it is not framed (RFC 9110 §8.6, RFC 9112 §6.1)");
    const coding = headers.get("transfer-encoding");
    const length = headers.get("content-length");
    if (length !== null) assert.match(length, /^[0-9]{1,15}$/, "Content-Length");
    this.#left = 0;
    if (method === "HEAD" || status === 204 || status === 304) {
      this.#framing = "none";
    } else if (coding !== null) {
      assert.equal(coding, "chunked");
      this.#framing = "chunked";
    } else if (length !== null) {
      this.#framing = "counted";
      this.#left = Number(length);
    } else {
      this.#framing = "until-close";
      this.#left = Infinity;
    }
  }

  async #fields(): Promise<Fields> {
    const lines: [string, string][] = [];
    for (let line = await this.#line(); line !== ""; line = await this.#line()) {
      const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\t\x20-\x7e\x80-\xff]*?)[\t ]*$/.exec(line);
      assert.ok(match !== null, `a field line is malformed: ${JSON.stringify(line)}`);
      lines.push([match[1], match[2]]);
    }
    return fieldsOf(lines);
  }

  /** Reads a line, without its end. */
  async #line(): Promise<string> {
    let end: number;
    for (let from = 0; (end = this.#bytes.indexOf("\r\n", from)) < 0;) {
      from = Math.max(0, this.#bytes.length - 1);
      assert.ok(from < LONGEST_LINE, "a line is too long");
      if (!(await this.#more())) throw new CutOff(`the connection has ended before a response was whole`);
    }
    const line = this.#bytes.toString("latin1", 0, end);
    assert.doesNotMatch(line, /[\r\n]/, "CR and LF come together");
    this.#bytes = this.#bytes.subarray(end + 2);
    return line;
  }

  /** @returns whether there was more */
  async #more(): Promise<boolean> {
    if (this.#atEnd) return false;
    const bytes = await this.#source();
    if (bytes === null) this.#atEnd = true;
    else this.#bytes = this.#bytes.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#bytes, bytes]);
    return !this.#atEnd;
  }
}

function framingOf(headers: Fields): string[] {
  return headers.lines.map(([name]) => name.toLowerCase()).filter((name) => FRAMING.includes(name));
}

const FRAMING = ["content-length", "transfer-encoding"];

/** Fields, and how cases look at them. */
export function fieldsOf(lines: FieldLines): Fields {
  const getAll = (name: string): string[] =>
    lines.filter(([other]) => other.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
  return {
    lines,
    getAll,
    get(name) {
      const values = getAll(name);
      assert.ok(values.length < 2, `${name} stands ${values.length} times in a response`);
      return values[0] ?? null;
    },
  };
}
