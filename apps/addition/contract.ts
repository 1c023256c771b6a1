/** What may be added: the one contract for all operands, in whichever way they came. Knows nothing of HTTP. */
import { z } from "./zod.ts";
import { quote } from "./quote.ts";

/** As many as Python reads, which bounds the time that reading and writing an integer takes (`sys.set_int_max_str_digits`). */
const MAX_DIGITS = 4300;
const TOO_LONG = `has more than ${MAX_DIGITS.toLocaleString("en")} digits`;
const TOO_GREAT = "is beyond the range of a double";

const beyond = 10n ** BigInt(MAX_DIGITS);
const Integer = z.bigint().gt(-beyond, TOO_LONG).lt(beyond, TOO_LONG);
const Double = z.number(); // which takes no infinite one
const Operand = z.union([Integer, Double], { error: ({ input }) => complaintAbout(input) });

/** A bigint is an integer, a number is a double; other names are ignored. */
export const Operands = z
  .object(
    { val_a: Operand, val_b: Operand },
    { error: ({ input }) => `must be an object with the numbers val_a and val_b, not ${nameOf(input)}` },
  )
  .check(({ value, issues }) => {
    if (issues.length > 0) return; // of one operand, one complaint
    for (const [name, other] of [
      ["val_a", "val_b"],
      ["val_b", "val_a"],
    ] as const) {
      const input = value[name];
      if (typeof input === "bigint" && typeof value[other] === "number" && !Number.isFinite(Number(input))) {
        issues.push({ code: "custom", input, path: [name], message: `${TOO_GREAT}, which ${other} is` });
      }
    }
  });

/** The names of the operands. */
export const NAMES = Object.keys(Operands.shape) as readonly (keyof typeof Operands.shape)[];

/** What comes out: any integer, and a double that is one. */
export const Sum = z.union([z.bigint(), Double], { error: `has a sum that ${TOO_GREAT}` });

function complaintAbout(input: unknown): string {
  if (input === undefined) return "is missing";
  if (typeof input === "number") return TOO_GREAT;
  return `must be a number, such as 3, -0.5 or 1e3, not ${nameOf(input)}`;
}

function nameOf(value: unknown): string {
  if (typeof value === "string") return quote(value);
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "object") return Array.isArray(value) ? "an array" : "an object";
  return "a number";
}
