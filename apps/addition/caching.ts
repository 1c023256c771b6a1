/** What caches may do with a sum (RFC 9111), and the tag by which clients ask whether it has changed (RFC 9110 §8.8.3). */
/// <reference types="node" preserve="true" />
import { createHash } from "node:crypto";

/** Sums do not change; what they look like may, with a new version of this program. In seconds: a day. */
const MAX_AGE = 24 * 60 * 60;

/** The Cache-Control of a sum that the target alone says. */
export const KEEP = `public, max-age=${MAX_AGE}`;

/** The Cache-Control of everything else: a cache keeps a response for its target, which does not say what content said. */
export const DO_NOT_KEEP = "no-store";

/** A strong entity tag: equal for equal contents only. */
export function entityTag(content: string): string {
  return `"${createHash("sha256").update(content).digest("base64url")}"`;
}
