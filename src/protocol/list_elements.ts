/** The elements of list-based fields, such as Accept or X-Forwarded-For (RFC 9110 §5.6.1). */

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

/**
 * Adds the elements of a field value to a list: what stands between its commas, without the white space around it. Commas in quoted
 * strings separate nothing (§5.6.4). Elements that are empty are left out (§5.6.1.2).
 *
 * A quotation mark that no other one closes begins no quoted string: whatever a client has sent, an address that a proxy appends to
 * it is an element of its own.
 * @param value white space around it has been removed
 */
export function addElements(value: string, elements: string[]): void {
  let start = 0;
  let mayQuote = true;
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c === COMMA) {
      addElement(value, start, i, elements);
      start = i + 1;
    } else if (c === QUOTE && mayQuote) {
      const end = endOfString(value, i + 1);
      // Then none behind it is closed either, and is not looked for: the time is linear in the length.
      if (end < 0) mayQuote = false;
      else i = end;
    }
  }
  addElement(value, start, value.length, elements);
}

function addElement(value: string, start: number, end: number, elements: string[]): void {
  while (start < end && isSpace(value.charCodeAt(start))) start++;
  while (start < end && isSpace(value.charCodeAt(end - 1))) end--;
  if (start < end) elements.push(value.substring(start, end));
}

/** Where the quoted string ends that begins before `at`; -1 where it does not. */
function endOfString(value: string, at: number): number {
  for (let i = at; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c === QUOTE) return i;
    if (c === BACKSLASH) i++;
  }
  return -1;
}

/** Optional white space is spaces and tabs (§5.6.3); in particular no 0xA0, which `trim` would take for one. */
function isSpace(c: number): boolean {
  return c === 0x20 || c === 0x09;
}
