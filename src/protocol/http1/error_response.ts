/** The response that a connection sends by itself, to a request whose head cannot be read: a problem document (RFC 9457). */
import { encode } from "../bytes.ts";
import type { ProtocolError } from "../errors.ts";
import type { SendBuffer } from "../send_buffer.ts";
import { ERROR_CACHING, reasonOf } from "../status.ts";

/** @param headOnly the request was a HEAD, as far as can be told */
export function writeErrorResponse(output: SendBuffer, error: ProtocolError, date: string, headOnly: boolean): void {
  const { status, code, message } = error;
  const title = reasonOf(status);
  const content = encode(JSON.stringify({ title, status, detail: message, code }) + "\n");
  output.text(
    `HTTP/1.1 ${status} ${title}\r\nDate: ${date}\r\nContent-Type: application/problem+json\r\n` +
      `Cache-Control: ${ERROR_CACHING}\r\nContent-Length: ${content.length}\r\nConnection: close\r\n\r\n`,
  );
  if (!headOnly) output.bytes(content);
}
