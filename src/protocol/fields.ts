/** Header and trailer sections: `Fields` as they came in, `FieldList` as they go out (RFC 9110 §5). */
import { equalsIgnoringCase, isFieldText, isToken } from "./grammar.ts";
import { addElements } from "./list_elements.ts";
import { quote } from "../quote_value.ts";

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
   * byte (ISO-8859-1), white space around it removed. `getAll` gives the others; of a field that is a list, `list` gives the elements.
   */
  get(name: string): string | null {
    const at = this.#find(name, 0);
    return at < 0 ? null : this.#text.substring(this.#spans[at + 2], this.#spans[at + 3]);
  }

  /** The values of every field of that name, in the order they came. */
  getAll(name: string): string[] {
    const values = [];
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + 4)) {
      values.push(this.#text.substring(this.#spans[at + 2], this.#spans[at + 3]));
    }
    return values;
  }

  /**
   * The elements of a field that is a list, such as Accept, Vary or X-Forwarded-For: those of every field line of that name, in the
   * order they came (RFC 9110 §5.6.1). White space around an element is removed, an empty one left out; commas in quoted strings
   * separate nothing. Empty where there is none. Not for fields that have commas elsewhere, such as Date, Set-Cookie, or Link.
   * @example headers.list("X-Forwarded-For").at(-1) // the address that the nearest proxy has added
   */
  list(name: string): string[] {
    const elements: string[] = [];
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + 4)) {
      addElements(this.#text.substring(this.#spans[at + 2], this.#spans[at + 3]), elements);
    }
    return elements;
  }

  /** Whether there is a field of that name. */
  has(name: string): boolean {
    return this.#find(name, 0) >= 0;
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

  #find(name: string, from: number): number {
    const spans = this.#spans;
    let lower: string | null = null;
    for (let i = from; i < spans.length; i += 4) {
      if (spans[i + 1] - spans[i] !== name.length) continue;
      // The exact case first: most peers write a name as the caller does.
      if (this.#text.startsWith(name, spans[i])) return i;
      if (equalsIgnoringCase(this.#text, spans[i], spans[i + 1], (lower ??= name.toLowerCase()))) return i;
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

/** One field to be sent: a name and a value that have been checked. */
export class Field {
  /** A token. */
  readonly name: string;
  /** Text without control characters, one byte a character. */
  readonly value: string;
  /**
   * The number of its name among those that are remembered; -1 where it is none of them, or its value is too long. A protocol keeps
   * under this number what it has made of a field, to be used again while the name has the same field.
   */
  readonly slot: number;

  /** @param name and value, known to be right */
  constructor(name: string, value: string, slot = -1) {
    this.name = name;
    this.value = value;
    this.slot = slot;
  }
}

/** The value that a field of some name had last, as it was given, and the field. */
interface Last {
  value: string | number;
  field: Field;
}

/** By name, so that the usual dozen is checked once, and written out once. Bounded: names may come from anywhere. */
const remembered = new Map<string, Last>();
const MOST_REMEMBERED = 1000;
/** The longest value that is remembered. */
const LONGEST_REMEMBERED = 256;

/** A list that is used again keeps room for so many fields, more than most responses have. */
const MOST_KEPT = 16;

/**
 * Fields to be sent. What is in it has been checked: it cannot split a message (RFC 9110 §5.5), nor frame one, which is the
 * protocol's to do.
 */
export class FieldList implements Iterable<[name: string, value: string]> {
  /** The first `#length` are there. */
  readonly #fields: (Field | null)[] = [null, null, null, null, null, null, null, null];
  #length = 0;
  #size = 0;

  /** How many fields there are. */
  get length(): number {
    return this.#length;
  }

  /** How many characters the names and values have together. */
  get size(): number {
    return this.#size;
  }

  /** Takes everything out, so that the list can be used again. */
  clear(): void {
    const fields = this.#fields;
    if (fields.length > MOST_KEPT) fields.length = MOST_KEPT;
    for (let i = 0; i < fields.length; i++) fields[i] = null;
    this.#length = this.#size = 0;
  }

  /** The field of that number, from 0 on. */
  at(index: number): Field {
    return this.#fields[index]!;
  }

  /**
   * @param name a token
   * @param value text without control characters, one byte a character; a number is written in decimal
   * @throws {TypeError} when either could not be sent as it is, or when the field is Content-Length or Transfer-Encoding
   */
  add(name: string, value: string | number): void {
    const last = remembered.get(name);
    if (last === undefined) checkName(name);
    else if (last.value === value) return this.addField(last.field);
    const text = typeof value === "number" ? String(value) : value;
    if (typeof text !== "string" || !isFieldText(text)) {
      throw new TypeError(
        `cannot send the field ${name} with the value ${quote(text)}: a value is a number, or a string without control characters such as CR and LF, ` +
          "each character at most U+00FF (encode others, for example with encodeURIComponent)",
      );
    }
    this.addField(fieldOf(name, value, text, last));
  }

  /** Adds a field that is known to be right, such as one that this program wrote itself. */
  addField(field: Field): void {
    this.#fields[this.#length++] = field;
    this.#size += field.name.length + field.value.length;
  }

  /** Every field in the order it was added. */
  *[Symbol.iterator](): IterableIterator<[name: string, value: string]> {
    for (let i = 0; i < this.length; i++) {
      const { name, value } = this.at(i);
      yield [name, value];
    }
  }
}

/** Makes a field that will be sent often, of a name and a value that are known to be right. */
export function knownField(name: string, value: string): Field {
  return fieldOf(name, value, value, remembered.get(name));
}

/** Makes a field, and remembers it where that is worth it. */
function fieldOf(name: string, value: string | number, text: string, last: Last | undefined): Field {
  if (text.length > LONGEST_REMEMBERED) return new Field(name, text);
  if (last !== undefined) {
    last.value = value;
    return (last.field = new Field(name, text, last.field.slot));
  }
  if (remembered.size >= MOST_REMEMBERED) return new Field(name, text);
  const field = new Field(name, text, remembered.size);
  remembered.set(name, { value, field });
  return field;
}

function checkName(name: string): void {
  if (typeof name !== "string" || !isToken(name)) {
    throw new TypeError(
      `cannot send a field named ${quote(name)}: a name is a token, such as Content-Type (RFC 9110 §5.1)`,
    );
  }
  const lower = name.toLowerCase();
  if (lower === "content-length" || lower === "transfer-encoding") {
    throw new TypeError(`cannot send ${name} as a field: the protocol frames the message from the length it is told`);
  }
}
