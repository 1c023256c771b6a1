/**
 * Checks values with a schema of the user's, from any validator that has the Standard Schema (zod, valibot, arktype …). A value that does
 * not match is a 422.
 */
import { HTTPError } from "./errors.ts";

/** A schema that checks a value and gives it its type. @source https://standardschema.dev */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  /** The members that all validators have. `validate` returns the value, which the schema may have changed, or its issues. */
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** The value, or everything that is wrong with it. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

/** One thing that is wrong with a value. */
export interface StandardIssue {
  /** What is wrong, for people. */
  readonly message: string;
  /** The names and indexes that lead from the whole value to the wrong part; none if the whole value is wrong. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The most faults that a response lists: content may have thousands, and the response should not be many times larger than the content. */
const MOST_ERRORS = 20;

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
