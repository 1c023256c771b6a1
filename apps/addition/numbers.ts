/** Reads and writes numbers. A number with a decimal point or an exponent is a double. Any other number is an integer of any size. */

/** An operand, or a sum: a bigint is an integer, a number is a double. */
export type Operand = bigint | number;

/** The syntax of a number in every medium: that of JSON (RFC 8259 §6). */
const NUMBER = /^-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;

/**
 * Reads a number, as Python's `json.loads` does: an integer exactly, anything else as the nearest double.
 * @returns Infinity or -Infinity for a double out of range; undefined for a text that is not a number, such as `+3`, `.5` or `007`
 */
export function readNumber(text: string): Operand | undefined {
  const match = NUMBER.exec(text);
  if (match === null) return undefined;
  return match[1] === undefined && match[2] === undefined ? BigInt(text) : Number(text);
}

/**
 * Writes a number so that a reader can tell its type. A double has a decimal point or an exponent, and the fewest digits that distinguish
 * it from other doubles. `7n` is 7, `7` is 7.0, `-0` is -0.0, `1e21` is 1e+21.
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
