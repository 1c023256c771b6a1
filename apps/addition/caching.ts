/**
 * What caches may do with a sum (RFC 9111), the tag by which clients ask whether it has changed (RFC 9110 §8.8.3), and the
 * preconditions in which they name that tag: `If-Match` and `If-None-Match` (RFC 9110 §13).
 */
/// <reference types="node" preserve="true" />
import { createHash } from "node:crypto";

/** Sums do not change, but a new version of this program may write them differently. In seconds: a day. */
const MAX_AGE = 24 * 60 * 60;

/** The Cache-Control of a sum that depends on the target alone. */
export const KEEP = `public, max-age=${MAX_AGE}`;

/** The Cache-Control of every other response: a cache keeps a response for its target, whatever the content of the request was. */
export const DO_NOT_KEEP = "no-store";

/** A strong entity tag: equal for equal contents only. */
export function entityTag(content: string): string {
  return `"${createHash("sha256").update(content).digest("base64url")}"`;
}

/**
 * Evaluates the preconditions of a request that would be a success without them, in the order of RFC 9110 §13.2.2. There is no date
 * at which a sum was modified, so `If-Unmodified-Since` and `If-Modified-Since` are ignored (§13.1.4, §13.1.3).
 * @param ifMatch the field lines of `If-Match`
 * @param ifNoneMatch those of `If-None-Match`
 * @param tag the strong entity tag of the target's current representation; null where there is none
 * @returns the status of the response: 412, or 304 to a client that has the representation; null where the request is carried out
 */
export function failedPrecondition(
  method: string,
  ifMatch: readonly string[],
  ifNoneMatch: readonly string[],
  tag: string | null,
): 304 | 412 | null {
  // By the strong comparison, a weak tag is not equal to any other (§13.1.1, §8.8.3.2).
  if (ifMatch.length > 0 && !isNamed(tag, ifMatch, (named) => named)) return 412;
  // By the weak comparison, a weak tag is equal to the strong one that says the same (§13.1.2).
  if (ifNoneMatch.length === 0 || !isNamed(tag, ifNoneMatch, (named) => named.replace(/^W\//, ""))) return null;
  return method === "GET" || method === "HEAD" ? 304 : 412;
}

/** Whether field lines name a tag: `*` names every tag there is, a malformed list none. */
function isNamed(tag: string | null, lines: readonly string[], comparable: (named: string) => string): boolean {
  if (tag === null) return false;
  const value = lines.join();
  return value === "*" || readTags(value).some((named) => comparable(named) === tag);
}

/** An element of a list, which may be empty (§5.6.1.2), and the comma or the end behind it. An entity tag may contain commas (§8.8.3). */
const ELEMENT = /[ \t]*(?:((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*)?(?:,|$)/y;

/** The entity tags in a list; none at all where the list is malformed. */
function readTags(list: string): string[] {
  const tags: string[] = [];
  for (let at = 0; at < list.length; at = ELEMENT.lastIndex) {
    ELEMENT.lastIndex = at;
    const element = ELEMENT.exec(list);
    if (element === null) return [];
    if (element[1] !== undefined) tags.push(element[1]);
  }
  return tags;
}
