// The protocol layer by itself: what reading a head, content in chunks, and making a head take, without sockets and handlers.
import { fileURLToPath } from "node:url";
import { peers, versionLabel } from "../lib/peers.mjs";
import { allowedCores, canPin, Child } from "../lib/processes.mjs";
import { spread } from "../lib/stats.mjs";
import { figure, range, table } from "../lib/table.mjs";

const program = fileURLToPath(new URL("../micro/protocol.mjs", import.meta.url));

/** Nanoseconds, on the newest Node. */
const GOALS = { "small head": 300, "browser's head": 1000 };

/** How long a part is measured in a round, in milliseconds: a hundred thousand times and more. */
const LENGTH = 200;

export const micro = {
  name: "micro",
  title: "parts of the protocol layer, each by itself, no sockets",
  programs: [],
  async run(context) {
    const nodes = ["node26", "node20"]
      .map((runtime) => peers.find((peer) => peer.name === "plinth" && peer.runtime === runtime))
      .filter((peer) => peer !== undefined && (context.isThere?.(peer) ?? peer.command !== undefined));
    const entries = nodes.map((peer) => ({
      node: versionLabel(peer),
      runtime: peer.runtime,
      command: peer.command,
      runs: [],
    }));
    for (let round = 0; round < context.rounds; round++) {
      context.tell(`round ${round + 1} of ${context.rounds}`);
      // A new process each time: what the compiler makes of a program differs from one to the next.
      for (const { command, runs } of context.turns(entries, round)) runs.push(await once(command));
    }
    return report(entries);
  },
};

async function once(command) {
  const cores = canPin ? { cores: [allowedCores().at(-1)] } : {};
  const child = new Child(command, [program, String(LENGTH)], cores);
  const result = JSON.parse(await child.line());
  await child.exited;
  return result;
}

function report(entries) {
  const parts = Object.keys(entries[0]?.runs[0] ?? {});
  const of = ({ runs }, part) => spread(runs.map((run) => run[part]));
  const rows = [["part", ...entries.flatMap(({ node }) => [node, "over the rounds"])]];
  for (const part of parts) {
    rows.push([
      part,
      ...entries.flatMap((entry) => {
        const nanoseconds = of(entry, part);
        return [`${figure(nanoseconds.median)} ns`, range(nanoseconds)];
      }),
    ]);
  }
  const newest = entries.find(({ runtime }) => runtime === "node26");
  const goals = Object.entries(newest === undefined ? {} : GOALS).map(([part, goal]) => {
    const nanoseconds = of(newest, part);
    return {
      what: `${part}, ${newest.node}`,
      figure: `${figure(nanoseconds.median)} ns`,
      spread: range(nanoseconds),
      goal: `≤ ${goal} ns`,
      met: nanoseconds.median <= goal,
    };
  });
  return {
    text: table(rows),
    goals,
    data: {
      unit: "ns",
      rows: entries.flatMap((entry) =>
        parts.map((part) => ({ part, runtime: entry.node, nanoseconds: of(entry, part) })),
      ),
    },
  };
}
