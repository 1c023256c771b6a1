/** All that the protocol layer needs of Buffer. Everything else works on plain Uint8Arrays. */
/// <reference types="node" preserve="true" />
import { Buffer } from "node:buffer";
import { move, writeLatin1 } from "#buffer";

export { encode, writeLatin1 } from "#buffer";

/** What Buffers have for one encoding, and their declarations do not: it spares looking the encoding up by its name. */
interface Latin1Buffer {
  latin1Slice(start: number, end: number): string;
}

/** bytes[start, end) as a string, one character a byte (ISO-8859-1). */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  // Views made by the transports are Buffers already; anything else gets the methods of one without a copy.
  const buffer = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return (buffer as unknown as Latin1Buffer).latin1Slice(start, end);
}

/** Memory that is not zeroed, of its own (not a slice of a shared pool). */
export function allocate(size: number): Buffer {
  return Buffer.allocUnsafeSlow(size);
}

/** The bytes of a text of characters up to U+00FF, one a character. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = allocate(text.length);
  writeLatin1(bytes, 0, text);
  return bytes;
}

/** Copies all of `from` to `to`, from index `at` on: a whole array needs no view, and so `set` pays sooner than in `copy`. */
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
