// What is made of the figures of several rounds.

/** The middle one; of an even number, the mean of the two in the middle. NaN of none. */
export function median(values) {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The smallest value that at least `percent` of all do not exceed (nearest rank): one that did occur. NaN of none. */
export function percentile(values, percent) {
  if (values.length === 0) return NaN;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
}

/** The median, and how far the rounds lie apart. */
export function spread(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), n: values.length };
}

/**
 * The ratio of figures that were taken in pairs, `over[i]` right beside `under[i]`: what slows a whole pair down cancels out.
 * Geometric, since ratios are; with the 95 % interval of Student's t over the pairs' logarithms, which wants three pairs to say
 * something: it is unbounded with one.
 * @returns {{ ratio: number, low: number, high: number, n: number }}
 */
export function pairedRatio(over, under) {
  if (over.length !== under.length || over.length === 0)
    throw new RangeError(`pairs are wanted, not ${over.length} and ${under.length} figures`);
  const logs = over.map((value, i) => Math.log(value / under[i]));
  const n = logs.length;
  const mean = logs.reduce((sum, value) => sum + value, 0) / n;
  if (n === 1) return { ratio: Math.exp(mean), low: 0, high: Infinity, n };
  const variance = logs.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  const half = studentT(n - 1) * Math.sqrt(variance / n);
  return { ratio: Math.exp(mean), low: Math.exp(mean - half), high: Math.exp(mean + half), n };
}

/**
 * The straight line that lies nearest to points (least squares).
 * @param {readonly { x: number, y: number }[]} points at least two, of different x
 * @returns {{ slope: number, intercept: number, fits: number }} `fits`: R², 1 where all points lie on the line
 */
export function fitLine(points) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const x = mean(points.map((point) => point.x));
  const y = mean(points.map((point) => point.y));
  let xx = 0;
  let xy = 0;
  let yy = 0;
  for (const point of points) {
    xx += (point.x - x) ** 2;
    xy += (point.x - x) * (point.y - y);
    yy += (point.y - y) ** 2;
  }
  if (!(xx > 0)) throw new RangeError("a line wants two points of different x");
  const slope = xy / xx;
  return { slope, intercept: y - slope * x, fits: yy === 0 ? 1 : (xy * xy) / (xx * yy) };
}

/**
 * Whether a cost goes on growing as it did: its growth from the last point but one to the last, over that between the middle points, each for
 * one more of x.
 * @param {readonly { x: number, y: number }[]} points at least four, x growing
 * @returns {number} 1 on a straight line, more where it bends upwards
 */
export function bend(points) {
  const slope = (from, to) => (to.y - from.y) / (to.x - from.x);
  const middle = points.length >> 1;
  return slope(points.at(-2), points.at(-1)) / slope(points[middle - 1], points[middle]);
}

/** Student's t for 95 %, both sides, by degrees of freedom from 1 on. */
const T95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

export function studentT(degrees) {
  // Beyond the table it is never less than the normal distribution's 1.96, nor more than this, by a thousandth.
  return T95[degrees - 1] ?? 1.96 + 2.46 / degrees;
}
