/** Reads content as text and as JSON, and checks values with a schema. Faults of clients become 400 and 422. */
import { HTTPError } from "./errors.ts";
import type { StandardIssue, StandardSchemaV1 } from "./standard_schema.ts";

/** The most faults that a response lists: content may have thousands, and the response should not be many times larger than the content. */
const MOST_ERRORS = 20;

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

/**
 * Checks a value with a schema, as `this.json(schema)` does. Use it for values that do not come from JSON content, such as those of a query,
 * a path or a form.
 * @param schema any Standard Schema (zod, valibot, arktype …)
 * @param value the value to check
 * @returns the value as the schema returns it, which may have changed it. Rejects with an `HTTPError` 422 for a value that does not match.
 *   Its problem document (RFC 9457) has up to 20 `errors`, each with a `detail` and a `pointer`, a JSON pointer (RFC 6901) to the wrong part
 */
export async function validate<Output>(schema: StandardSchemaV1<unknown, Output>, value: unknown): Promise<Output> {
  const result = await schema["~standard"].validate(value);
  if (result.issues === undefined) return result.value;
  // A validator may return an array of its own class, whose constructor takes something else than a length (arktype). Its own `map` and
  // `slice` would call that constructor, so the issues are copied to a plain array.
  const issues = Array.from(result.issues);
  const errors = issues.slice(0, MOST_ERRORS).map((issue) => ({ pointer: pointerOf(issue), detail: issue.message }));
  const detail = errors.map(({ pointer, detail }) => (pointer === "#" ? detail : `${pointer.slice(2)}: ${detail}`));
  if (issues.length > MOST_ERRORS) detail.push(`and ${issues.length - MOST_ERRORS} more`);
  throw new HTTPError(422, { detail: `${detail.join("; ")}.`, problem: { errors } });
}

function pointerOf({ path }: StandardIssue): string {
  let pointer = "#";
  for (const segment of Array.from<unknown>(path ?? [])) {
    const key = typeof segment === "object" && segment !== null ? (segment as { key?: unknown }).key : segment;
    // JSON has no name for a symbol or a member of a Set. The pointer then ends at the value that contains it.
    if (typeof key !== "string" && typeof key !== "number") break;
    pointer += `/${encodeURIComponent(escapeKey(String(key)))}`;
  }
  return pointer;
}

/** Escapes a name for a pointer (RFC 6901 §3). A lone surrogate is replaced, since encodeURIComponent would throw. */
function escapeKey(key: string): string {
  return key
    .replaceAll("~", "~0")
    .replaceAll("/", "~1")
    .replace(/[\ud800-\udfff]/gu, "\ufffd");
}
