// What a second core brings to computations.
import { calibrate, plinth, start } from "../lib/servers.mjs";
import { median, pairedRatio, spread } from "../lib/stats.mjs";
import { figure, interval, range, table } from "../lib/table.mjs";
import { format, keepAsking } from "../load/client.mjs";

const GOAL = 1.8;
/** So short that a round holds many, so long that nothing else counts. */
const COMPUTATION = format("POST", "/compute", '{"milliseconds":20}');
/** Requests under way: enough that no thread waits for one. */
const UNDER_WAY = 4;

export const scaling = {
  name: "scaling",
  title: "computations a second, with one thread and with two",
  async run(context) {
    const entries = [];
    for (const threads of [1, 2]) {
      const named = plinth("ThreadingHTTPServer", { name: `threads: ${threads}`, options: { threads } });
      entries.push({ server: await start(named, context), perSecond: [] });
    }
    const seconds = Math.max(1, context.seconds / 2);
    for (const { server } of entries) await run(server, 0.5);
    for (let round = 0; round < context.rounds; round++) {
      context.tell(`round ${round + 1} of ${context.rounds}`);
      for (const { server, perSecond } of context.turns(entries, round)) perSecond.push(await run(server, seconds));
    }
    for (const { server } of entries) await server.stop();
    // What the machine gives: the same loop in processes that have nothing in common.
    context.tell("the machine itself");
    const alone = await calibrate();
    const together = (await Promise.all([calibrate(), calibrate()])).reduce((sum, units) => sum + units, 0);
    return report(entries, together / alone);
  },
};

async function run(server, seconds) {
  const computations = keepAsking(server.port, UNDER_WAY, () => COMPUTATION);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const { responded, seconds: took, responses } = await computations.stop();
  const others = Object.keys(responses).filter((what) => what !== "200");
  if (others.length > 0) throw new Error(`${server.name}: computations got ${others.join(", ")}`);
  return responded / took;
}

function report(entries, machine) {
  const [one, two] = entries;
  const ratio = pairedRatio(two.perSecond, one.perSecond);
  const rows = [["server", "computations/s", "over the rounds"]];
  for (const { server, perSecond } of entries)
    rows.push([server.name, figure(median(perSecond)), range(spread(perSecond))]);
  return {
    text: `${table(rows)}\nTwo processes that only compute do ${figure(machine)} times what one does on this machine.`,
    goals: [
      {
        what: "computations a second, 2 threads to 1",
        figure: `${ratio.ratio.toFixed(2)} x`,
        spread: interval(ratio),
        goal: `≥ ${GOAL} x`,
        met: ratio.ratio >= GOAL,
      },
    ],
    data: { machine, ratio, perSecond: entries.map(({ server, perSecond }) => ({ server: server.name, perSecond })) },
  };
}
