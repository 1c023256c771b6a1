/** Method tokens (RFC 9110 §9.1). */
import { latin1, latin1Bytes } from "./bytes.ts";

/** The methods of most requests. Each is one constant string, so that it need not be made for each request. */
const COMMON_METHODS = ["GET", "POST", "PUT", "HEAD", "QUERY", "PATCH", "DELETE", "OPTIONS"];
const COMMON_METHODS_BYTES = COMMON_METHODS.map(latin1Bytes);

/** Decodes the method in bytes[start, end). */
export function methodOf(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  for (let m = 0; m < COMMON_METHODS.length; m++) {
    const method = COMMON_METHODS_BYTES[m];
    if (method.length !== length || bytes[start] !== method[0]) continue;
    let i = 1;
    while (i < length && bytes[start + i] === method[i]) i++;
    if (i === length) return COMMON_METHODS[m];
  }
  return latin1(bytes, start, end);
}
