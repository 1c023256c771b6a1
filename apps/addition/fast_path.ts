/** Adds the content that nearly every client sends in one step. All other content takes the steps of content.ts, operands.ts and sum.ts. */
/// <reference types="node" preserve="true" />
import type { Buffer } from "node:buffer";
import { writeDouble } from "./numbers.ts";

/** Longer content is not tried. In bytes. */
const MAX_LENGTH = 256;

// At most 15 digits before the point: so the sum of two integers is exact as a double, and no double is beyond its range. The integer -0
// is left out, because a double would keep its sign.
const NUMBER = String.raw`(?!-0[^.])(-?(?:0|[1-9][0-9]{0,14})(\.[0-9]{1,20})?)`;
const SPACE = String.raw`[ \t\n\r]*`;
const PLAIN = new RegExp(
  ["^", String.raw`\{`, '"val_a"', ":", NUMBER, ",", '"val_b"', ":", NUMBER, String.raw`\}`, "$"].join(SPACE),
);

/**
 * The sum of content such as `{"val_a": 3, "val_b": 4.5}`: JSON with both numbers in this order, nothing beside them, no exponent
 * and at most 15 digits before the point.
 * @returns the sum as `writeNumber` writes it; null for all other content, valid or not
 */
export function plainSum(content: Buffer): string | null {
  if (content.length > MAX_LENGTH) return null;
  // The expression matches ASCII only, so the bytes need no decoding as UTF-8.
  const match = PLAIN.exec(content.toString("latin1"));
  if (match === null) return null;
  const sum = Number(match[1]) + Number(match[3]);
  return match[2] === undefined && match[4] === undefined ? String(sum) : writeDouble(sum);
}
