/** The functions of Buffer that the protocol layer needs. All other code there works on plain Uint8Arrays. */
/// <reference types="node" preserve="true" />
import { Buffer } from "node:buffer";
import { move, writeLatin1 } from "#buffer";

export { encode, writeLatin1 } from "#buffer";

/** A method of Buffer that its declarations lack. It is quicker than `toString`, which looks up the encoding by its name. */
interface Latin1Buffer {
  latin1Slice(start: number, end: number): string;
}

/** bytes[start, end) as a string, one character a byte (ISO-8859-1). */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  // Views made by the transports are Buffers already; anything else gets the methods of one without a copy.
  const buffer = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return (buffer as unknown as Latin1Buffer).latin1Slice(start, end);
}

/** Allocates memory that is not zeroed, and is no slice of Node's pool. */
export function allocate(size: number): Buffer {
  return Buffer.allocUnsafeSlow(size);
}

/** Encodes a text of characters up to U+00FF, one byte a character. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = allocate(text.length);
  writeLatin1(bytes, 0, text);
  return bytes;
}

/** Copies all of `from` to `to`, from index `at` on. `set` needs no view of a whole array, so it pays for shorter arrays than in `copy`. */
export function copyAll(from: Uint8Array, to: Uint8Array, at: number): void {
  const n = from.length;
  if (n <= 24) for (let i = 0; i < n; i++) to[at++] = from[i];
  else if (n < 512) to.set(from, at);
  else copy(from, 0, n, to, at);
}

/** Copies from[start, end) to `to`, from index `at` on. */
export function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  const n = end - start;
  // A view costs more than a short loop.
  if (n <= 48) for (let i = start; i < end; i++) to[at++] = from[i];
  else if (n >= 512) move(from, start, end, to, at);
  else to.set(from.subarray(start, end), at);
}
