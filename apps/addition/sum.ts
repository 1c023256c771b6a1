/** Adds two numbers. */
import { validate } from "plinth";
import { type Operand, writeNumber } from "./numbers.ts";
import { Operands, Sum } from "./operands.ts";

/**
 * Adds two numbers, as Python does: two integers exactly, and other pairs as doubles.
 * @returns Infinity or -Infinity for a sum of doubles that is out of range
 */
export function add(a: Operand, b: Operand): Operand {
  return typeof a === "bigint" && typeof b === "bigint" ? a + b : Number(a) + Number(b);
}

/**
 * Checks the input and adds its two numbers.
 * @param input the client's input, which may be any value
 * @returns the sum as `writeNumber` writes it. Rejects with an `HTTPError` 422 for input without two numbers, and for a sum out of range
 */
export async function sumOf(input: unknown): Promise<string> {
  const { val_a, val_b } = await validate(Operands, input);
  return writeNumber(await validate(Sum, add(val_a, val_b)));
}
