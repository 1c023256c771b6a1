/** Header and trailer sections: `Fields` as they came in, `FieldList` as they go out (RFC 9110 §5). */
import { equalsIgnoringCase, isFieldText, isToken } from "./grammar.ts";
import { show } from "./show.ts";

/**
 * A header or trailer section that was received. Holds one string and the places of the names and values in it; nothing else
 * is made until somebody asks. Immutable, and independent of the buffers it was read from.
 */
export class Fields implements Iterable<[name: string, value: string]> {
  readonly #text: string;
  /** Four places a field: where its name begins and ends, where its value begins and ends. */
  readonly #spans: readonly number[];

  /**
   * @param text what the names and values are cut from, one character a byte
   * @param spans four places in it for each field: where its name begins and ends, where its value begins and ends
   */
  constructor(text: string, spans: readonly number[]) {
    this.#text = text;
    this.#spans = spans;
  }

  /** What a section is made of, for who sends it elsewhere: another one can be constructed from it. */
  static parts(fields: Fields): readonly [text: string, spans: readonly number[]] {
    return [fields.#text, fields.#spans];
  }

  /** How many field lines there are. */
  get length(): number {
    return this.#spans.length >> 2;
  }

  /**
   * The value of the first field of that name, whatever the case of its letters; null where there is none. One character a
   * byte (ISO-8859-1), white space around it removed. `getAll` gives the others.
   */
  get(name: string): string | null {
    const at = this.#find(name.toLowerCase(), 0);
    return at < 0 ? null : this.#text.substring(this.#spans[at + 2], this.#spans[at + 3]);
  }

  /** The values of every field of that name, in the order they came. */
  getAll(name: string): string[] {
    const values = [];
    const lower = name.toLowerCase();
    for (let at = this.#find(lower, 0); at >= 0; at = this.#find(lower, at + 4)) {
      values.push(this.#text.substring(this.#spans[at + 2], this.#spans[at + 3]));
    }
    return values;
  }

  /** Whether there is a field of that name. */
  has(name: string): boolean {
    return this.#find(name.toLowerCase(), 0) >= 0;
  }

  /** Every field in the order it came, its name as it was written. */
  *[Symbol.iterator](): IterableIterator<[name: string, value: string]> {
    const spans = this.#spans;
    for (let i = 0; i < spans.length; i += 4) {
      yield [this.#text.substring(spans[i], spans[i + 1]), this.#text.substring(spans[i + 2], spans[i + 3])];
    }
  }

  /** Names and values, for JSON. */
  toJSON(): [name: string, value: string][] {
    return [...this];
  }

  /** What Node's console shows. */
  [Symbol.for("nodejs.util.inspect.custom")](
    _depth: number,
    options: object,
    inspect: (value: unknown, options: object) => string,
  ): string {
    return `Fields ${inspect([...this], options)}`;
  }

  #find(lower: string, from: number): number {
    const spans = this.#spans;
    for (let i = from; i < spans.length; i += 4) {
      if (equalsIgnoringCase(this.#text, spans[i], spans[i + 1], lower)) return i;
    }
    return -1;
  }
}

/**
 * Message framing and routing may not come late (RFC 9110 §6.5.1). Other fields are kept apart and are the handler's to judge.
 * In lower case.
 */
export const NOT_IN_TRAILERS: readonly string[] = [
  "transfer-encoding",
  "content-length",
  "host",
  "connection",
  "trailer",
];

/**
 * Fields to be sent. What is in it has been checked: it cannot split a message (RFC 9110 §5.5), nor frame one, which is the
 * protocol's to do.
 */
export class FieldList implements Iterable<[name: string, value: string]> {
  /** Names and values by turns. */
  readonly #flat: string[] = [];

  /**
   * @param name a token
   * @param value text without control characters, one byte a character; a number is written in decimal
   * @throws {TypeError} when either could not be sent as it is, or when the field is Content-Length or Transfer-Encoding
   */
  add(name: string, value: string | number): void {
    checkName(name);
    const text = typeof value === "number" ? String(value) : value;
    if (typeof text !== "string" || !isFieldText(text)) {
      throw new TypeError(
        `cannot send the field ${name} with the value ${show(text)}: a value is a number, or a string without control characters such as CR and LF, ` +
          "each character at most U+00FF (encode others, for example with encodeURIComponent)",
      );
    }
    this.#flat.push(name, text);
  }

  /** Adds a field that is known to be right, such as one that this program wrote itself. */
  addTrusted(name: string, value: string): void {
    this.#flat.push(name, value);
  }

  /** Every field in the order it was added. */
  *[Symbol.iterator](): IterableIterator<[name: string, value: string]> {
    for (let i = 0; i < this.#flat.length; i += 2) yield [this.#flat[i], this.#flat[i + 1]];
  }

  /** Every field as HTTP/1 has it: name, colon, space, value, CR LF. */
  get lines(): string {
    const flat = this.#flat;
    let text = "";
    for (let i = 0; i < flat.length; i += 2) text += flat[i] + ": " + flat[i + 1] + "\r\n";
    return text;
  }
}

/** Fields that were checked and written out elsewhere, such as in another thread. */
export class WrittenFields extends FieldList {
  readonly #lines: string;

  /** @param lines what `FieldList.lines` gave */
  constructor(lines: string) {
    super();
    this.#lines = lines;
  }

  override get lines(): string {
    return this.#lines;
  }

  override *[Symbol.iterator](): IterableIterator<[name: string, value: string]> {
    for (const line of this.#lines.split("\r\n").slice(0, -1)) {
      const colon = line.indexOf(":");
      yield [line.slice(0, colon), line.slice(colon + 2)];
    }
  }
}

/** Names seen to be right, so that the usual dozen is checked once. Bounded: names may come from anywhere. */
const goodNames = new Set<string>();

function checkName(name: string): void {
  if (goodNames.has(name)) return;
  if (typeof name !== "string" || !isToken(name)) {
    throw new TypeError(
      `cannot send a field named ${show(name)}: a name is a token, such as Content-Type (RFC 9110 §5.1)`,
    );
  }
  const lower = name.toLowerCase();
  if (lower === "content-length" || lower === "transfer-encoding") {
    throw new TypeError(`cannot send ${name} as a field: the protocol frames the message from the length it is told`);
  }
  if (goodNames.size < 1000) goodNames.add(name);
}
