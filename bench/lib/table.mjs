// Tables of text.

/**
 * Lays rows out in columns. A column whose cells (the first row apart) are all numbers, with or without a unit, is set to the right.
 * @param {readonly (readonly string[])[]} rows the first is the heading
 * @param {string} indent
 */
export function table(rows, indent = "") {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length)));
  const right = Array.from({ length: columns }, (_, i) => {
    const cells = rows.slice(1).map((row) => row[i] ?? "");
    return cells.some((cell) => cell !== "") && cells.every((cell) => cell === "" || /^[-+<>≤≥]?\s?\d/.test(cell));
  });
  const line = (row) =>
    indent +
    widths
      .map((width, i) => (right[i] ? (row[i] ?? "").padStart(width) : (row[i] ?? "").padEnd(width)))
      .join("  ")
      .trimEnd();
  const rule = indent + widths.map((width) => "-".repeat(width)).join("  ");
  return [line(rows[0]), rule, ...rows.slice(1).map(line)].join("\n");
}

/** A number with three figures that count, thousands apart: 0.0123, 1.23, 12.3, 123, 12,300. */
export function figure(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "?" : value > 0 ? "∞" : "-∞";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en-US");
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

/** As `figure`, and always with its sign. */
export function signed(value) {
  return value >= 0 ? `+${figure(value)}` : figure(value);
}

/** "min … max", the spread of a figure over the rounds. */
export function range({ min, max }, show = figure) {
  return min === max ? "" : `${show(min)} … ${show(max)}`;
}

/** "low … high", a 95 % interval; "" where there was but one pair. */
export function interval({ low, high, n }, show = figure) {
  return n < 2 ? "" : `${show(low)} … ${show(high)}`;
}
