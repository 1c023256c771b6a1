// The addition over one connection, some, and many.
import { estimateContest, contest } from "../lib/contest.mjs";
import { versionLabel } from "../lib/peers.mjs";
import { addition } from "../lib/requests.mjs";
import { rowOf, tableOf } from "../lib/rows.mjs";
import { half, peersOf, standing } from "../lib/workload.mjs";

const COUNTS = [1, 64, 1024];
/** It has no goals of its own, so that few rounds do. */
const ROUNDS = 3;
const WHO = { serves: ["add"], field: ["plinth-post@node26", "node-http@node26", "fastify@node26", "uws", "bun"] };

const { wants, count } = standing(WHO);
const loads = COUNTS.map((connections) => ({ key: { connections }, connections, exchanges: [addition()] }));
const what = (options) => ({ loads, seconds: half(options.seconds), rounds: Math.min(options.rounds, ROUNDS) });

export const many = {
  name: "many",
  title: `POST / over ${COUNTS.map((count) => count.toLocaleString("en-US")).join(", ")} connections`,
  programs: ["wrk"],
  wants,
  estimate: (options) => estimateContest({ ...what(options), peers: count(options) }),
  async run(context) {
    const entries = await contest(context, { ...what(context), peers: peersOf(WHO, context) });
    const rows = entries.map((entry) => rowOf(entry, versionLabel));
    return { text: tableOf(rows, ["connections"]), goals: [], data: { unit: "requests/s", rows } };
  },
};
