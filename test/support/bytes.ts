// Bytes as tests write them, and the ways in which a network may cut them up.
import { Buffer } from "node:buffer";

/** How bytes arrive: in one piece, one by one, or cut before each of the places given. */
export type Split = "whole" | "bytes" | readonly number[];

/** The bytes of a string, one a character (ISO-8859-1). */
export function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

/** The opposite of `bytes`. */
export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** The end of each piece of `length` bytes, the last one being `length`. */
export function ends(length: number, split: Split): number[] {
  if (split === "whole") return [length];
  if (split === "bytes") return Array.from({ length }, (_, i) => i + 1);
  const inside = split.filter((at) => at > 0 && at < length);
  return [...new Set([...inside, length])].sort((a, b) => a - b);
}

/**
 * Drives a reader that takes (bytes, base, end) and can be resumed. At every piece the bytes lie in another buffer at another
 * place, and behind their end stands what the reader would trip over if it looked.
 * @returns what the reader returned first that was not 0 ("more bytes"), else 0
 */
export function readPieces(
  data: Uint8Array,
  split: Split,
  read: (bytes: Uint8Array, base: number, end: number) => number,
): number {
  let base = 0;
  for (const end of ends(data.length, split)) {
    const buffer = Buffer.alloc(base + data.length + 4, "\n");
    buffer.set(data.subarray(0, end), base);
    const result = read(buffer, base, base + end);
    if (result !== 0) return result;
    base = (base * 5 + 3) % 11;
  }
  return 0;
}
