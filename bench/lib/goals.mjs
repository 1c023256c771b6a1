// What a workload wants of Plinth, beside what there is.
import { isMeant } from "./choice.mjs";
import { isFull, rowName } from "./rows.mjs";
import { median, pairedRatio } from "./stats.mjs";
import { interval, table } from "./table.mjs";

/**
 * A goal: so many times as many as another peer.
 * @typedef {object} Wanted
 * @property {string} ours a pattern (choice.mjs)
 * @property {string | readonly string[]} theirs a pattern; of several, the best peer is taken
 * @property {number} least the ratio, ours to theirs
 * @property {boolean} [stretch] hoped for rather than asked for; marked
 */

/** Stands behind a goal that is hoped for. */
const STRETCH = " °";

/**
 * @param {readonly { peer: object, row: object }[]} found the rows, each with `rounds` of figures by which pairs are made
 * @param {readonly Wanted[]} wanted
 * @param {{ figure?: string, unit?: string, whole: boolean }} how `figure`: the one of `rounds` that is compared, more of it is better; `unit`: its name
 * for people; `whole`: all peers were asked for, so that a goal without its peers is worth telling
 * @returns goals for the summary, ratios for the result file, and a table of them ("" where there is none)
 */
export function compare(found, wanted, { figure = "perSecond", unit = "requests/s", whole }) {
  const goals = [];
  const ratios = [];
  const lines = [];
  for (const { ours, theirs, least, stretch = false } of wanted) {
    const goal = `≥ ${Number.isInteger(least) ? least.toFixed(1) : least} x${stretch ? STRETCH : ""}`;
    const us = found.find(({ peer }) => isMeant(peer, ours));
    const them = bestOf(found, [theirs].flat(), figure);
    if (us === undefined || them === undefined) {
      const what = `${unit}, ${ours} to ${[theirs].flat().join(" or ")}`;
      if (whole) goals.push({ what, figure: "not measured", spread: "", goal, met: null });
      continue;
    }
    const what = `${rowName(us.row)} to ${rowName(them.row)}`;
    const ratio = pairedRatio(us.row.rounds[figure], them.row.rounds[figure]);
    // Turned round: more is better here too.
    const cpu = pairedRatio(them.row.rounds.cpu, us.row.rounds.cpu);
    const full = isFull(us.row) || isFull(them.row);
    const met = ratio.ratio >= least;
    // Where the load could do no more, their CPU says what the two are still apart: it stands right beside.
    const apart = full ? `; the load was FULL, for a second of CPU it is ${times(cpu)}` : "";
    goals.push({ what: `${unit}, ${what}${apart}`, figure: times(ratio), spread: interval(ratio), goal, met });
    ratios.push({
      ours: keyOf(us.row),
      theirs: keyOf(them.row),
      [figure]: ratio,
      cpu,
      goal: least,
      stretch,
      full,
      met,
    });
    lines.push([what, times(ratio), interval(ratio), goal, times(cpu), interval(cpu)]);
  }
  const heading = ["ours to theirs", unit, "95 % interval", "goal", "for a second of CPU", "95 % interval"];
  return { goals, ratios, text: lines.length === 0 ? "" : table([heading, ...lines]) };
}

function bestOf(found, patterns, figure) {
  const those = found.filter(({ peer }) => patterns.some((pattern) => isMeant(peer, pattern)));
  const height = ({ row }) => median(row.rounds[figure]);
  return those.length === 0 ? undefined : those.reduce((a, b) => (height(b) > height(a) ? b : a));
}

const times = ({ ratio }) => `${ratio.toFixed(2)} x`;
const keyOf = ({ peer, variant, runtime }) => ({ peer, variant, runtime });
