/** The forms in which programs may give header fields, in every call that takes some. */
import { quote } from "../quote_value.ts";

/** The value of a header field; an array is several fields of one name. */
export type HeaderValue = string | number | readonly (string | number)[];

/**
 * Header fields to send: an object with their names, or pairs of name and value in any iterable, such as an array, a Map, Headers, or
 * the `headers` of a request. An array of values is one field line for each of them.
 * @example { Location: "/5", "Set-Cookie": ["a=1", "b=2"] }
 * @example new Headers({ Location: "/5" })
 */
export type HeaderFields =
  | Readonly<Record<string, HeaderValue>>
  | Iterable<readonly [name: string, value: HeaderValue]>;

/**
 * Gives each field to `send`, one by one, in order.
 * @throws {TypeError} for a value that is neither an object with names nor pairs
 */
export function eachField(headers: HeaderFields, send: (name: string, value: string | number) => void): void {
  if (isPairs(headers)) {
    for (const pair of headers as Iterable<unknown>) {
      if (!Array.isArray(pair) || pair.length !== 2) {
        throw new TypeError(
          `cannot take ${quote(pair)} as a header field: it must be a pair of name and value, such as ["Link", "</a>"]`,
        );
      }
      const [name, value] = pair as [string, HeaderValue];
      eachValue(name, value, send);
    }
  } else {
    for (const name of Object.keys(headers)) eachValue(name, headers[name], send);
  }
}

/**
 * Makes fields that can be iterated more than once: pairs are copied, since they may come from an iterator.
 * @throws {TypeError} as `eachField`
 */
export function keepFields(headers: HeaderFields): HeaderFields {
  if (!isPairs(headers)) return headers;
  const pairs: [string, string | number][] = [];
  eachField(headers, (name, value) => pairs.push([name, value]));
  return pairs;
}

/** @returns true for pairs, false for an object with names. @throws {TypeError} for anything else */
function isPairs(headers: HeaderFields): headers is Iterable<readonly [string, HeaderValue]> {
  if (typeof headers === "object" && headers !== null) {
    if (Symbol.iterator in headers) return true;
    // A promise, for example, has no names of its own. Without this check its fields would be lost without an error.
    if (Object.prototype.toString.call(headers) === "[object Object]") return false;
  }
  throw new TypeError(
    `cannot take ${describe(headers)} as header fields: give an object such as { Link: "</a>" }, pairs of name and value, or Headers`,
  );
}

function eachValue(name: string, value: HeaderValue, send: (name: string, value: string | number) => void): void {
  if (Array.isArray(value)) for (const element of value as readonly (string | number)[]) send(name, element);
  else send(name, value as string | number);
}

/** Describes a value for an error message: an object by its kind, such as [object Promise]. */
function describe(value: unknown): string {
  return typeof value === "object" && value !== null ? Object.prototype.toString.call(value) : quote(value);
}
