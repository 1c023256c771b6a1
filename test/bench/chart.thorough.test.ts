/** The picture of a result: who is in it, how long the bars are, and that no text leaves it or covers another. */
import assert from "node:assert/strict";
import { importBench } from "./import.ts";
import { testOnNode as test } from "../support/runtime.ts";

interface Row {
  readonly peer: string;
  readonly variant: string;
  readonly runtime: string;
  readonly label: string;
  readonly perSecond: { median: number; min: number; max: number; n: number };
  readonly loadBusy: number;
}

const { chart, widthOf } = await importBench<{
  chart(result: unknown): string;
  widthOf(words: string, size: number, bold?: boolean): number;
}>("lib/chart.mjs");

const row = (peer: string, median: number, more: Partial<Row> = {}): Row => ({
  peer,
  variant: "",
  runtime: "Node 26.10.0",
  label: peer,
  perSecond: { median, min: median * 0.9, max: median * 1.1, n: 5 },
  loadBusy: 0.5,
  ...more,
});

const ROWS = [
  row("fastify", 40_000, { label: "Fastify 5.12.8" }),
  row("plinth", 100_000, { variant: "post", label: "Plinth, the post's handler" }),
  row("plinth", 80_000, { variant: "post", label: "Plinth, the post's handler", runtime: "Node 20.20.2" }),
  row("bun", 120_000, { label: "Bun.serve", runtime: "Bun 1.4.5", loadBusy: 0.99 }),
  row("c", 200_000, { label: "C, epoll", runtime: "gcc 12.2.0" }),
];

function result(measures: Record<string, readonly Row[]>, about: Record<string, string> = {}): unknown {
  return {
    about: { machine: "2 cores", load: "0.1", versions: "Node 20.20.2", ...about },
    date: "2026-11-23",
    command: "npm run bench",
    measures: Object.entries(measures).map(([name, rows]) => ({ name, data: { rows } })),
  };
}

const SMALL = ["pipelined", "browser", "varied", "churn"];
const everywhere = (rows: readonly Row[]): Record<string, readonly Row[]> =>
  Object.fromEntries(["add", ...SMALL].map((name) => [name, rows]));

/** Every text with its place: left, right, and its line. */
function texts(svg: string): { words: string; css: string; left: number; right: number; y: number }[] {
  const pattern =
    /<text class="([^"]*)" x="([\d.-]+)" y="([\d.-]+)" font-size="(\d+)"( text-anchor="end")?>([^<]*)<\/text>/g;
  return [...svg.matchAll(pattern)].map(([, css, x, y, size, end, escaped]) => {
    const words = escaped
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">")
      .replaceAll("&quot;", '"')
      .replaceAll("&amp;", "&");
    const width = widthOf(words, Number(size), /ours|title|heading/.test(css));
    const left = Number(x) - (end === undefined ? 0 : width);
    return { words, css, left, right: left + width, y: Number(y) };
  });
}

const bars = (svg: string): number[] =>
  [...svg.matchAll(/<rect class="bar[^"]*" [^>]*?width="([\d.]+)"/g)].map(([, width]) => Number(width));

test("bars are as long as their figures, the fastest first, and the limit is a line", () => {
  const svg = chart(result({ add: ROWS }));
  const [first, second, third, last, ...more] = bars(svg);
  assert.deepEqual(more, []);
  for (const [bar, times] of [
    [first, 120],
    [second, 100],
    [third, 80],
  ])
    assert.ok(Math.abs(bar / last - times / 40) < 0.01, `${bar}, ${last}`);
  const names = texts(svg).filter(({ css }) => css.startsWith("name"));
  assert.deepEqual(
    names.map(({ words }) => words),
    ["Bun.serve", "Plinth, the post's handler", "Plinth, the post's handler", "Fastify 5.12.8"],
  );
  assert.equal(svg.match(/<line class="limit"/g)?.length, 1);
  assert.match(svg, /the limit, C, epoll: 200,000/);
});

test("ours stand out; figures that the load may have held down are marked, and the mark is explained", () => {
  const svg = chart(result({ add: ROWS }));
  assert.equal(svg.match(/<rect class="bar ours"/g)?.length, 2);
  assert.match(svg, />120,000 †</);
  assert.match(svg, />† The load/);
  const without = chart(result({ add: ROWS.filter(({ peer }) => peer !== "bun") }));
  assert.ok(!without.includes("†"));
});

test("a small panel has the newer Node only, and no versions but Node's", () => {
  const svg = chart(result({ pipelined: ROWS }));
  const words = texts(svg).map(({ words }) => words);
  assert.equal(bars(svg).length, 3);
  assert.ok(words.includes("Fastify") && words.includes("Plinth, post") && words.includes("Node 26"));
  assert.ok(!words.includes("80,000") && words.includes("100,000"));
});

test("what was left out is not there, and where nothing is there is no picture", () => {
  const svg = chart(result({ add: ROWS.filter(({ peer }) => peer !== "c"), churn: [] }));
  assert.ok(!svg.includes('<line class="limit"'));
  assert.ok(!svg.includes("churn"));
  assert.throws(() => chart(result({ idle: ROWS })), /cannot draw: the result has none of add, /);
});

test("machine, versions, date and command are in it", () => {
  const svg = chart(result({ add: ROWS }, { machine: "a machine <&>", versions: "Node 20.20.2; Plinth abc" }));
  for (const words of ["a machine &lt;&amp;&gt;", "Node 20.20.2; Plinth abc", "2026-11-23: npm run bench"])
    assert.ok(svg.includes(words), words);
  assert.match(svg, /@media \(prefers-color-scheme: dark\)/);
});

test("no text leaves the picture or covers another, however long", () => {
  const long = "a name so long that nobody would ever think of it ".repeat(3).trim();
  const longest = [
    ...ROWS,
    row("plinth", 9_999_999, { variant: "bare", label: long, loadBusy: 1 }),
    row("srvx", 3, { label: long, runtime: "A Runtime 1234.5678.9012" }),
  ];
  const about = { machine: long, versions: `${long} ${"x".repeat(300)} <&> ${long}` };
  for (const rows of [ROWS, longest]) {
    const svg = chart(result(everywhere(rows), about));
    const [, width, height] = /viewBox="0 0 (\d+) ([\d.]+)"/.exec(svg)!.map(Number);
    const all = texts(svg);
    assert.ok(all.length > 60, `${all.length} texts`);
    for (const [i, one] of all.entries()) {
      assert.ok(one.left >= 0 && one.right <= width && one.y > 10 && one.y < height - 4, JSON.stringify(one));
      for (const other of all.slice(i + 1)) {
        if (Math.abs(one.y - other.y) >= 10) continue;
        const apart = one.right < other.left || other.right < one.left;
        assert.ok(apart, `${JSON.stringify(one)} covers ${JSON.stringify(other)}`);
      }
    }
  }
});

test("every element is closed", () => {
  const open: string[] = [];
  for (const [, slash, name, rest] of chart(result(everywhere(ROWS))).matchAll(/<(\/?)([a-z]+)([^<>]*)>/g)) {
    if (slash === "/") assert.equal(open.pop(), name);
    else if (!rest.endsWith("/")) open.push(name);
  }
  assert.deepEqual(open, []);
});
