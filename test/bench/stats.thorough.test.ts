/** What the benchmarks make of their figures: a fault here would be published as a result. */
import assert from "node:assert/strict";
import { importBench } from "./import.ts";
import { testOnNode as test } from "../support/runtime.ts";

interface Ratio {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  readonly n: number;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

const { median, percentile, spread, pairedRatio, fitLine, bend, studentT } = await importBench<{
  median(values: readonly number[]): number;
  percentile(values: readonly number[], percent: number): number;
  spread(values: readonly number[]): { median: number; min: number; max: number; n: number };
  pairedRatio(over: readonly number[], under: readonly number[]): Ratio;
  fitLine(points: readonly Point[]): { slope: number; intercept: number; fits: number };
  bend(points: readonly Point[]): number;
  studentT(degrees: number): number;
}>("lib/stats.mjs");

const near = (is: number, wanted: number) => assert.ok(Math.abs(is - wanted) < 1e-3, `${is} is not near ${wanted}`);

test("the median is the middle one, or lies between the two; the values keep their order", () => {
  const values = [9, 1, 5];
  assert.equal(median(values), 5);
  assert.deepEqual(values, [9, 1, 5]);
  assert.equal(median([10, 2, 1, 4]), 3);
  assert.ok(Number.isNaN(median([])));
  assert.deepEqual(spread([3, 1, 2]), { median: 2, min: 1, max: 3, n: 3 });
});

test("a percentile is a value that did occur, and sorts numbers as numbers", () => {
  const values = Array.from({ length: 1000 }, (_, i) => 1000 - i);
  assert.equal(percentile(values, 50), 500);
  assert.equal(percentile(values, 99), 990);
  assert.equal(percentile(values, 99.95), 1000);
  assert.equal(percentile(values, 100), 1000);
  assert.equal(percentile(values, 0), 1);
  assert.equal(percentile([7], 99), 7);
  // One stall among a hundred is the most, and not yet the p99.
  assert.equal(percentile([...Array<number>(99).fill(1), 500], 99), 1);
  assert.equal(percentile([...Array<number>(98).fill(1), 500, 500], 99), 500);
  assert.ok(Number.isNaN(percentile([], 99)));
});

test("a paired ratio does not see what slows a pair down, and its interval shrinks with the pairs", () => {
  const same = pairedRatio([200, 20, 2], [100, 10, 1]);
  near(same.ratio, 2);
  near(same.low, 2);
  near(same.high, 2);

  // Logarithms 0.1 and -0.1: mean 0, deviation 0.1414, t for one degree of freedom 12.706.
  const two = pairedRatio([Math.exp(0.1), Math.exp(-0.1)], [1, 1]);
  near(two.ratio, 1);
  near(Math.log(two.high), 1.2706);
  near(Math.log(two.low), -1.2706);

  const many = pairedRatio(
    Array.from({ length: 20 }, (_, i) => Math.exp(i % 2 === 0 ? 0.1 : -0.1)),
    Array<number>(20).fill(1),
  );
  near(Math.log(many.high), (2.093 * 0.1 * Math.sqrt(20 / 19)) / Math.sqrt(20));
});

test("a paired ratio and its inverse say the same", () => {
  const over = [3, 4, 5];
  const under = [2, 5, 3];
  const one = pairedRatio(over, under);
  const other = pairedRatio(under, over);
  near(one.ratio * other.ratio, 1);
  near(one.low * other.high, 1);
});

test("one pair gives no bounds; unequal numbers are no pairs", () => {
  assert.deepEqual(pairedRatio([4], [2]), { ratio: 2, low: 0, high: Infinity, n: 1 });
  assert.throws(() => pairedRatio([1, 2], [1]), RangeError);
  assert.throws(() => pairedRatio([], []), RangeError);
});

test("Student's t falls all the way to the normal distribution's", () => {
  assert.equal(studentT(1), 12.706);
  assert.equal(studentT(9), 2.262);
  assert.equal(studentT(30), 2.042);
  near(studentT(60), 2.0003);
  near(studentT(120), 1.9799);
  for (let degrees = 2; degrees < 200; degrees++) assert.ok(studentT(degrees) < studentT(degrees - 1), `${degrees}`);
});

const points = (...ys: number[]): Point[] => ys.map((y, i) => ({ x: 10 * i, y }));

test("a line is found again, also where points lie beside it, and tells how well it fits", () => {
  const exact = fitLine(points(5, 25, 45, 65));
  near(exact.slope, 2);
  near(exact.intercept, 5);
  near(exact.fits, 1);
  // Least squares of (0,0), (10,20), (20,10): slope 0.5, intercept 5, R² 0.25.
  const beside = fitLine(points(0, 20, 10));
  near(beside.slope, 0.5);
  near(beside.intercept, 5);
  near(beside.fits, 0.25);
  near(fitLine(points(3, 3, 3)).fits, 1);
  assert.throws(() => fitLine(points(1)), RangeError);
});

test("a bend compares what is added at the top with what is added in the middle", () => {
  near(bend(points(0, 1, 2, 3)), 1);
  near(bend(points(9, 1, 2, 4)), 2);
  near(
    bend([
      { x: 0, y: 0 },
      { x: 10, y: 1 },
      { x: 20, y: 2 },
      { x: 60, y: 8 },
    ]),
    1.5,
  );
});
