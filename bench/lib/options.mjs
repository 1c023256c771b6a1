// What stands behind `npm run bench:threads --`.
import { parseArgs } from "node:util";

/** A command line that is wrong: told in one line, without a stack. */
export class UsageError extends Error {}

/**
 * Reads the arguments of a benchmark.
 * @param {readonly string[]} args what stands behind the command
 * @param {readonly string[]} names the measures that there are
 * @param {Readonly<Record<string, number>>} numbers options that take a number, by name, with their defaults; all must be above 0
 * @returns {{ only: string[], json?: string, baseline?: string, help: boolean, given: string[] } & Record<string, number>}
 * `only`: the measures to run, in their order; `given`: the number options that were named
 */
export function readOptions(args, names, numbers) {
  const options = {
    only: { type: "string" },
    json: { type: "string" },
    baseline: { type: "string" },
    help: { type: "boolean" },
  };
  for (const name of Object.keys(numbers)) options[name] = { type: "string" };
  let values;
  try {
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  const result = { help: values.help ?? false, only: [...names], given: [] };
  if (values.only !== undefined) {
    const wanted = values.only.split(",").map((name) => name.trim());
    for (const name of wanted) {
      if (!names.includes(name)) throw new UsageError(`there is no measure "${name}"; there are ${names.join(", ")}`);
    }
    result.only = names.filter((name) => wanted.includes(name));
  }
  if (values.json !== undefined) result.json = values.json;
  if (values.baseline !== undefined) result.baseline = values.baseline;
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
