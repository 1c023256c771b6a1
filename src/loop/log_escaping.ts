/** How lines of the log escape what could forge a line, or hide a part of one. */

/** Matches a line that needs no escapes, as most lines do not. It is quicker than `UNSAFE`. */
const ALL_PLAIN = /^[\x20-\x5b\x5d-\x7e]*$/;
/** Control characters, format characters (such as invisible marks of direction), line separators, lone surrogates, and backslashes. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\\]/gu;

/** Escapes as Python's log_message and its string literals do: a backslash is doubled, others are \x1b, \u2028, \U000e0001. */
export function escapeLine(text: string): string {
  return ALL_PLAIN.test(text) ? text : text.replace(UNSAFE, escapeOne);
}

function escapeOne(character: string): string {
  if (character === "\\") return "\\\\";
  const hex = character.codePointAt(0)!.toString(16);
  if (hex.length <= 2) return `\\x${hex.padStart(2, "0")}`;
  return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
