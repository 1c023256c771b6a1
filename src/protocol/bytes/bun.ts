/**
 * The functions of node.ts, for Bun. There, `Buffer.from` of a text takes twice as long as `allocUnsafe` and `utf8Write`, and `copy` is
 * the quickest way for any memory.
 */
import { Buffer } from "node:buffer";

export { writeLatin1 } from "./node.ts";

interface EncodingBuffer {
  utf8Write(text: string, at: number, length: number): number;
}

export function encode(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(length);
  (bytes as unknown as EncodingBuffer).utf8Write(text, 0, length);
  return bytes;
}

export function move(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (from instanceof Buffer) from.copy(to, at, start, end);
  else to.set(from.subarray(start, end), at);
}
