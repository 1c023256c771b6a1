/** Reads responses as their bytes come, and asks for no more bytes than it needs. */
import { IncompleteResponse, ResponseOracle, valueOf, valuesOf } from "../support/response_oracle.ts";
import { CutOff, type FieldLines, type Fields, type ResponseHead } from "./mode.ts";

/** Gives the next bytes, null at the end. */
export type Source = () => Promise<Uint8Array | null>;

export class ResponseStream {
  readonly #source: Source;
  readonly #oracle = new ResponseOracle();
  #atEnd = false;

  constructor(source: Source) {
    this.#source = source;
  }

  /** What has come and was not read. */
  get rest(): string {
    return this.#oracle.rest.toString("latin1");
  }

  /** The trailer section, once the content has been read to its end; undefined where there was none. */
  get trailers(): Fields | undefined {
    const { trailers } = this.#oracle;
    return trailers.length > 0 ? fieldsOf(trailers) : undefined;
  }

  /** Resolves with whether the source is at its end, as soon as that, or bytes, are there. */
  async atEnd(): Promise<boolean> {
    return this.#oracle.rest.length === 0 && !(await this.#more());
  }

  /** Reads the head of a response, an interim one's too. @param method that of the request: the response to a HEAD has no content */
  async head(method: string): Promise<ResponseHead> {
    for (;;) {
      const head = orCutOff(() => this.#oracle.readHead(method));
      if (head !== null) return { status: head.status, reason: head.reason, headers: fieldsOf(head.fields) };
      await this.#more();
    }
  }

  /** Reads content: some of what is there, null at the end. */
  async content(): Promise<Buffer | null> {
    for (;;) {
      const piece = orCutOff(() => this.#oracle.readContent());
      if (piece !== null || this.#oracle.isWhole) return piece;
      await this.#more();
    }
  }

  /** @returns whether there was more */
  async #more(): Promise<boolean> {
    const bytes = this.#atEnd ? null : await this.#source();
    if (bytes !== null) this.#oracle.feed(bytes);
    else this.#oracle.end();
    this.#atEnd = bytes === null;
    return !this.#atEnd;
  }
}

/** The oracle's word for it is for versions of HTTP/1 alone. */
function orCutOff<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof IncompleteResponse) throw new CutOff(error.message);
    throw error;
  }
}

/** Fields, and how cases look at them. */
function fieldsOf(lines: FieldLines): Fields {
  return { lines, getAll: (name) => valuesOf(lines, name), get: (name) => valueOf(lines, name) };
}
