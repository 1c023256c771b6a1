/** The parts of a request target (RFC 9112 §3.2), and the parameters that people put in its path. */
import { HTTPError } from "./errors.ts";

/** Names, and what stood for them in the path, not decoded; undefined for one that is not there. */
export type RouteParams = Readonly<Record<string, string | undefined>>;

/** The path of a target, as it was sent: "/a%20b" of "/a%20b?c" and of "http://host/a%20b?c"; "" where it has none. */
export function pathOf(target: string): string {
  const path = withoutQuery(target);
  if (path.startsWith("/")) return path;
  const scheme = /^https?:\/\/[^/]*/i.exec(path); // absolute-form; others (*, host:port) have no path
  return scheme === null ? "" : path.slice(scheme[0].length) || "/";
}

/** The names and values in the query of a target: behind its first "?". A second "?" is part of what it stands in. */
export function readQuery(target: string): URLSearchParams {
  const question = target.indexOf("?");
  // With the "?": URLSearchParams drops one at the beginning, and would drop a second one in its place.
  return new URLSearchParams(question < 0 ? "" : target.slice(question));
}

/**
 * Reads parameters that a path spells out by turns, as `/name/value/other/value/`.
 * @throws {HTTPError} 400 for a name without a value, an empty name, a name twice, a bad escape
 */
export function readPathParams(path: string): Map<string, string> {
  const params = new Map<string, string>();
  let count = 0;
  const end = path.endsWith("/") ? path.length - 1 : path.length;
  for (let at = 1; at <= end;) {
    const slash = path.indexOf("/", at);
    const nameEnd = slash < 0 || slash > end ? end : slash;
    const name = decodePart(path.substring(at, nameEnd));
    if (nameEnd === end) throw badPath(`names and values take turns in it, and "${name}" has no value`);
    const next = path.indexOf("/", nameEnd + 1);
    const valueEnd = next < 0 || next > end ? end : next;
    if (name === "") throw badPath("a name in it is empty");
    params.set(name, decodePart(path.substring(nameEnd + 1, valueEnd)));
    if (params.size !== ++count) throw badPath(`"${name}" stands twice in it`);
    at = valueEnd + 1;
  }
  return params;
}

/** Decodes a part of a path. @throws {HTTPError} 400 for escapes that are none, or whose bytes are not UTF-8 */
export function decodePart(part: string): string {
  if (!part.includes("%")) return part;
  try {
    return decodeURIComponent(part);
  } catch {
    throw badPath(`"${part}" has an escape that stands for nothing (%41 is A; bytes are UTF-8)`);
  }
}

function withoutQuery(target: string): string {
  const question = target.indexOf("?");
  return question < 0 ? target : target.slice(0, question);
}

function badPath(why: string): HTTPError {
  return new HTTPError(400, { detail: `The path cannot be read: ${why}.` });
}
