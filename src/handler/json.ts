/** Reads content as text and as JSON. Faults of clients become 400. */
import { HTTPError } from "./errors.ts";

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes UTF-8 strictly, as `this.text()` does: for a handler that has the content of its request as bytes. A byte order mark at the
 * beginning is kept: it is a character of the text.
 * @param content the bytes of the whole content
 * @throws {HTTPError} 400 for bytes that are not UTF-8
 */
export function decodeText(content: Uint8Array): string {
  try {
    return UTF8.decode(content);
  } catch {
    const isMarked = (content[0] === 0xff && content[1] === 0xfe) || (content[0] === 0xfe && content[1] === 0xff);
    const why = isMarked ? ": it begins with the byte order mark of UTF-16" : "";
    throw new HTTPError(400, { detail: `The content is not UTF-8${why}.` });
  }
}

/** @throws {HTTPError} 400 for text that is not JSON (RFC 8259) */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    // A reader may ignore the mark, and a writer must not add it (RFC 8259 §8.1). The parser's own message quotes the mark, which is
    // invisible.
    const why = text.startsWith("\ufeff")
      ? "it begins with a byte order mark (U+FEFF), which must not stand before JSON."
      : (error as Error).message;
    throw new HTTPError(400, { detail: `The content is not JSON: ${why}` });
  }
}
