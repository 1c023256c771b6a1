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
  const name = type.split(";", 1)[0].trim().toLowerCase();
  if (name === JSON_TYPE) return "json";
  if (name === FORM_TYPE) return "form";
  throw new HTTPError(415, {
    detail: `The content must be ${JSON_TYPE} or ${FORM_TYPE}, not ${quote(type)}.`,
    headers: { Accept: MEDIA_TYPES, "Accept-Query": MEDIA_TYPES },
  });
}

function checkCodings(codings: string): void {
  if (/^(?:identity|[ \t,])*$/i.test(codings)) return;
  throw new HTTPError(415, {
    detail: `The content must not be encoded, as with ${quote(codings)}.`,
    headers: { "Accept-Encoding": "identity" },
  });
}
