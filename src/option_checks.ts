/**
 * The checks of options: that there are options of such names, and what a number may be. 0 means none at all and Infinity no limit, where
 * one of them makes sense.
 */
import { quote } from "./quote_value.ts";

/** What an option may be. */
export interface NumberRule {
  /** The least; 0 where it is left out. */
  readonly least?: number;
  /** The most; Infinity where it is left out, which is no limit then. */
  readonly most?: number;
  /** Only a whole number, or Infinity. */
  readonly whole?: boolean;
  /** More than the least. */
  readonly more?: boolean;
  /** What it counts. */
  readonly unit?: string;
}

/** Fields, requests and the like. */
export const COUNT: NumberRule = { whole: true };
export const BYTES: NumberRule = { whole: true, unit: "bytes" };
export const BYTE_RATE: NumberRule = { most: Number.MAX_VALUE, unit: "bytes a second" };
export const TIME: NumberRule = { unit: "milliseconds" };
/** Where nothing could be done without any. */
export const SOME_TIME: NumberRule = { more: true, unit: "milliseconds" };

/**
 * Checks that an object has no other members than options.
 * @param name what an option is called in the message: "option " or "threads."
 * @throws {TypeError} for the first other member
 */
export function checkNames(options: object, known: Iterable<string>, name: string): void {
  const names = new Set(known);
  for (const one of Object.keys(options))
    if (!names.has(one)) throw new TypeError(`there is no ${name}${one}; there are ${[...names].join(", ")}`);
}

/**
 * Checks a value by a rule.
 * @param name of the option, for the message
 * @throws {TypeError} for what is no number; {RangeError} for one that the rule does not allow
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
 * Checks those of the options that have a rule, and puts the others' defaults in their place. What is undefined counts as left out.
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
