/** Numbers as texts have them: whole ones are integers of any size, those with a decimal point or an exponent are doubles. */

/** What is added: a bigint is an integer, a number is a double. */
export type Operand = bigint | number;

/** A number in every medium is what JSON says that a number is (RFC 8259 §6). */
const NUMBER = /^-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;

/**
 * Reads a number, as Python's `json.loads` does: an integer exactly, anything else as the nearest double.
 * @returns infinite where the text says more than the greatest double; undefined for what is no number, such as `+3`, `.5` or `007`
 */
export function readNumber(text: string): Operand | undefined {
  const match = NUMBER.exec(text);
  if (match === null) return undefined;
  return match[1] === undefined && match[2] === undefined ? BigInt(text) : Number(text);
}

/**
 * Writes a number so that it is read as what it is: a double has a decimal point or an exponent, and the fewest digits that
 * tell it from other doubles. `7n` is 7, `7` is 7.0, `-0` is -0.0, `1e21` is 1e+21.
 */
export function writeNumber(value: Operand): string {
  return typeof value === "bigint" ? String(value) : writeDouble(value);
}

/** `writeNumber` for a double. */
export function writeDouble(value: number): string {
  if (Object.is(value, -0)) return "-0.0";
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}
