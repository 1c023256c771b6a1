/** Who takes part in a benchmark, and how its goals are told. */
import assert from "node:assert/strict";
import { importBench } from "./import.ts";
import { testOnNode as test } from "../support/runtime.ts";

interface Peer {
  readonly name: string;
  readonly variant: string;
  readonly runtime: string;
  readonly serves: ReadonlySet<string>;
}

interface Goal {
  readonly what: string;
  readonly figure: string;
  readonly goal: string;
  readonly met: boolean | null;
}

const { isMeant, choosePeers, readPeers, unknownPeer } = await importBench<{
  isMeant(peer: Peer, pattern: string): boolean;
  choosePeers(
    peers: readonly Peer[],
    who: { field?: readonly string[]; serves: readonly string[] },
    named?: readonly string[],
  ): Peer[];
  readPeers(text?: string): string[] | undefined;
  unknownPeer(peers: readonly Peer[], named: readonly string[]): string | undefined;
}>("lib/choice.mjs");

const { compare } = await importBench<{
  compare(
    found: readonly { peer: Peer; row: object }[],
    wanted: readonly { ours: string; theirs: string | readonly string[]; least: number; stretch?: boolean }[],
    how: { figure?: string; unit?: string; whole: boolean },
  ): { goals: Goal[]; ratios: { full: boolean; cpu: { ratio: number } }[]; text: string };
}>("lib/goals.mjs");

const peer = (name: string, variant: string, runtime: string, ...serves: string[]): Peer => ({
  name,
  variant,
  runtime,
  serves: new Set(["add", ...serves]),
});

const post26 = peer("plinth", "post", "node26", "upload");
const post20 = peer("plinth", "post", "node20", "upload");
const bare26 = peer("plinth", "bare", "node26");
const node26 = peer("node-http", "", "node26", "upload");
const uws = peer("uws", "", "node20", "upload");
const all = [post26, post20, bare26, node26, uws];

test("a pattern means a name, a variant, or either on one runtime", () => {
  const meant = (pattern: string) => all.filter((one) => isMeant(one, pattern));
  assert.deepEqual(meant("plinth"), [post26, post20, bare26]);
  assert.deepEqual(meant("plinth-post"), [post26, post20]);
  assert.deepEqual(meant("plinth@node26"), [post26, bare26]);
  assert.deepEqual(meant("plinth-post@node20"), [post20]);
  assert.deepEqual(meant("node-http"), [node26]);
  assert.deepEqual(meant("node"), []);
  assert.equal(unknownPeer(all, ["uws", "plinth-app"]), "plinth-app");
  assert.equal(unknownPeer(all, ["uws@node20", "plinth"]), undefined);
  assert.deepEqual(readPeers("uws, plinth-post"), ["uws", "plinth-post"]);
  assert.equal(readPeers(undefined), undefined);
});

test("a workload has its own peers, or those of them that are named, or whoever is named and serves it", () => {
  const who = { field: ["plinth-post@node26", "node-http"], serves: ["add"] };
  assert.deepEqual(choosePeers(all, who), [post26, node26]);
  assert.deepEqual(choosePeers(all, { serves: ["upload"] }), [post26, post20, node26, uws]);
  // All that the name has here, and not those that usually stay away.
  assert.deepEqual(choosePeers(all, who, ["plinth"]), [post26]);
  assert.deepEqual(choosePeers(all, who, ["uws", "plinth-bare"]), [bare26, uws]);
  assert.deepEqual(choosePeers(all, { serves: ["upload"] }, ["plinth-bare"]), []);
});

function found(one: Peer, perSecond: readonly number[], cpu: readonly number[], loadBusy = 0.5) {
  return { peer: one, row: { label: one.name, runtime: one.runtime, loadBusy, rounds: { perSecond, cpu } } };
}

test("a goal is told with the ratio of the pairs, and what a second of CPU brings beside it", () => {
  const rows = [found(post26, [300, 30], [2, 20]), found(node26, [100, 10], [5, 50]), found(uws, [200, 20], [1, 10])];
  const { goals, ratios, text } = compare(
    rows,
    [
      { ours: "plinth-post@node26", theirs: "node-http", least: 2 },
      { ours: "plinth", theirs: ["node-http", "uws"], least: 1.6, stretch: true },
    ],
    { whole: true },
  );
  assert.deepEqual(
    goals.map(({ figure, goal, met }) => [figure, goal, met]),
    [
      ["3.00 x", "≥ 2.0 x", true],
      ["1.50 x", "≥ 1.6 x °", false],
    ],
  );
  assert.match(goals[1].what, /plinth \(node26\) to uws \(node20\)/);
  assert.ok(Math.abs(ratios[0].cpu.ratio - 2.5) < 1e-9 && Math.abs(ratios[1].cpu.ratio - 0.5) < 1e-9);
  assert.match(text, /3\.00 x .*2\.50 x/);
});

test("where the load's core was full, the goal says what the CPU tells beside it", () => {
  const rows = [found(post26, [100], [2]), found(uws, [100], [1], 0.97)];
  const { goals, ratios } = compare(rows, [{ ours: "plinth", theirs: "uws", least: 1 }], { whole: true });
  assert.deepEqual([goals[0].figure, goals[0].met, ratios[0].full], ["1.00 x", true, true]);
  assert.match(goals[0].what, /the load was FULL, for a second of CPU it is 0\.50 x/);
});

test("a goal whose peers are missing is told where all were asked for, and else left out", () => {
  const wanted = [{ ours: "plinth-bare", theirs: "c", least: 0.75 }];
  const rows = [found(post26, [1], [1])];
  const { goals, ratios, text } = compare(rows, wanted, { whole: true });
  assert.deepEqual([goals[0].figure, goals[0].met, ratios, text], ["not measured", null, [], ""]);
  assert.deepEqual(compare(rows, wanted, { whole: false }).goals, []);
});
