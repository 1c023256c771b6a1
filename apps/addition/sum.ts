/** The addition itself. */
import { validate } from "plinth";
import { type Operand, writeNumber } from "./numbers.ts";
import { Operands, Sum } from "./operands.ts";

/**
 * Adds two numbers, as Python does: integers exactly; with a double, as doubles.
 * @returns infinite where two doubles have a sum beyond their range
 */
export function add(a: Operand, b: Operand): Operand {
  return typeof a === "bigint" && typeof b === "bigint" ? a + b : Number(a) + Number(b);
}

/**
 * Checks the input and adds its two numbers.
 * @param input all that a client gave, whatever it is
 * @returns the sum as `writeNumber` writes it. Rejects with an `HTTPError` 422 for what is not two numbers, or has no sum
 */
export async function sumOf(input: unknown): Promise<string> {
  const { val_a, val_b } = await validate(Operands, input);
  return writeNumber(await validate(Sum, add(val_a, val_b)));
}
