/**
 * The character classes of HTTP (RFC 9110 §5.6, RFC 9112, RFC 3986), one table look-up for each byte. Readers of single bytes make local
 * constants (`const { CLASS, CR } = grammar`): the compiler inlines those, and loads imported ones each time.
 */

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const DQUOTE = 0x22;
export const SLASH = 0x2f;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;
export const EQUALS = 0x3d;
export const QUESTION = 0x3f;
export const BACKSLASH = 0x5c;

/** tchar: the bytes of a token (RFC 9110 §5.6.2). */
export const TCHAR = 1;
/** The bytes that the path of a request target may have, without "?". */
export const PATH = 2;
/** The bytes that the query of a request target may have. */
export const QUERY = 4;
/** The bytes that a field value may have: VCHAR, obs-text, SP, HTAB (RFC 9110 §5.5). */
export const VALUE = 8;
/** qdtext: the bytes that a quoted string may have without a backslash (RFC 9110 §5.6.4). */
export const QDTEXT = 16;
/** The bytes of a reg-name, percent signs included (RFC 3986 §3.2.2). */
export const REG_NAME = 32;

/** The classes of each byte, as bits. */
export const CLASS: Uint8Array = new Uint8Array(256);

function mark(bits: number, characters: string): void {
  for (let i = 0; i < characters.length; i++) CLASS[characters.charCodeAt(i)] |= bits;
}

const ALPHA_DIGIT = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const SUB_DELIMS = "!$&'()*+,;=";
const UNRESERVED = ALPHA_DIGIT + "-._~";
mark(TCHAR, ALPHA_DIGIT + "!#$%&'*+-.^_`|~");
mark(PATH, UNRESERVED + SUB_DELIMS + ":@/%"); // pchar and "/"
mark(QUERY, UNRESERVED + SUB_DELIMS + ":@/%?");
// RFC 3986 does not allow these characters, but by the URL standard, every browser sends them as they are. A server that refused them
// could not be reached from a page that filters by `?ids[]=1|2`.
mark(PATH | QUERY, "[]|^");
mark(QUERY, "\\`{}");
mark(REG_NAME, UNRESERVED + SUB_DELIMS + "%");
for (let c = 0; c < 256; c++) {
  if (c === HTAB || (c >= SP && c !== 0x7f)) {
    CLASS[c] |= VALUE;
    if (c !== DQUOTE && c !== BACKSLASH) CLASS[c] |= QDTEXT;
  }
}

/** The value of each hexadecimal digit, -1 for every other byte. */
export const HEX: Int8Array = new Int8Array(256).fill(-1);
for (let v = 0; v < 16; v++) {
  HEX["0123456789abcdef".charCodeAt(v)] = v;
  HEX["0123456789ABCDEF".charCodeAt(v)] = v;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Whether `text` is a token (RFC 9110 §5.6.2). */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** Whether `text` may be sent as a field value or reason phrase: no control characters, one byte a character. */
export function isFieldText(text: string): boolean {
  return VALUE_TEXT.test(text);
}

/** Whether text[start, end) equals `lower`, which must be in lower case, if the case of ASCII letters is ignored. */
export function equalsIgnoringCase(text: string, start: number, end: number, lower: string): boolean {
  if (end - start !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    let c = text.charCodeAt(start + i);
    if (c >= 0x41 && c <= 0x5a) c |= 0x20;
    if (c !== lower.charCodeAt(i)) return false;
  }
  return true;
}
