/** From what came in to the text of a sum, or to what is wrong with it. */
import { HTTPError } from "../../src/mod.ts";
import { add } from "./addition.ts";
import { Operands, Sum } from "./contract.ts";
import { writeNumber } from "./numbers.ts";

/** What a contract has against a value, and where. */
interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/**
 * @param input all that came, whatever it is
 * @returns the sum as `writeNumber` writes it
 * @throws {HTTPError} 422 for what is not two numbers, or has no sum
 */
export function sumOf(input: unknown): string {
  const operands = Operands.safeParse(input);
  if (!operands.success) throw unprocessable(operands.error.issues);
  const sum = Sum.safeParse(add(operands.data.val_a, operands.data.val_b));
  if (!sum.success) throw unprocessable(sum.error.issues);
  return writeNumber(sum.data);
}

/** Points at each fault as RFC 9457 §3 does: with a JSON pointer as the fragment of a URI (RFC 6901 §6), "#" being the whole. */
function unprocessable(issues: readonly Issue[]): HTTPError {
  const errors = issues.map(({ path, message }) => ({
    pointer: ["#", ...path.map(String)].join("/"),
    detail: message,
  }));
  const faults = issues.map(
    ({ path, message }) => `${path.length === 0 ? "The input" : path.map(String).join()} ${message}`,
  );
  return new HTTPError(422, { detail: `${faults.join("; ")}.`, problem: { errors } });
}
