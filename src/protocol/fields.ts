/** Header and trailer sections (RFC 9110 §5): `Fields` for those received, `FieldList` for those to be sent. */
import { checkFieldName, checkFieldValue } from "./field_checks.ts";
import { equalsIgnoringCase } from "./grammar.ts";
import { addElements } from "./list_elements.ts";

/**
 * A header or trailer section that was received. It holds one string, and the positions of names and values in it. Names and values are
 * made when they are read. It is immutable, and independent of the buffers that it was read from.
 */
export class Fields implements Iterable<[name: string, value: string]> {
  readonly #text: string;
  /** Four positions for each field: the beginning and the end of its name, and of its value. */
  readonly #spans: readonly number[];

  /**
   * @param text the text that holds the names and values, one character a byte
   * @param spans four positions in it for each field: the beginning and the end of its name, and of its value
   */
  constructor(text: string, spans: readonly number[]) {
    this.#text = text;
    this.#spans = spans;
  }

  /** The two arguments of the constructor that make a copy of a section, for instance in another thread. */
  static parts(fields: Fields): readonly [text: string, spans: readonly number[]] {
    return [fields.#text, fields.#spans];
  }

  /** How many field lines there are. */
  get length(): number {
    return this.#spans.length >> 2;
  }

  /**
   * The value of the first field of that name, or null if there is none. Letters match in either case. The value has one character a byte
   * (ISO-8859-1), without the white space around it. `getAll` returns the values of all such fields, `list` the elements of a list.
   */
  get(name: string): string | null {
    const at = this.#find(name, 0);
    return at < 0 ? null : this.#text.substring(this.#spans[at + 2], this.#spans[at + 3]);
  }

  /** The values of all fields of that name, in the order in which they came. */
  getAll(name: string): string[] {
    const values = [];
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + 4)) {
      values.push(this.#text.substring(this.#spans[at + 2], this.#spans[at + 3]));
    }
    return values;
  }

  /**
   * The elements of a field that is a list, such as Accept, Vary or X-Forwarded-For, of all field lines of that name, in the order in
   * which they came (RFC 9110 §5.6.1). White space around an element is removed, and empty elements are left out. Commas in quoted strings
   * do not separate elements. The array is empty if there is no such field. Do not use it for fields whose values have other commas, such
   * as Date, Set-Cookie or Link.
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

  /** All fields in the order in which they came, with their names as they were sent. */
  *[Symbol.iterator](): IterableIterator<[name: string, value: string]> {
    const spans = this.#spans;
    for (let i = 0; i < spans.length; i += 4) {
      yield [this.#text.substring(spans[i], spans[i + 1]), this.#text.substring(spans[i + 2], spans[i + 3])];
    }
  }

  /** The names and values, for `JSON.stringify`. */
  toJSON(): [name: string, value: string][] {
    return [...this];
  }

  /** How `console.log` shows the section. */
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
      // The exact case is tried first: most clients write a name as the caller does.
      if (this.#text.startsWith(name, spans[i])) return i;
      if (equalsIgnoringCase(this.#text, spans[i], spans[i + 1], (lower ??= name.toLowerCase()))) return i;
    }
    return -1;
  }
}

/**
 * The names, in lower case, of fields that a trailer section must not have, since they frame or route the message (RFC 9110 §6.5.1).
 * Handlers judge other fields: trailers are kept apart from the header section.
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
   * The number of the name in the cache of names; -1 if the name is not there, or the value is too long. A protocol caches the encoded
   * field under this number, for as long as the name has the same value.
   */
  readonly slot: number;

  /** @param name a valid name @param value a valid value: neither is checked */
  constructor(name: string, value: string, slot = -1) {
    this.name = name;
    this.value = value;
    this.slot = slot;
  }
}

/** The last value of the fields of one name, as it was given, and the field. */
interface Last {
  value: string | number;
  field: Field;
}

/**
 * Cached fields by name, so that the usual dozen fields are checked once and encoded once. Its size is bounded, since a program may make
 * names from what clients send.
 */
const cache = new Map<string, Last>();
const MAX_CACHED = 1000;
/** Longer values are not cached. In characters. */
const MAX_CACHED_VALUE = 256;

/** A list that is cleared keeps room for this many fields, more than most responses have. */
const KEPT_ROOM = 16;

/**
 * Fields to be sent. All of them have been checked: they cannot split a message (RFC 9110 §5.5), and cannot frame one, which only the
 * protocol does.
 */
export class FieldList implements Iterable<[name: string, value: string]> {
  /** The fields: only the first `#length` count. */
  readonly #fields: (Field | null)[] = [null, null, null, null, null, null, null, null];
  #length = 0;
  #size = 0;

  /** How many fields there are. */
  get length(): number {
    return this.#length;
  }

  /** The length of all names and values together, in characters. */
  get size(): number {
    return this.#size;
  }

  /** Removes all fields, so that the list can be used again. */
  clear(): void {
    const fields = this.#fields;
    if (fields.length > KEPT_ROOM) fields.length = KEPT_ROOM;
    for (let i = Math.min(this.#length, fields.length) - 1; i >= 0; i--) fields[i] = null;
    this.#length = this.#size = 0;
  }

  /** The field at an index, from 0 on. */
  at(index: number): Field {
    return this.#fields[index]!;
  }

  /**
   * Adds a field.
   * @param name a token
   * @param value text without control characters, one byte a character; a number is sent in decimal
   * @throws {TypeError} if the name or the value cannot be sent as it is, or if the field is Content-Length or Transfer-Encoding
   */
  add(name: string, value: string | number): void {
    const last = cache.get(name);
    if (last === undefined) checkFieldName(name);
    else if (last.value === value) return this.addField(last.field);
    this.addField(fieldOf(name, value, checkFieldValue(name, value), last));
  }

  /** Adds a field without a check: it must be known to be valid. */
  addField(field: Field): void {
    this.#fields[this.#length++] = field;
    this.#size += field.name.length + field.value.length;
  }

  /** All fields in the order in which they were added. */
  *[Symbol.iterator](): IterableIterator<[name: string, value: string]> {
    for (let i = 0; i < this.length; i++) {
      const { name, value } = this.at(i);
      yield [name, value];
    }
  }
}

/** Makes a field that will be sent often, without a check: name and value must be known to be valid. */
export function knownField(name: string, value: string): Field {
  return fieldOf(name, value, value, cache.get(name));
}

/** Makes a field, and caches it, unless the value is too long or the cache is full. */
function fieldOf(name: string, value: string | number, text: string, last: Last | undefined): Field {
  if (text.length > MAX_CACHED_VALUE) return new Field(name, text);
  if (last !== undefined) {
    last.value = value;
    return (last.field = new Field(name, text, last.field.slot));
  }
  if (cache.size >= MAX_CACHED) return new Field(name, text);
  const field = new Field(name, text, cache.size);
  cache.set(name, { value, field });
  return field;
}
