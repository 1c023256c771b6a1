/** The shortest way from the content that nearly everybody sends to the sum; others take the long way, to the same one. */
/// <reference types="node" preserve="true" />
import type { Buffer } from "node:buffer";
import { writeDouble } from "./numbers.ts";

/** Longer content is not looked at. */
const MAX_LENGTH = 256;

// With so few digits, the sum of two integers is exact in doubles too, and no double is beyond its range. Minus zero is left out:
// only as a double it has its sign.
const NUMBER = String.raw`(?!-0[^.])(-?(?:0|[1-9][0-9]{0,14})(\.[0-9]{1,20})?)`;
const SPACE = String.raw`[ \t\n\r]*`;
const PLAIN = new RegExp(
  ["^", String.raw`\{`, '"val_a"', ":", NUMBER, ",", '"val_b"', ":", NUMBER, String.raw`\}`, "$"].join(SPACE),
);

/**
 * The sum of content such as `{"val_a": 3, "val_b": 4.5}`: JSON with both numbers in this order, nothing beside them, no exponent
 * and at most 15 digits before the point.
 * @returns the sum as `writeNumber` writes it; null for all other content, be it right or wrong
 */
export function plainSum(content: Buffer): string | null {
  if (content.length > MAX_LENGTH) return null;
  // The expression takes nothing but ASCII, so that no byte needs to be decoded to be refused.
  const match = PLAIN.exec(content.toString("latin1"));
  if (match === null) return null;
  const sum = Number(match[1]) + Number(match[3]);
  return match[2] === undefined && match[4] === undefined ? String(sum) : writeDouble(sum);
}
