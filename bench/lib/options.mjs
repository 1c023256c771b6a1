// What stands behind `npm run bench --`, `npm run bench:threads --` and `npm run bench:tls --`.
import { parseArgs } from "node:util";

/** A command line that is wrong: told in one line, without a stack. */
export class UsageError extends Error {}

/**
 * Reads the arguments of a benchmark.
 * @param {readonly string[]} args what stands behind the command
 * @param {readonly string[]} names the measures that there are
 * @param {Readonly<Record<string, number>>} numbers options that take a number, by name, with their defaults; all must be above 0
 * @param {{ texts?: readonly string[], positional?: boolean }} more `texts`: options that take a text, besides --json; `positional`: measures
 * are named without an option, and there is no --only
 * @returns {{ only: string[], json?: string, help: boolean, given: string[] } & Record<string, number | string>}
 * `only`: the measures to run, in their order; `given`: the number options that were named
 */
export function readOptions(args, names, numbers, { texts = ["baseline"], positional = false } = {}) {
  const options = { json: { type: "string" }, help: { type: "boolean" } };
  if (!positional) options.only = { type: "string" };
  for (const name of texts) options[name] = { type: "string" };
  for (const name of Object.keys(numbers)) options[name] = { type: "string" };
  let values;
  let positionals;
  try {
    ({ values, positionals } = parseArgs({ args: [...args], options, allowPositionals: positional }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  const result = { help: values.help ?? false, only: [...names], given: [] };
  const only = values.only ?? (positionals.length > 0 ? positionals.join(",") : undefined);
  if (only !== undefined) {
    const wanted = only.split(",").map((name) => name.trim());
    for (const name of wanted) {
      if (!names.includes(name)) throw new UsageError(`there is no measure "${name}"; there are ${names.join(", ")}`);
    }
    result.only = names.filter((name) => wanted.includes(name));
  }
  for (const name of ["json", ...texts]) if (values[name] !== undefined) result[name] = values[name];
  for (const [name, otherwise] of Object.entries(numbers)) {
    const text = values[name];
    if (text !== undefined) result.given.push(name);
    const value = text === undefined ? otherwise : Number(text);
    if (!(value > 0 && value < Infinity))
      throw new UsageError(`--${name} must be a number above 0, not ${JSON.stringify(text)}`);
    result[name] = value;
  }
  return result;
}
