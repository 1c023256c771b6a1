/** How error messages quote a value. */

/** Shows a value in an error message: a string in quotes, a BigInt with its n, an object by its kind. At most 80 characters of it. */
export function quote(value: unknown): string {
  const text =
    typeof value === "string"
      ? JSON.stringify(value)
      : typeof value === "object" && value !== null
        ? `an ${Array.isArray(value) ? "array" : "object"}`
        : typeof value === "bigint"
          ? `${value}n`
          : String(value);
  return text.length > 80 ? text.slice(0, 80) + "…" : text;
}
