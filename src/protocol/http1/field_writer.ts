/** Writes field sections in HTTP/1 (RFC 9112 §5): a line for each field, "name: value" CR LF. */
import { latin1Bytes } from "../bytes.ts";
import { Field, FieldList } from "../fields.ts";
import type { OwnLine } from "./settings.ts";

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

/** The server's own lines that a section gets: all whose name no field of the section has. */
export function linesToAdd(ownLines: readonly OwnLine[], fields: FieldList): readonly OwnLine[] {
  return ownLines.length === 0 ? ownLines : ownLines.filter(({ name }) => !hasField(fields, name));
}

/** Whether there is a field of this name. @param name in lower case */
function hasField(fields: FieldList, name: string): boolean {
  if (fields instanceof FieldLines) return ("\r\n" + fields.text).toLowerCase().includes(`\r\n${name}:`);
  for (let i = 0; i < fields.length; i++) if (isNamed(fields.at(i), name)) return true;
  return false;
}

function isNamed(field: Field, name: string): boolean {
  return field.name.length === name.length && field.name.toLowerCase() === name;
}

/** How many bytes a line has besides a name and a value. */
const LINE_OVERHEAD = ": \r\n".length;

/** Fields that begin many sections in this order, such as Server, Date and Content-Type: their lines are copied as one. */
class Run {
  /** The last of the fields; null for the run without fields. */
  readonly field: Field | null;
  /** How many fields there are. */
  readonly length: number;
  /** The run with one field more that was found last. */
  next: Run | null = null;
  /** The run that has one field less; null for the run without fields. */
  readonly #before: Run | null;
  /** The runs with one field more, of those that came last. */
  readonly #known: Run[] = [];
  #oldest = 0;
  #text: string | null = null;
  #bytes: Uint8Array | null = null;

  constructor(before: Run | null, field: Field | null) {
    this.#before = before;
    this.field = field;
    this.length = before === null ? 0 : before.length + 1;
  }

  /** The lines of the fields, one character a byte. Made when they are first wanted: the second time that the fields come. */
  get text(): string {
    return (this.#text ??= this.#before === null ? "" : this.#before.text + lineOf(this.field!));
  }

  /** The lines of the fields, as bytes. */
  get bytes(): Uint8Array {
    return (this.#bytes ??= latin1Bytes(this.text));
  }

  /** The run that has this field more; null if it is not known. */
  find(field: Field): Run | null {
    for (const run of this.#known) if (run.field === field) return (this.next = run);
    return null;
  }

  /** The field has come behind the run. */
  learn(field: Field): void {
    if (field.slot < 0 || this.length === LONGEST_RUN) return;
    this.next = new Run(this, field);
    this.#known[this.#oldest] = this.next;
    this.#oldest = (this.#oldest + 1) % MOST_KNOWN;
    if (++learned < MOST_RUNS) return;
    learned = 0;
    noFields = new Run(null, null);
  }
}

const LONGEST_RUN = 8;
const MOST_KNOWN = 4;
/** When so many runs have been learned, all are forgotten: a Date is of no use after its second. */
const MOST_RUNS = 1024;
let learned = 0;
let noFields = new Run(null, null);

/** The longest known run that a list begins with. What comes behind it is learned. */
function runOf(fields: FieldList): Run {
  const { length } = fields;
  let run = noFields;
  for (let i = 0; i < length; i++) {
    const field = fields.at(i);
    let { next } = run;
    if (next === null || next.field !== field) next = run.find(field);
    if (next === null) {
      run.learn(field);
      break;
    }
    run = next;
  }
  return run;
}

/** Writes the lines of all fields. */
export function writeFields(fields: FieldList, output: Output): void {
  if (fields instanceof FieldLines) return output.text(fields.text);
  const run = runOf(fields);
  if (run.length > 0) output.bytes(run.bytes);
  for (let i = run.length; i < fields.length; i++) writeField(fields.at(i), output);
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
  const run = runOf(fields);
  let { text } = run;
  for (let i = run.length; i < fields.length; i++) text += lineOf(fields.at(i));
  return text;
}

function lineOf({ name, value }: Field): string {
  return name + ": " + value + "\r\n";
}
