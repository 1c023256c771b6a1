/** A request's content: the media that it may come in, and the readers of JSON and forms. */
import { type Fields, HTTPError } from "plinth";
import { parse } from "lossless-json";
import { readNumber } from "./numbers.ts";
import { type Given, quote, readPairs } from "./operands.ts";

/** The media that content may come in. */
export type Medium = "json" | "form";

const JSON_TYPE = "application/json";
const FORM_TYPE = "application/x-www-form-urlencoded";

/** The value of Accept and of Accept-Query. Media types are tokens of structured fields too (RFC 10008, RFC 9651 §3.3.4). */
export const MEDIA_TYPES = `${JSON_TYPE}, ${FORM_TYPE}`;

/**
 * The medium of a request's content: JSON where there is no Content-Type.
 * @throws {HTTPError} 415 for another type, and for content that is encoded; 400 for two types
 */
export function mediumOf(headers: Fields): Medium {
  const types = headers.getAll("Content-Type");
  if (types.length > 1) {
    throw new HTTPError(400, { detail: `Content-Type occurs ${types.length} times: content has one type.` });
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
  if (list.split(",").every((coding) => /^(?:identity)?$/i.test(withoutSpace(coding)))) return;
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

// ------------------------------------------------------------------------------------------------------------ forms

/** Reads a form (`application/x-www-form-urlencoded`). @throws {HTTPError} 400 for an operand that is given twice */
export function readForm(text: string): Given {
  // URLSearchParams drops a "?" at the beginning, which in a form is part of the first name: it may drop this one.
  return readPairs(new URLSearchParams(`?${text}`));
}

/**
 * Refuses a form that looks like JSON, and says so: curl sends `-d '{"val_a": 3, "val_b": 4}'` as a form unless it is told otherwise.
 * @param missing the names of the operands that are not given
 * @throws {HTTPError} 422
 */
export function refuseJsonInForm(text: string, missing: readonly string[]): void {
  if (missing.length === 0 || !/^[ \t\r\n]*[{[]/.test(text)) return;
  const complaints = missing.map((name) => `${name}: is missing`).join("; ");
  throw new HTTPError(422, {
    detail: `${complaints}. The content looks like JSON, but its Content-Type says ${FORM_TYPE}: send it with Content-Type: ${JSON_TYPE}.`,
    problem: { errors: missing.map((name) => ({ pointer: `#/${name}`, detail: "is missing" })) },
  });
}

// ------------------------------------------------------------------------------------------------------------- JSON

/** The most levels of nested objects and arrays: with many more, a recursive reader could run out of stack (RFC 8259 §9). */
const MAX_DEPTH = 1000;

/** The parser's own message quotes the mark, which is invisible. A writer must not add it (RFC 8259 §8.1). */
const BYTE_ORDER_MARK = "it begins with a byte order mark (U+FEFF), which must not stand before JSON.";

/**
 * Reads JSON (RFC 8259).
 * @returns the value, its numbers as `readNumber` returns them
 * @throws {HTTPError} 400 for text that is not JSON, for a name that occurs twice in an object, and for nesting of more than 1,000 levels
 */
export function readJson(text: string): unknown {
  try {
    JSON.parse(text);
  } catch (error) {
    throw refuse(text.startsWith("\ufeff") ? BYTE_ORDER_MARK : (error as Error).message);
  }
  checkObjects(text);
  return parse(text, undefined, { parseNumber: readNumber });
}

/**
 * Refuses an object that has a name twice. Readers differ in which of the two values they take (RFC 8259 §4), so a proxy and this server
 * could read two different requests. lossless-json refuses only those whose values differ.
 * @param text well-formed JSON
 */
function checkObjects(text: string): void {
  /** For each object that is open at this position, its names so far; null for an array. */
  const open: (Set<string> | null)[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      const start = at;
      while (text[++at] !== '"') if (text[at] === "\\") at++;
      if (!isName(text, at + 1)) continue;
      const name = JSON.parse(text.slice(start, at + 1)) as string;
      const names = open.at(-1)!;
      if (names.has(name)) throw refuse(`the name ${quote(name)} occurs twice in an object`);
      names.add(name);
    } else if (character === "{" || character === "[") {
      if (open.push(character === "{" ? new Set() : null) > MAX_DEPTH)
        throw refuse(`it is nested more than ${MAX_DEPTH.toLocaleString("en")} deep`);
    } else if (character === "}" || character === "]") {
      open.pop();
    }
  }
}

/** Whether the string that ends at `end` is a name: only names are followed by a colon. */
function isName(text: string, end: number): boolean {
  COLON.lastIndex = end;
  return COLON.test(text);
}

const COLON = /[ \t\n\r]*:/y;

function refuse(why: string): HTTPError {
  return new HTTPError(400, {
    detail: `The content cannot be read as JSON, such as {"val_a": 3, "val_b": 4}: ${why}`,
  });
}
