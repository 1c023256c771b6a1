/** The forms of a request target other than a path (RFC 9112 §3.2), and the Host field's value, which shares their grammar. */
import { latin1 } from "../bytes.ts";
import * as grammar from "../grammar.ts";

const { CLASS, COLON, HEX, REG_NAME } = grammar;

/** The authority of a target in absolute-form or authority-form; null if it has neither form. @param connect the method is CONNECT */
export function authorityOf(target: string, connect: boolean): string | null {
  if (connect) {
    // authority-form: host and port, both (§3.2.3). "A server MUST reject a CONNECT request that targets an empty or invalid
    // port number" (RFC 9110 §9.3.6). `isHost` keeps the colons of an IPv6 address apart from a port's.
    const port = /^.+:([0-9]+)$/.exec(target);
    return port !== null && Number(port[1]) <= 65_535 && isHost(target) ? target : null;
  }
  const scheme = /^https?:\/\//i.exec(target);
  if (scheme === null) return null;
  const rest = target.slice(scheme[0].length);
  const authority = rest.slice(0, rest.search(/[/?]|$/));
  // "a recipient of an http URI with an empty host MUST reject it", and user information is an error (RFC 9110 §4.2)
  return authority !== "" && isHost(authority) && isPath(rest.slice(authority.length)) ? authority : null;
}

/** Whether the path before "?" has none of the characters that only a query may have. The request line's reader has checked all others. */
function isPath(rest: string): boolean {
  const question = rest.indexOf("?");
  const path = question < 0 ? rest : rest.slice(0, question);
  return !/[\\`{}]/.test(path);
}

/** Does the same as `isHost` for bytes[start, end). A plain name or IPv4 address, with or without a port, is checked without a string. */
export function isHostField(bytes: Uint8Array, start: number, end: number): boolean {
  let i = start;
  while (i < end && (CLASS[bytes[i]] & REG_NAME) !== 0 && bytes[i] !== PERCENT) i++;
  if (i > start && i < end && bytes[i] === COLON) {
    i++;
    while (i < end && bytes[i] >= 0x30 && bytes[i] <= 0x39) i++;
  }
  return i === end || isHost(latin1(bytes, start, end));
}

const PERCENT = 0x25;

/**
 * Whether `text` is uri-host [ ":" port ] (RFC 9110 §7.2; RFC 3986 §3.2.2, §3.2.3). True for the empty string, which a client sends if
 * the target has no authority.
 */
export function isHost(text: string): boolean {
  let i = 0;
  if (text.startsWith(":")) return false; // "an empty host identifier" is refused in a URI (RFC 9110 §4.2.1)
  if (text.charCodeAt(0) === 0x5b) {
    const close = text.indexOf("]");
    if (close < 0 || !isIPLiteral(text.slice(1, close))) return false;
    i = close + 1;
  } else {
    for (; i < text.length && text.charCodeAt(i) !== COLON; i++) {
      const c = text.charCodeAt(i);
      if ((CLASS[c & 0xff] & REG_NAME) === 0) return false;
      if (c === PERCENT && !(hex(text, i + 1) && hex(text, i + 2))) return false;
    }
  }
  if (i === text.length) return true;
  if (text.charCodeAt(i) !== COLON) return false;
  for (i++; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 0x30 || c > 0x39) return false;
  }
  return true;
}

function hex(text: string, at: number): boolean {
  return at < text.length && HEX[text.charCodeAt(at) & 0xff] >= 0;
}

/** Whether `text` is an IPv6 address or an IPvFuture (RFC 3986 §3.2.2). Zone identifiers are refused: another machine cannot use them. */
function isIPLiteral(text: string): boolean {
  if (/^v[0-9a-f]+\.[-a-z0-9._~!$&'()*+,;=:]+$/i.test(text)) return true;
  const halves = text.split("::");
  if (halves.length > 2) return false;
  let groups = 0;
  for (let h = 0; h < halves.length; h++) {
    if (halves[h] === "" && halves.length === 2) continue;
    const parts = halves[h].split(":");
    for (let p = 0; p < parts.length; p++) {
      const part = parts[p];
      const last = h === halves.length - 1 && p === parts.length - 1;
      if (last && isIPv4(part)) groups += 2;
      else if (/^[0-9a-f]{1,4}$/i.test(part)) groups += 1;
      else return false;
    }
  }
  return halves.length === 2 ? groups <= 7 : groups === 8;
}

function isIPv4(text: string): boolean {
  return /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/.test(text);
}
