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
 * @property {(options: object) => number} [estimate] seconds that it takes
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
 * What a command has that others have not.
 * @typedef {object} More
 * @property {Readonly<Record<string, { value: string, help: string, shown?: boolean }>>} texts options that take a text; `value`: what the help
 * calls it; `shown`: it is a part of the command line that is told
 * @property {boolean} [positional] measures are named without --only
 * @property {readonly string[]} [forms] other ways to call it, for the help
 * @property {(options: object) => void} [check] throws a UsageError
 * @property {Readonly<Record<string, string>>} [about] facts that are told at the beginning, besides those of machine.mjs
 * @property {() => Promise<object>} [begin] what measures get besides options
 * @property {(result: object, options: object) => void} [end] gets what --json writes
 */

/** @type {More} What runs handlers that compute wants to know how long a computation takes. */
const THREADS = {
  texts: { baseline: { value: "PATH", help: "another checkout, built, for the measure of that name" } },
  async begin() {
    progress("how fast a core is");
    return { units: await calibrate() };
  },
};

/**
 * @param {string} command as users type it, for the help
 * @param {readonly Measure[]} measures in the order in which they run
 * @param {Readonly<Record<string, { value: number, help: string }>>} numbers options that take a number
 * @param {More} more
 * @returns the exit status
 */
export async function runMeasures(command, measures, numbers, more = THREADS) {
  const defaults = Object.fromEntries(Object.entries(numbers).map(([name, { value }]) => [name, value]));
  const names = measures.map(({ name }) => name);
  let options;
  try {
    options = readOptions(process.argv.slice(2), names, defaults, {
      texts: Object.keys(more.texts),
      positional: more.positional,
    });
    more.check?.(options);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n${command} -- --help`);
    return 2;
  }
  if (options.help) {
    console.log(help(command, measures, numbers, more));
    return 0;
  }
  if (process.platform !== "linux") {
    console.error("The benchmarks read Linux's /proc: they run on Linux only.");
    return 1;
  }

  killAllAtExit();
  const about = { ...describeMachine(), ...more.about };
  const line = commandLine(command, names, options, more);
  const chosen = measures.filter(({ name }) => options.only.includes(name));
  console.log([...Object.values(about), line, ...plan(chosen, options)].join("\n"));

  const results = [];
  const leftOut = [];
  const leaveOut = (what, why) => {
    const text = `${what} is left out: ${why}`;
    if (!leftOut.includes(text)) leftOut.push(text);
  };
  const begun = await more.begin?.();
  for (const measure of chosen) {
    const missing = measure.programs?.find((name) => findProgram(name) === undefined);
    const why = missing === undefined ? measure.wants?.(options) : isMissing(missing);
    if (why !== undefined) {
      leaveOut(`${measure.name}`, why);
      continue;
    }
    const context = {
      ...options,
      ...begun,
      leaveOut: (what, why) => leaveOut(`${measure.name}: ${what}`, why),
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
    results.push({ name: measure.name, title: measure.title, others: disturbed, ...found });
  }

  console.log(`\n${summary(results)}`);
  for (const text of leftOut) console.log(text);
  const all = results.map(({ name, title, others, goals, data }) => ({ name, title, others, goals, data }));
  const date = new Date().toISOString().slice(0, 10);
  const result = { about, date, command: line, leftOut, measures: all };
  if (options.json !== undefined) fs.writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
  more.end?.(result, options);
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

/** What was asked for, as it can be asked again. */
function commandLine(command, names, options, { positional = false, texts }) {
  const only = options.only.join(positional ? " " : ",");
  const parts = [];
  if (!positional) parts.push("--only", only);
  else if (options.only.length < names.length) parts.push(only);
  for (const [name, { shown = false }] of Object.entries(texts))
    if (shown && options[name] !== undefined) parts.push(`--${name}`, options[name]);
  for (const name of options.given) parts.push(`--${name}`, options[name]);
  return parts.length === 0 ? command : `${command} -- ${parts.join(" ")}`;
}

/** How long it takes, where measures say so. */
function plan(measures, options) {
  const seconds = measures
    .filter(({ estimate }) => estimate !== undefined)
    .map((one) => [one.name, one.estimate(options)]);
  if (seconds.length === 0) return [];
  const all = seconds.reduce((sum, [, each]) => sum + each, 0);
  const parts = seconds.map(([name, each]) => `${name} ${Math.round(each)}`).join(", ");
  return [`This takes about ${Math.max(1, Math.round(all / 60))} min; seconds: ${parts}.`];
}

function help(command, measures, numbers, { texts, positional, forms = [] }) {
  const lines = [
    ...(positional ? [] : [["--only A,B", "only these measures"]]),
    ...Object.entries(numbers).map(([name, { value, help }]) => [`--${name} N`, `${help} (${value})`]),
    ["--json FILE", "writes all figures there"],
    ...Object.entries(texts).map(([name, { value, help }]) => [`--${name} ${value}`, help]),
  ];
  return [
    `${command} -- ${positional ? "[MEASURE…] " : ""}[OPTION…]`,
    ...forms,
    "",
    ...lines.map(([name, text]) => `  ${name.padEnd(18)}${text}`),
    "",
    "Measures:",
    ...measures.map(({ name, title }) => `  ${name.padEnd(18)}${title}`),
  ].join("\n");
}
