/** The Date field of responses: made once a second, when it changes. */
import { type Field, knownField } from "../protocol/fields.ts";

let last = knownField("Date", "");

/** @param date the value (IMF-fixdate, RFC 9110 §5.6.7) */
export function dateField(date: string): Field {
  if (last.value !== date) last = knownField("Date", date);
  return last;
}
