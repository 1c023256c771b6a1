// Whether a request's cost grows with its bytes, and no faster: a longer head, a longer body.
import { contest, estimateContest } from "../lib/contest.mjs";
import { versionLabel } from "../lib/peers.mjs";
import { grownHead, upload } from "../lib/requests.mjs";
import { rowName, rowOf } from "../lib/rows.mjs";
import { bend, fitLine, spread } from "../lib/stats.mjs";
import { figure, range, table } from "../lib/table.mjs";
import { half, peersOf, standing } from "../lib/workload.mjs";

/** Bytes. Those of a body are so far apart since a byte of it costs so little. */
const HEADS = [200, 4_000, 9_000, 14_000];
const BODIES = [100, 65_536, 262_144, 1_048_576];
const CONNECTIONS = 16;
const ROUNDS = 3;
/** What a byte may cost at the top, to what it costs in the middle. */
const STRAIGHT = 1.3;
const WHO = { serves: ["add", "upload"], field: ["plinth-post@node26", "node-http@node26", "uws"] };

const { wants, count } = standing(WHO);
const loads = [
  ...HEADS.map((bytes) => ({ key: { part: "head", bytes }, connections: CONNECTIONS, exchanges: [grownHead(bytes)] })),
  ...BODIES.map((bytes) => ({ key: { part: "body", bytes }, connections: CONNECTIONS, exchanges: [upload(bytes)] })),
];
const what = (options) => ({ loads, seconds: half(options.seconds), rounds: Math.min(options.rounds, ROUNDS) });

export const growth = {
  name: "growth",
  title: `CPU of a request as its head (POST /) and its body (POST /upload) grow, ${CONNECTIONS} connections`,
  programs: ["wrk"],
  wants,
  estimate: (options) => estimateContest({ ...what(options), peers: count(options) }),
  async run(context) {
    const entries = await contest(context, { ...what(context), peers: peersOf(WHO, context) });
    return report(entries.map((entry) => ({ peer: entry.peer, row: rowOf(entry, versionLabel) })));
  },
};

function report(found) {
  const texts = [];
  const goals = [];
  const lines = [];
  for (const [part, sizes] of Object.entries({ head: HEADS, body: BODIES })) {
    const shown = [["server", "runtime", ...sizes.map(sizeOf), "a byte", "R²", "top to middle"]];
    for (const peer of new Set(found.map((one) => one.peer))) {
      const rows = found.filter((one) => one.peer === peer && one.row.part === part).map(({ row }) => row);
      if (rows.length === 0) continue;
      const [{ label, runtime }] = rows;
      const cells = sizes.map((bytes) => rows.find((row) => row.bytes === bytes)?.cpu.median);
      const texted = cells.map((cpu) => (cpu === undefined ? "refused" : `${figure(cpu * 1e6)} µs`));
      if (rows.length < sizes.length) {
        shown.push([label, runtime, ...texted]);
        continue;
      }
      const line = straightness(rows);
      shown.push([
        label,
        runtime,
        ...texted,
        `${figure(line.slope * 1e9)} ns`,
        line.fits.toFixed(3),
        `${line.bend.median.toFixed(2)} x`,
      ]);
      lines.push({ peer: peer.name, variant: peer.variant, runtime, label, part, ...line });
      if (peer.name === "plinth") {
        const straight = line.bend.median <= STRAIGHT;
        goals.push({
          what: `what a byte of a long ${part} costs ${rowName(rows[0])}, to one of a middling`,
          figure: `${line.bend.median.toFixed(2)} x`,
          spread: range(line.bend),
          goal: `≤ ${STRAIGHT} x`,
          met: straight,
        });
      }
    }
    texts.push(`${part}, bytes:\n\n${table(shown)}`);
  }
  return {
    text: texts.join("\n\n"),
    goals,
    data: { unit: "seconds of CPU a request", rows: found.map(({ row }) => row), lines },
  };
}

/** The line through the sizes' medians, and its bend: of the medians, with how far it lies apart over the rounds. */
function straightness(rows) {
  const points = (cpuOf) => rows.map((row) => ({ x: row.bytes, y: cpuOf(row) }));
  const medians = points((row) => row.cpu.median);
  const bends = rows[0].rounds.cpu.map((_, round) => bend(points((row) => row.rounds.cpu[round])));
  return { ...fitLine(medians), bend: { ...spread(bends), median: bend(medians) } };
}

function sizeOf(bytes) {
  if (bytes >= 2 ** 20) return `${bytes / 2 ** 20} MiB`;
  return bytes >= 2 ** 16 ? `${bytes / 2 ** 10} KiB` : bytes.toLocaleString("en-US");
}
