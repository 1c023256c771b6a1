/** Functions for which each runtime has another quickest way, for Node. package.json's "imports" picks the file. */
import { Buffer } from "node:buffer";

/** A method of Buffer that its declarations lack. It is quicker than `write`, which looks up the encoding by its name. */
interface Latin1Buffer {
  latin1Write(text: string, at: number): number;
}

/** Writes a string of characters up to U+00FF to `to`, from index `at` on, one byte a character. */
export function writeLatin1(to: Buffer, at: number, text: string): void {
  (to as unknown as Latin1Buffer).latin1Write(text, at);
}

/** Encodes a text in UTF-8. */
export function encode(text: string): Buffer {
  return Buffer.from(text, "utf8");
}

/** Copies from[start, end) to `to`, from index `at` on; for many bytes. Either array may be in shared memory. */
export function move(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  // With shared memory, `set` takes ten times as long, unless both arrays have the same alignment.
  if (to instanceof Buffer) to.fill(from.subarray(start, end), at, at + end - start);
  else to.set(from.subarray(start, end), at);
}
