/**
 * Checks options: their names, and the range of numbers. 0 means none at all, and Infinity means no limit, for options that allow them.
 */
import { quote } from "./quote_value.ts";

/** The numbers that an option may be. */
export interface NumberRule {
  /** The least number; 0 when left out. */
  readonly least?: number;
  /** The greatest number; Infinity when left out, which allows Infinity. */
  readonly most?: number;
  /** Only whole numbers, and Infinity. */
  readonly whole?: boolean;
  /** Only numbers above `least`. */
  readonly more?: boolean;
  /** The unit, for messages: "bytes". */
  readonly unit?: string;
}

/** A number of fields, requests and the like. */
export const COUNT: NumberRule = { whole: true };
export const BYTES: NumberRule = { whole: true, unit: "bytes" };
export const BYTE_RATE: NumberRule = { most: Number.MAX_VALUE, unit: "bytes a second" };
export const TIME: NumberRule = { unit: "milliseconds" };
/** A time that must not be 0, because nothing could be done in it. */
export const SOME_TIME: NumberRule = { more: true, unit: "milliseconds" };

/**
 * Checks that an object has no other members than known options.
 * @param name the words before an option's name in the message: "option " or "threads."
 * @throws {TypeError} for the first other member
 */
export function checkNames(options: object, known: Iterable<string>, name: string): void {
  const names = new Set(known);
  for (const key of Object.keys(options))
    if (!names.has(key)) throw new TypeError(`there is no ${name}${key}; there are ${[...names].join(", ")}`);
}

/**
 * Checks a value by a rule.
 * @param name the name of the option, for the message
 * @throws {TypeError} for a value that is not a number; {RangeError} for a number that the rule does not allow
 */
export function checkNumber(name: string, value: unknown, rule: NumberRule): number {
  const { least = 0, most = Infinity, whole = false, more = false } = rule;
  const isFine =
    typeof value === "number" &&
    (more ? value > least : value >= least) &&
    value <= most &&
    (!whole || Number.isInteger(value) || value === Infinity);
  if (isFine) return value;
  const message = `${name} must be ${describe(rule)}, not ${quote(value)}`;
  throw typeof value === "number" ? new RangeError(message) : new TypeError(message);
}

function describe({ least = 0, most = Infinity, whole = false, more = false, unit }: NumberRule): string {
  const kind = `${whole ? "a whole number" : "a number"}${unit === undefined ? "" : ` of ${unit}`}`;
  if (most < Number.MAX_VALUE) return `${kind} from ${least} to ${most}`;
  const range = more ? ` above ${least}` : `, ${least} or more`;
  return `${kind}${range}${most === Infinity ? " (Infinity for no limit)" : ", and finite"}`;
}

/**
 * Checks the options that have a rule. An option that is left out, or undefined, gets its default.
 * @throws {TypeError} or {RangeError} as checkNumber
 */
export function checkNumbers<Name extends string>(
  options: { readonly [N in Name]?: unknown },
  rules: Readonly<Record<Name, NumberRule>>,
  defaults: Readonly<Record<Name, number>>,
): Record<Name, number> {
  const checked: Record<Name, number> = { ...defaults };
  for (const name of Object.keys(rules) as Name[])
    if (options[name] !== undefined) checked[name] = checkNumber(name, options[name], rules[name]);
  return checked;
}
