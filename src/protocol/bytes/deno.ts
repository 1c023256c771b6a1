/**
 * The functions of node.ts, for Deno. There, `latin1Write` and `fill` go byte by byte, and can take as long as a whole request.
 * `Buffer.from` of a text takes 1.5 times as long as `allocUnsafe` and `utf8Write`.
 */
import type { Buffer } from "node:buffer";

export { encode } from "./bun.ts";

/** Up to this many characters, a loop is quicker than a call of the encoder. */
const MAX_LOOP = 48;
const encoder = new TextEncoder();

export function writeLatin1(to: Buffer, at: number, text: string): void {
  const { length } = text;
  // If a character takes two bytes in UTF-8, the room is not enough, and the encoder does not read all: then the loop writes them again.
  if (length > MAX_LOOP && encoder.encodeInto(text, to.subarray(at, at + length)).read === length) return;
  for (let i = 0; i < length; i++) to[at + i] = text.charCodeAt(i);
}

export function move(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  to.set(from.subarray(start, end), at);
}
