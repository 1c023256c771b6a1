/** The media that content may come in. */
import { type Fields, HTTPError } from "../../src/mod.ts";
import { quote } from "./quote.ts";

export type Medium = "json" | "form";

const JSON_TYPE = "application/json";
const FORM_TYPE = "application/x-www-form-urlencoded";

/** What Accept and Accept-Query say. Media types are tokens of structured fields too (RFC 10008, RFC 9651 §3.3.4). */
export const MEDIA_TYPES = `${JSON_TYPE}, ${FORM_TYPE}`;

/**
 * Says how content is to be read; as JSON where that is not said.
 * @throws {HTTPError} 415 for another type, and for content that is encoded; 400 for two types
 */
export function mediumOf(headers: Fields): Medium {
  const types = headers.getAll("Content-Type");
  if (types.length > 1) {
    throw new HTTPError(400, { detail: `Content-Type stands ${types.length} times: content has one type.` });
  }
  if (headers.has("Content-Encoding")) checkCodings(headers.getAll("Content-Encoding").join());
  const [type = JSON_TYPE] = types;
  if (type === JSON_TYPE) return "json";
  const name = withoutSpace(type.split(";", 1)[0]).toLowerCase();
  if (name === JSON_TYPE) return "json";
  if (name === FORM_TYPE) return "form";
  throw new HTTPError(415, {
    detail: `The content must be ${JSON_TYPE} or ${FORM_TYPE}, not ${quote(type)}.`,
    headers: { Accept: MEDIA_TYPES, "Accept-Query": MEDIA_TYPES },
  });
}

/** Content-Encoding is a list of codings (RFC 9110 §8.4), whose names are compared without regard to case (§8.4.1). */
function checkCodings(list: string): void {
  // A list may have empty elements (§5.6.1.2).
  if (list.split(",").every((one) => /^(?:identity)?$/i.test(withoutSpace(one)))) return;
  throw new HTTPError(415, {
    detail: `The content must not be encoded, as with ${quote(list)}.`,
    headers: { "Accept-Encoding": "identity" },
  });
}

/** Without the white space that may stand around an element (OWS, RFC 9110 §5.6.3). `trim` would take no-break spaces, too. */
function withoutSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (isSpace(text[start])) start++;
  while (end > start && isSpace(text[end - 1])) end--;
  return text.slice(start, end);
}

function isSpace(character: string | undefined): boolean {
  return character === " " || character === "\t";
}
