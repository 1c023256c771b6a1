/** The elements of list-based fields, such as Accept or X-Forwarded-For (RFC 9110 §5.6.1). */

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

/**
 * Splits a field value at its commas, and adds the elements to a list, without the white space around them. Commas in quoted strings do
 * not separate elements (§5.6.4). Empty elements are left out (§5.6.1.2).
 *
 * A quotation mark without a closing one begins no quoted string. So an address that a proxy appends is an element of its own, whatever
 * the client has sent before it.
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
      // No later string is closed either, so none is looked for: the time stays linear in the length.
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

/** The index of the quotation mark that closes the quoted string whose text begins at `at`; -1 if there is none. */
function endOfString(value: string, at: number): number {
  for (let i = at; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c === QUOTE) return i;
    if (c === BACKSLASH) i++;
  }
  return -1;
}

/** Whether a character is optional white space: a space or a tab (§5.6.3). `trim` would remove 0xA0 as well. */
function isSpace(c: number): boolean {
  return c === 0x20 || c === 0x09;
}
