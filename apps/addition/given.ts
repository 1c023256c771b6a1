/** Operands as they were given, by their names: before the contract has looked at them. */
import { HTTPError } from "../../src/mod.ts";
import { NAMES } from "./contract.ts";
import { readNumber } from "./numbers.ts";

/** Operands by their names; others may stand beside them. A text that is no number is left as it is. */
export type Given = { readonly [name: string]: unknown };

/**
 * Reads operands from names and values, as a query and a form have them: `val_a=3&val_b=4`.
 * @throws {HTTPError} 400 for one that is given twice
 */
export function readPairs(pairs: URLSearchParams): Given {
  const given: Record<string, unknown> = {};
  for (const name of NAMES) {
    const [text, ...more] = pairs.getAll(name);
    if (more.length > 0) throw givenTwice(name);
    if (text !== undefined) given[name] = readText(text);
  }
  return given;
}

/** `readPairs` of a form (`application/x-www-form-urlencoded`). @throws {HTTPError} 400 for an operand that is given twice */
export function readForm(text: string): Given {
  // URLSearchParams drops a "?" at the beginning, which in a form is part of the first name: it may drop this one.
  return readPairs(new URLSearchParams(`?${text}`));
}

/** Reads operands from the parameters of a path. */
export function readParams(params: ReadonlyMap<string, string>): Given {
  const given: Record<string, unknown> = {};
  for (const name of NAMES) {
    const text = params.get(name);
    if (text !== undefined) given[name] = readText(text);
  }
  return given;
}

/**
 * Puts together what was given in two places.
 * @throws {HTTPError} 400 for an operand that is given in both
 */
export function merge(one: Given, other: Given): Given {
  for (const name of NAMES) if (Object.hasOwn(one, name) && Object.hasOwn(other, name)) throw givenTwice(name);
  return { ...one, ...other };
}

/** Whether both operands are given. */
export function isComplete(given: Given): boolean {
  return NAMES.every((name) => Object.hasOwn(given, name));
}

function readText(text: string): unknown {
  return readNumber(text) ?? text;
}

function givenTwice(name: string): HTTPError {
  return new HTTPError(400, {
    detail: `${name} is given twice: give it once, in the path, the query or the content.`,
  });
}
