/** The addition itself. */
import type { Operand } from "./numbers.ts";

/**
 * Adds two numbers, as Python does: integers exactly; with a double, as doubles.
 * @returns infinite where two doubles have a sum beyond their range
 */
export function add(a: Operand, b: Operand): Operand {
  return typeof a === "bigint" && typeof b === "bigint" ? a + b : Number(a) + Number(b);
}
