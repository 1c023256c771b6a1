/** The parts of a request target (RFC 9112 §3.2), and the parameters in its path. */
import { HTTPError } from "./errors.ts";

/** The names of parameters, and their values in the path, not decoded; undefined for a parameter that the path lacks. */
export type RouteParams = Readonly<Record<string, string | undefined>>;

/** The path of a target, as it was sent: "/a%20b" of "/a%20b?c" and of "http://host/a%20b?c"; "" where it has none. */
export function pathOf(target: string): string {
  const path = withoutQuery(target);
  if (path.startsWith("/")) return path;
  const scheme = /^https?:\/\/[^/]*/i.exec(path); // absolute-form; others (*, host:port) have no path
  return scheme === null ? "" : path.slice(scheme[0].length) || "/";
}

/** The names and values in the query of a target, which follows its first "?". A second "?" is part of a name or value. */
export function readQuery(target: string): URLSearchParams {
  const question = target.indexOf("?");
  // The "?" stays in front: URLSearchParams drops one there, which would otherwise be a second "?" that is part of the first name.
  return new URLSearchParams(question < 0 ? "" : target.slice(question));
}

/**
 * Reads the parameters of a path in which names and values alternate: `/name/value/other/value/`.
 * @throws {HTTPError} 400 for a name without a value, an empty name, a name that occurs twice, a bad escape
 */
export function readPathParams(path: string): Map<string, string> {
  const params = new Map<string, string>();
  let count = 0;
  const end = path.endsWith("/") ? path.length - 1 : path.length;
  for (let at = 1; at <= end;) {
    const slash = path.indexOf("/", at);
    const nameEnd = slash < 0 || slash > end ? end : slash;
    const name = decodePart(path.substring(at, nameEnd));
    if (nameEnd === end) throw badPath(`names and values alternate in it, and "${name}" has no value`);
    const next = path.indexOf("/", nameEnd + 1);
    const valueEnd = next < 0 || next > end ? end : next;
    if (name === "") throw badPath("a name in it is empty");
    params.set(name, decodePart(path.substring(nameEnd + 1, valueEnd)));
    if (params.size !== ++count) throw badPath(`the name "${name}" occurs twice in it`);
    at = valueEnd + 1;
  }
  return params;
}

/** Decodes a part of a path. @throws {HTTPError} 400 for a malformed escape, and for escaped bytes that are not UTF-8 */
export function decodePart(part: string): string {
  if (!part.includes("%")) return part;
  try {
    return decodeURIComponent(part);
  } catch {
    throw badPath(`"${part}" has a bad escape: a % needs two hex digits after it, and the bytes must be UTF-8`);
  }
}

function withoutQuery(target: string): string {
  const question = target.indexOf("?");
  return question < 0 ? target : target.slice(0, question);
}

function badPath(why: string): HTTPError {
  return new HTTPError(400, { detail: `The path cannot be read: ${why}.` });
}
