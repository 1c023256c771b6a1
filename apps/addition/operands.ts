/** The two numbers to add: reads them from a request's path, query or form, and checks them. */
import { type BaseHTTPRequestHandler, HTTPError } from "plinth";
import { readNumber } from "./numbers.ts";
import { z } from "./zod.ts";

/** The most digits of an integer, as in Python (`sys.set_int_max_str_digits`). More digits would take long to read and write. */
const MAX_DIGITS = 4300;
const TOO_LONG = `has more than ${MAX_DIGITS.toLocaleString("en")} digits`;
const TOO_GREAT = "is beyond the range of a double";

const beyond = 10n ** BigInt(MAX_DIGITS);
const Integer = z.bigint().gt(-beyond, TOO_LONG).lt(beyond, TOO_LONG);
const Double = z.number(); // Infinity does not match
const Operand = z.union([Integer, Double], { error: ({ input }) => complaintAbout(input) });

/** The schema of the input. A bigint is an integer, a number is a double. Other names in the object are ignored. */
export const Operands = z
  .object(
    { val_a: Operand, val_b: Operand },
    { error: ({ input }) => `The input must be an object with the numbers val_a and val_b, not ${nameOf(input)}` },
  )
  .check(({ value, issues }) => {
    if (issues.length > 0) return; // one complaint about an operand is enough
    for (const [name, other] of [
      ["val_a", "val_b"],
      ["val_b", "val_a"],
    ] as const) {
      const input = value[name];
      if (typeof input === "bigint" && typeof value[other] === "number" && !Number.isFinite(Number(input))) {
        issues.push({ code: "custom", input, path: [name], message: `${TOO_GREAT}, which ${other} is` });
      }
    }
  });

/** A sum: any integer, or a finite double. */
export const Sum = z.union([z.bigint(), Double], { error: `The sum ${TOO_GREAT}` });

/** The names of the operands. */
const NAMES = Object.keys(Operands.shape) as readonly (keyof typeof Operands.shape)[];

function complaintAbout(input: unknown): string {
  if (input === undefined) return "is missing";
  if (typeof input === "number") return TOO_GREAT;
  return `must be a number, such as 3, -0.5 or 1e3, not ${nameOf(input)}`;
}

function nameOf(value: unknown): string {
  if (typeof value === "string") return quote(value);
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "object") return Array.isArray(value) ? "an array" : "an object";
  return "a number";
}

/** The most characters of a client's own text that a response quotes. */
const MAX_QUOTED = 40;

/** Quotes text that a client sent, and cuts it after 40 characters. */
export function quote(text: string): string {
  return text.length > MAX_QUOTED ? `${JSON.stringify(text.slice(0, MAX_QUOTED))}…` : JSON.stringify(text);
}

// ------------------------------------------------------------------------------------------------------------ given

/** Operands by their names, not checked yet by `Operands`. Other names may be among them. A text that is not a number is kept as text. */
export type Given = { readonly [name: string]: unknown };

/**
 * Reads operands from names and values, as a query and a form have them: `val_a=3&val_b=4`.
 * @throws {HTTPError} 400 for an operand that is given twice
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

/** Reads operands from the parameters of a path. */
function readParams(params: ReadonlyMap<string, string>): Given {
  const given: Record<string, unknown> = {};
  for (const name of NAMES) {
    const text = params.get(name);
    if (text !== undefined) given[name] = readText(text);
  }
  return given;
}

/**
 * Merges the operands that were given in two places.
 * @throws {HTTPError} 400 for an operand that is given in both
 */
export function merge(first: Given, second: Given): Given {
  for (const name of NAMES) if (Object.hasOwn(first, name) && Object.hasOwn(second, name)) throw givenTwice(name);
  return { ...first, ...second };
}

/** The names of the operands that are not given. */
export function missingFrom(given: Given): readonly string[] {
  return NAMES.filter((name) => !Object.hasOwn(given, name));
}

/** Whether both operands are given. */
export function isComplete(given: Given): boolean {
  return missingFrom(given).length === 0;
}

function readText(text: string): unknown {
  return readNumber(text) ?? text;
}

function givenTwice(name: string): HTTPError {
  return new HTTPError(400, {
    detail: `${name} is given twice: give it once, in the path, the query or the content.`,
  });
}

// ----------------------------------------------------------------------------------------------------------- target

/** The operands in a request target: `/val_a/3/val_b/4/`, `/?val_a=3&val_b=4`. */
export interface Target {
  /** The operands in the path and the query. */
  readonly given: Given;
  /** The path or the query has operands. */
  readonly hasOperands: boolean;
  /** The path is neither "/" nor a path of operands. */
  readonly isElsewhere: boolean;
}

/** The target "/". */
export const ROOT: Target = { given: {}, hasOperands: false, isElsewhere: false };

/** @throws {HTTPError} 400 for an operand that is given twice, and for a path of operands that cannot be read */
export function readTarget(request: BaseHTTPRequestHandler): Target {
  const { pathname } = request;
  const hasParams = pathname.split("/").some(isName);
  const given = merge(hasParams ? readParams(request.pathParams) : {}, readPairs(request.query));
  return {
    given,
    hasOperands: hasParams || Object.keys(given).length > 0,
    isElsewhere: !hasParams && pathname !== "/",
  };
}

/** Whether a segment names an operand. An escaped letter is the same as the letter (RFC 3986 §6.2.2.2). */
function isName(segment: string): boolean {
  const name = segment.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return (NAMES as readonly string[]).includes(name);
}
