/** What Buffer does best in one way here and in another elsewhere: on Node. package.json's "imports" picks the file. */
import { Buffer } from "node:buffer";

/** What Buffers have for one encoding, and their declarations do not: it spares looking the encoding up by its name. */
interface Latin1Buffer {
  latin1Write(text: string, at: number): number;
}

/** Writes a string of characters up to U+00FF at `at`, one byte a character. */
export function writeLatin1(to: Buffer, at: number, text: string): void {
  (to as unknown as Latin1Buffer).latin1Write(text, at);
}

/** The bytes of a text in UTF-8. */
export function encode(text: string): Buffer {
  return Buffer.from(text, "utf8");
}

/** Copies many bytes, from[start, end) to `to`, from index `at` on; either may be memory that threads share. */
export function move(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  // `set` takes ten times as long with shared memory, unless both are aligned alike.
  if (to instanceof Buffer) to.fill(from.subarray(start, end), at, at + end - start);
  else to.set(from.subarray(start, end), at);
}
