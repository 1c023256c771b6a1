/** The response to a request whose head is malformed, which no handler can send: a problem document (RFC 9457). */
import { encode } from "../bytes.ts";
import type { ProtocolError } from "../errors.ts";
import type { SendBuffer } from "../send_buffer.ts";
import type { OwnLine } from "./settings.ts";
import { ERROR_CACHING, reasonOf } from "../status.ts";

/**
 * Writes the response.
 * @param ownLines the field lines that each response of the connection has
 * @param headOnly whether the request's method, as far as it was read, is HEAD: its response has no content
 */
export function writeErrorResponse(
  output: SendBuffer,
  error: ProtocolError,
  date: string,
  ownLines: readonly OwnLine[],
  headOnly: boolean,
): void {
  const { status, code, message } = error;
  const title = reasonOf(status);
  const content = encode(JSON.stringify({ title, status, detail: message, code }) + "\n");
  output.text(`HTTP/1.1 ${status} ${title}\r\nDate: ${date}\r\n`);
  for (const line of ownLines) output.bytes(line.bytes);
  output.text(
    "Content-Type: application/problem+json\r\n" +
      `Cache-Control: ${ERROR_CACHING}\r\nContent-Length: ${content.length}\r\nConnection: close\r\n\r\n`,
  );
  if (!headOnly) output.bytes(content);
}
