/** The addition itself: what may come in, and what comes out. Knows nothing of HTTP. */

/** What stands in the way of adding, and where in the input. */
export interface Complaint {
  /** A JSON pointer (RFC 6901) to the value, "" for the whole input. */
  readonly pointer: string;
  readonly detail: string;
}

/** The sum of `val_a` and `val_b`, or everything that is wrong with the input. */
export function add(input: unknown): { sum: number } | { complaints: Complaint[] } {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    return {
      complaints: [{ pointer: "", detail: `must be an object with the numbers val_a and val_b, not ${nameOf(input)}` }],
    };
  }
  const complaints: Complaint[] = [];
  const values = input as Record<string, unknown>;
  for (const name of ["val_a", "val_b"]) {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (typeof value !== "number")
      complaints.push({
        pointer: `/${name}`,
        detail: value === undefined ? "is missing" : `must be a number, not ${nameOf(value)}`,
      });
    else if (!Number.isFinite(value)) complaints.push({ pointer: `/${name}`, detail: "is too large" });
  }
  if (complaints.length > 0) return { complaints };
  const sum = (values["val_a"] as number) + (values["val_b"] as number);
  return Number.isFinite(sum) ? { sum } : { complaints: [{ pointer: "", detail: "the sum is too large" }] };
}

function nameOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}
