/** Writes field sections in HTTP/1 (RFC 9112 §5): a line for each field, "name: value" CR LF. */
import { latin1, latin1Bytes } from "../bytes.ts";
import { Field, FieldList } from "../fields.ts";

/** The buffer that lines are written to. */
interface Output {
  /** Adds text, one byte a character. */
  text(text: string): void;
  /** Adds bytes. They are copied. */
  bytes(bytes: Uint8Array): void;
}

/** The line of a field that was sent before. */
interface Line {
  field: Field;
  /** Null until the field is sent for the second time. */
  bytes: Uint8Array | null;
}

/** Cached lines, by `Field.slot`. Most responses have the same fields as earlier ones, and copying a line is quicker than encoding it. */
const lines: Line[] = [];

/**
 * A list of fields that comes as lines, from a handler in another thread. HTTP/1 writes the lines as they are. They are parsed when a
 * field is read.
 */
export class FieldLines extends FieldList {
  /** The lines, one character a byte. */
  readonly text: string;
  #isRead = false;

  /** @param text lines, as `fieldLines` returns them */
  constructor(text: string) {
    super();
    this.text = text;
  }

  override get length(): number {
    this.#read();
    return super.length;
  }

  override get size(): number {
    this.#read();
    return super.size;
  }

  override at(index: number): Field {
    this.#read();
    return super.at(index);
  }

  #read(): void {
    if (this.#isRead) return;
    this.#isRead = true;
    for (const line of this.text.split("\r\n").slice(0, -1)) {
      const colon = line.indexOf(":");
      this.addField(new Field(line.slice(0, colon), line.slice(colon + 2)));
    }
  }
}

/** How many bytes the lines of all fields have. */
export function sizeOfLines(fields: FieldList): number {
  return fields instanceof FieldLines ? fields.text.length : fields.size + LINE_OVERHEAD * fields.length;
}

/** How many bytes a line has besides a name and a value. */
const LINE_OVERHEAD = ": \r\n".length;

/** Fields that begin many sections in this order, such as Server, Date and Content-Type: their lines are copied as one. */
class Run {
  /** The last of the fields; null of the run that has none. */
  readonly field: Field | null;
  readonly bytes: Uint8Array;
  readonly length: number;
  /** The run that has one field more. */
  next: Run | null = null;
  /** The field that came behind the run last, where it was not that of `next`. */
  #candidate: Field | null = null;

  constructor(field: Field | null, bytes: Uint8Array, length: number) {
    this.field = field;
    this.bytes = bytes;
    this.length = length;
  }

  /** Another field than that of `next` comes behind the run: the second time in a row it takes that one's place. */
  offer(field: Field): void {
    if (field.slot < 0 || this.length === LONGEST_RUN) return;
    if (field !== this.#candidate) this.#candidate = field;
    else
      this.next = new Run(
        field,
        latin1Bytes(latin1(this.bytes, 0, this.bytes.length) + lineOf(field)),
        this.length + 1,
      );
  }
}

const LONGEST_RUN = 8;
const NO_FIELDS = new Run(null, new Uint8Array(0), 0);

/** Writes the lines of all fields. */
export function writeFields(fields: FieldList, output: Output): void {
  if (fields instanceof FieldLines) return output.text(fields.text);
  const { length } = fields;
  let run = NO_FIELDS;
  let i = 0;
  while (i < length) {
    const field = fields.at(i);
    const { next } = run;
    if (next === null || next.field !== field) {
      run.offer(field);
      break;
    }
    run = next;
    i++;
  }
  if (i > 0) output.bytes(run.bytes);
  for (; i < length; i++) writeField(fields.at(i), output);
}

function writeField(field: Field, output: Output): void {
  const { slot } = field;
  if (slot >= 0) {
    const known = lines[slot];
    if (known === undefined) lines[slot] = { field, bytes: null };
    else if (known.field === field) return output.bytes((known.bytes ??= latin1Bytes(lineOf(field))));
    else {
      known.field = field;
      known.bytes = null;
    }
  }
  output.text(lineOf(field));
}

/** The lines of all fields, one character a byte. */
export function fieldLines(fields: FieldList): string {
  if (fields instanceof FieldLines) return fields.text;
  let text = "";
  for (let i = 0; i < fields.length; i++) text += lineOf(fields.at(i));
  return text;
}

function lineOf({ name, value }: Field): string {
  return name + ": " + value + "\r\n";
}
