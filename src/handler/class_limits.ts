/** The limits for content that a handler class has as static members, in place of its server's: their checks, and the 413 of one. */
import { BYTES, checkNumber } from "../option_checks.ts";
import { BODY_TOO_LARGE } from "../protocol/errors.ts";
import type { Exchange } from "../protocol/exchange.ts";
import { type BodyLimits, LIMIT_RULES } from "../protocol/limits.ts";
import { HTTPError } from "./errors.ts";
import type { RequestHandlerClass } from "./handler.ts";
import { nameOf } from "./handler_methods.ts";

/**
 * The limits of a class; null where it has none of its own.
 * @param limits the server's, which hold where the class says nothing
 * @throws {TypeError} or {RangeError} for a static limit that is not such a number
 */
export function classLimitsOf(Handler: RequestHandlerClass, limits: BodyLimits): BodyLimits | null {
  const own = {
    maxBodySize: numberOf(Handler, "maxBodySize") ?? limits.maxBodySize,
    minBodyRate: numberOf(Handler, "minBodyRate") ?? limits.minBodyRate,
    bodyTimeout: numberOf(Handler, "bodyTimeout") ?? limits.bodyTimeout,
  };
  return Object.keys(own).some((name) => name in Handler) ? own : null;
}

/** The `static bufferedBody` of a class, in bytes; -1 where it has none. Throws as `classLimitsOf`. */
export function bufferedBodyOf(Handler: RequestHandlerClass): number {
  return numberOf(Handler, "bufferedBody") ?? -1;
}

/** The value of a static member; undefined where a class has none. @throws {TypeError} or {RangeError} for a value out of range */
function numberOf(Handler: RequestHandlerClass, name: "bufferedBody" | keyof BodyLimits): number | undefined {
  const value: unknown = Handler[name];
  if (value === undefined) return undefined;
  return checkNumber(`${nameOf(Handler)}'s ${name}`, value, name === "bufferedBody" ? BYTES : LIMIT_RULES[name]);
}

/**
 * Refuses content whose Content-Length exceeds the limit, before any of it is read.
 * @throws {HTTPError} 413: the response that content in chunks gets as well, when it exceeds the limit
 */
export function checkBodySize(exchange: Exchange, { maxBodySize }: BodyLimits): void {
  if (exchange.bodyLength <= maxBodySize) return;
  exchange.closeConnection(); // as after chunks that exceed the limit, even if little content is left to drop
  const { status, code, message } = BODY_TOO_LARGE;
  throw new HTTPError(status, { detail: message, problem: { code } });
}
