/**
 * As node.ts, on Deno: there `latin1Write` and `fill` go byte by byte and take as long as a request, and `Buffer.from` of a text half as
 * long again as its parts.
 */
import type { Buffer } from "node:buffer";

export { encode } from "./bun.ts";

/** Up to so many characters, a loop of our own is quicker than a call. */
const FEW = 48;
const encoder = new TextEncoder();

export function writeLatin1(to: Buffer, at: number, text: string): void {
  const { length } = text;
  // In UTF-8 a character of two bytes leaves no room for all: then they are not all read.
  if (length > FEW && encoder.encodeInto(text, to.subarray(at, at + length)).read === length) return;
  for (let i = 0; i < length; i++) to[at + i] = text.charCodeAt(i);
}

export function move(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  to.set(from.subarray(start, end), at);
}
