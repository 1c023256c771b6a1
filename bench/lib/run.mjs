// Runs measures, prints what each has found, and at the end what was wanted beside what there is.
import fs from "node:fs";
import process from "node:process";
import { describeMachine } from "./machine.mjs";
import { readOptions, UsageError } from "./options.mjs";
import { killAllAtExit, stopAll } from "./processes.mjs";
import { endProgress, progress } from "./progress.mjs";
import { findProgram, isMissing } from "./programs.mjs";
import { figure, table } from "./table.mjs";
import { watchOthers } from "./usage.mjs";
import { calibrate } from "./servers.mjs";

/** Cores: with so much or more done beside them, figures are marked. */
const DISTURBED = 0.1;

/**
 * A measure.
 * @typedef {object} Measure
 * @property {string} name for --only
 * @property {string} title
 * @property {readonly string[]} [programs] of the system, without which it cannot run
 * @property {(options: object) => string | undefined} [wants] says why it cannot run, if it cannot
 * @property {(context: object) => Promise<Found>} run
 *
 * @typedef {object} Found
 * @property {string} text what to print
 * @property {readonly Goal[]} goals
 * @property {unknown} data for --json
 *
 * @typedef {object} Goal
 * @property {string} what
 * @property {string} figure
 * @property {string} spread how far the rounds lie apart, or a 95 % interval
 * @property {string} goal "" where there is none
 * @property {boolean | null} met
 */

/**
 * @param {string} command as users type it, for the help
 * @param {readonly Measure[]} measures in the order in which they run
 * @param {Readonly<Record<string, { value: number, help: string }>>} numbers options that take a number
 * @returns the exit status
 */
export async function runMeasures(command, measures, numbers) {
  const defaults = Object.fromEntries(Object.entries(numbers).map(([name, { value }]) => [name, value]));
  const names = measures.map(({ name }) => name);
  let options;
  try {
    options = readOptions(process.argv.slice(2), names, defaults);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n${command} -- --help`);
    return 2;
  }
  if (options.help) {
    console.log(help(command, measures, numbers));
    return 0;
  }
  if (process.platform !== "linux") {
    console.error("The benchmarks read Linux's /proc: they run on Linux only.");
    return 1;
  }

  killAllAtExit();
  const about = describeMachine();
  const changed = options.given.map((name) => ` --${name} ${options[name]}`).join("");
  const line = `${command} -- --only ${options.only.join(",")}${changed}`;
  console.log([...Object.values(about), line].join("\n"));

  const results = [];
  const leftOut = [];
  const leaveOut = (what, why) => {
    const text = `${what} is left out: ${why}`;
    if (!leftOut.includes(text)) leftOut.push(text);
  };
  progress("how fast a core is");
  const units = await calibrate();
  for (const measure of measures.filter(({ name }) => options.only.includes(name))) {
    const missing = measure.programs?.find((name) => findProgram(name) === undefined);
    const why = missing === undefined ? measure.wants?.(options) : isMissing(missing);
    if (why !== undefined) {
      leaveOut(`${measure.name}`, why);
      continue;
    }
    const context = {
      ...options,
      units,
      tell: (text) => progress(`${measure.name}: ${text}`),
      /** A B, B A, A B, …: who comes first changes. */
      turns: (entries, round) => (round % 2 === 0 ? [...entries] : [...entries].reverse()),
      /** Whether a server can be started. */
      isThere(server) {
        if (server.command === undefined) leaveOut(`${measure.name}: ${server.name}`, server.missing);
        return server.command !== undefined;
      },
    };
    const started = performance.now();
    const others = watchOthers();
    const found = await measure
      .run(context)
      .catch((error) => ({ text: `FAILED: ${error.message}`, goals: [], failed: true }));
    endProgress();
    const seconds = Math.round((performance.now() - started) / 1000);
    await stopAll(); // what a measure that failed has left
    const disturbed = others();
    const beside =
      disturbed < DISTURBED ? "" : `\nDISTURBED: other processes took ${figure(disturbed)} cores meanwhile.`;
    console.log(`\n${measure.name}: ${measure.title} (${seconds} s)\n\n${found.text}${beside}`);
    results.push({ name: measure.name, others: disturbed, ...found });
  }

  console.log(`\n${summary(results)}`);
  for (const text of leftOut) console.log(text);
  if (options.json !== undefined) {
    const all = results.map(({ name, others, goals, data }) => ({ name, others, goals, data }));
    fs.writeFileSync(options.json, `${JSON.stringify({ ...about, command: line, leftOut, measures: all }, null, 2)}\n`);
  }
  return results.some(({ failed }) => failed) ? 1 : 0;
}

function summary(results) {
  const rows = [["what", "figure", "spread", "goal", "met"]];
  for (const { name, goals, failed, others } of results) {
    const mark = others < DISTURBED ? "" : " (disturbed)";
    if (failed) rows.push([`${name}: failed, see above`, "", "", "", "NO"]);
    for (const { what, figure, spread, goal, met } of goals)
      rows.push([`${name}: ${what}`, figure, spread, goal, met === null ? "" : `${met ? "yes" : "NO"}${mark}`]);
  }
  return rows.length === 1 ? "Nothing was measured." : table(rows);
}

function help(command, measures, numbers) {
  const lines = [
    ["--only A,B", "only these measures"],
    ...Object.entries(numbers).map(([name, { value, help }]) => [`--${name} N`, `${help} (${value})`]),
    ["--json FILE", "writes all figures there"],
    ["--baseline PATH", "another checkout, built, for the measure of that name"],
  ];
  return [
    `${command} -- [OPTION…]`,
    "",
    ...lines.map(([name, text]) => `  ${name.padEnd(18)}${text}`),
    "",
    "Measures:",
    ...measures.map(({ name, title }) => `  ${name.padEnd(18)}${title}`),
  ].join("\n");
}
