/** What lets caches keep an answer, and ask whether it has changed (RFC 9110 §8.8.3 and §13.1.2, RFC 9111). */
/// <reference types="node" preserve="true" />
import { createHash } from "node:crypto";
import type { Fields } from "../../src/mod.ts";

/** Sums do not change; what they look like may, with a new version of this program. In seconds: a day. */
const MAX_AGE = 24 * 60 * 60;

export const CACHE_CONTROL = `public, max-age=${MAX_AGE}`;

/** A strong entity tag: equal for equal contents only. */
export function entityTag(content: string): string {
  return `"${createHash("sha256").update(content).digest("base64url")}"`;
}

/** Whether the client has the content already, by its If-None-Match: a list of entity tags, weak or not, or `*`. */
export function isKnown(headers: Fields, tag: string): boolean {
  const known = headers.getAll("If-None-Match").join(", ");
  if (known === "*") return true;
  // An entity tag may contain a comma, so the list is not split at those.
  return known.match(/"[^"]*"/g)?.some((one) => one === tag) === true;
}
