// The result file as a picture (SVG), by our own means: bars of requests a second, one large panel and small ones below it.

const WIDTH = 860;
const MARGIN = 24;
/** Between two columns of small panels. */
const GUTTER = 28;
/** Between a bar and its figure. */
const GAP = 6;
const INSIDE = WIDTH - 2 * MARGIN;

/** The large panel's measure, and those of the small ones. What is not in the result is not drawn. */
const LARGE = {
  name: "add",
  title: "POST / with two numbers as JSON, 64 connections",
  each: true,
  names: 348,
  row: 26,
  bar: 16,
  size: 13,
};
const SMALL = [
  { name: "runtimes", title: "the same, on each runtime", each: true },
  { name: "runtimes-pipelined", title: "16 requests in flight", each: true },
  { name: "pipelined", title: "the same, 16 requests in flight a connection" },
  { name: "browser", title: "GET by path, a browser's head" },
  { name: "varied", title: "no two requests the same" },
  { name: "churn", title: "a new connection for every request" },
  { name: "tls", title: "the addition over TLS", each: true },
  { name: "tls-churn", title: "a TLS handshake for every request", each: true },
].map((panel) => ({ each: false, ...panel, names: 172, row: 21, bar: 13, size: 12 }));

/** The peer that is drawn as the limit: it does nothing but what cannot be left out. */
const LIMIT = "c";
/** With so much of its core taken, the load may have been the slower one. */
const FULL = 0.95;
const DAGGER = "\u2020";

/**
 * Draws a result.
 * @param {object} result what a result file holds
 * @returns {string} SVG, light or dark as its reader's system is
 * @throws {Error} when it has none of the measures that are drawn
 */
export function chart(result) {
  const { machine, versions } = result.about;
  const found = (panel) => ({ ...panel, rows: rowsOf(result, panel) });
  const large = found(LARGE);
  const small = SMALL.map(found).filter(({ rows }) => rows.length > 0);
  if (large.rows.length + small.length === 0)
    throw new Error(`cannot draw: the result has none of ${[LARGE, ...SMALL].map(({ name }) => name).join(", ")}`);

  const parts = [
    text("heading", MARGIN, 40, "Requests a second, one core for the server", 20),
    ...wrap(`Median over the rounds; the line through a bar's end goes from the least to the most.`, INSIDE, 13).map(
      (line) => text("soft", MARGIN, 62, line, 13),
    ),
  ];
  let y = 84;
  if (large.rows.length > 0) {
    const drawn = panel(large, MARGIN, y, INSIDE);
    parts.push(drawn.svg);
    y += drawn.height + 30;
  }
  const width = (INSIDE - GUTTER) / 2;
  for (let i = 0; i < small.length; i += 2) {
    const pair = small.slice(i, i + 2).map((one, column) => panel(one, MARGIN + column * (width + GUTTER), y, width));
    parts.push(...pair.map(({ svg }) => svg));
    y += Math.max(...pair.map(({ height }) => height)) + 26;
  }
  const footer = [
    ...(parts.join("").includes(DAGGER)
      ? [`${DAGGER} The load's own core was full: the server might have done more.`]
      : []),
    machine,
    versions,
    `${result.date}: ${result.command}`,
  ].flatMap((line) => wrap(line, INSIDE, 11));
  for (const line of footer) {
    parts.push(text("soft", MARGIN, y, line, 11));
    y += 16;
  }
  return page(y + 6, parts, large.rows.length > 0 ? large : small[0]);
}

// --------------------------------------------------------------------------------------------------------------- rows

/** The fastest first. Where not each runtime is drawn, of a peer on two Nodes only the first, which is the newer one. */
function rowsOf(result, { name, each }) {
  const measure = result.measures.find((one) => one.name === name);
  const rows = (measure?.data?.rows ?? []).filter(({ perSecond }) => perSecond?.median > 0);
  const isOther = (row, i) => rows.findIndex((one) => one.peer === row.peer && one.variant === row.variant) === i;
  return rows.filter((row, i) => each || isOther(row, i)).sort((a, b) => b.perSecond.median - a.perSecond.median);
}

const isLimit = ({ peer }) => peer === LIMIT;

// -------------------------------------------------------------------------------------------------------------- panel

/** A panel's title, its bars, and the limit as a line behind them. @returns {{ svg: string, height: number }} */
function panel({ name, title, each, rows, names, row, bar, size }, left, top, width) {
  const limit = rows.find(isLimit);
  const bars = rows.filter((one) => !isLimit(one));
  const from = left + names + 10;
  // As long as they can be, with each bar's figure behind it, and the limit, inside the panel.
  const space = left + width - from;
  const scale = Math.min(
    ...bars.map((one) => (space - widthOf(figureOf(one), size, true) - GAP) / mostOf(one)),
    ...(limit === undefined ? [] : [space / limit.perSecond.median]),
  );
  const x = (value) => from + value * scale;
  const parts = [
    text("title", left, top + 14, name, 14),
    text("soft", left + widthOf(name, 14, true) + 8, top + 14, cut(title, width - widthOf(name, 14, true) - 8, 12), 12),
  ];
  let y = top + 26;
  if (limit !== undefined) {
    const words = `the limit, ${limit.label}: ${count(limit.perSecond.median)}`;
    const at = x(limit.perSecond.median);
    parts.push(text("limit-name", at, y + 11, cut(words, at - left, 11), 11, "end"));
    y += 18;
    parts.push(
      `<line class="limit" x1="${px(at)}" x2="${px(at)}" y1="${px(y - 3)}" y2="${px(y + bars.length * row)}"><title>${escape(described(limit))}</title></line>`,
    );
  }
  for (const one of bars) {
    const { median, min = median } = one.perSecond;
    const ours = one.peer === "plinth" ? " ours" : "";
    const middle = y + row / 2;
    const base = middle + size * 0.36;
    const [label, runtime] = name === LARGE.name ? [one.label, one.runtime] : brief(one, each);
    const beside = runtime === "" ? 0 : widthOf(runtime, size - 2) + 8;
    parts.push(
      text(`name${ours}`, left + names - beside, base, cut(label, names - beside, size, ours !== ""), size, "end"),
      ...(runtime === "" ? [] : [text("soft", left + names, base, runtime, size - 2, "end")]),
      `<rect class="bar${ours}" x="${px(from)}" y="${px(middle - bar / 2)}" width="${px(x(median) - from)}" height="${bar}" rx="2"><title>${escape(described(one))}</title></rect>`,
      `<line class="spread" x1="${px(x(min))}" x2="${px(x(mostOf(one)))}" y1="${px(middle)}" y2="${px(middle)}"/>`,
      text(`figure${ours}`, x(mostOf(one)) + GAP, base, figureOf(one), size),
    );
    y += row;
  }
  parts.push(`<line class="axis" x1="${px(from)}" x2="${px(from)}" y1="${px(y - bars.length * row)}" y2="${px(y)}"/>`);
  return { svg: parts.join("\n"), height: y - top };
}

/** For a small panel: without versions, which the large one has, and the runtime only where it is Node, or each is drawn. */
function brief({ peer, variant, label, runtime }, each) {
  const name = peer === "plinth" ? `Plinth, ${variant}` : label.replace(/ \d+(\.\d+)+$/, "");
  return [name, (each ? /^\w+ \d+/ : /^Node \d+/).exec(runtime)?.[0] ?? ""];
}

const count = (value) => Math.round(value).toLocaleString("en-US");
const figureOf = ({ perSecond, loadBusy }) => `${count(perSecond.median)}${loadBusy > FULL ? ` ${DAGGER}` : ""}`;
const mostOf = ({ perSecond: { median, max = median } }) => Math.max(median, max);

/** What one sees with the pointer on a bar. */
function described({ label, runtime, perSecond: { median, min, max, n }, cpu, p99 }) {
  const words = [`${label}, ${runtime}: ${count(median)} requests/s`];
  if (n > 1) words.push(`${count(min)} to ${count(max)} in ${n} rounds`);
  if (cpu !== undefined) words.push(`${(cpu.median * 1e6).toFixed(2)} µs of a core each`);
  if (p99 !== undefined) words.push(`p99 ${p99.median.toFixed(2)} ms`);
  return words.join("; ");
}

// --------------------------------------------------------------------------------------------------------------- text

/**
 * How wide text is at most, in the fonts that `page` names: nobody can ask, and the widest of them is taken.
 * @param {number} size in pixels
 */
export function widthOf(words, size, bold = false) {
  let em = 0;
  for (const c of words) {
    if (/[ijl.,:;'|! ()[\]/]/.test(c)) em += 0.4;
    else if (/[mwMW@%&µ+<>=]/.test(c)) em += 0.95;
    else if (/[A-Z_]/.test(c)) em += 0.74;
    else em += 0.635;
  }
  return em * size * (bold ? 1.12 : 1);
}

/** As much of a text as fits, with an ellipsis where something is missing. */
function cut(words, width, size, bold = false) {
  if (widthOf(words, size, bold) <= width) return words;
  let end = words.length;
  while (end > 0 && widthOf(`${words.slice(0, end).trimEnd()}…`, size, bold) > width) end--;
  return `${words.slice(0, end).trimEnd()}…`;
}

/** Lines that fit. A word that does not is broken. */
function wrap(words, width, size) {
  const lines = [];
  let line = "";
  for (let word of words.split(" ")) {
    while (widthOf(word, size) > width) {
      let end = word.length;
      while (widthOf(word.slice(0, end), size) > width) end--;
      lines.push(...(line === "" ? [] : [line]), word.slice(0, end));
      line = "";
      word = word.slice(end);
    }
    const longer = line === "" ? word : `${line} ${word}`;
    if (widthOf(longer, size) <= width) line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  return line === "" ? lines : [...lines, line];
}

function text(css, x, y, words, size, anchor = "start") {
  return `<text class="${css}" x="${px(x)}" y="${px(y)}" font-size="${size}"${anchor === "start" ? "" : ` text-anchor="${anchor}"`}>${escape(words)}</text>`;
}

const px = (value) => String(Number(value.toFixed(1)));

function escape(words) {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

// --------------------------------------------------------------------------------------------------------------- page

function page(height, parts, first) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${px(height)}" width="${WIDTH}" height="${px(height)}" role="img" aria-labelledby="title what">
<title id="title">Requests a second, one core for the server</title>
<desc id="what">${escape(`${first.name}: ${first.rows.map(described).join(". ")}.`)}</desc>
<style>
  svg { font-family: system-ui, "Segoe UI", Roboto, Helvetica, Arial, "DejaVu Sans", sans-serif; fill: #1d2733 }
  .page { fill: #ffffff; stroke: #d5dbe1 }
  .heading, .title, .ours { font-weight: 600 }
  .soft, .limit-name { fill: #5a6673 }
  .bar { fill: #a9b6c2 }
  .bar.ours { fill: #1f77b4 }
  .name.ours, .figure.ours { fill: #14598c }
  .figure, .limit-name { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round }
  .spread { stroke: #1d2733; stroke-opacity: 0.55 }
  .axis { stroke: #8a95a0 }
  .limit { stroke: #b45309; stroke-width: 1.5; stroke-dasharray: 4 3 }
  .limit-name { fill: #92420a }
  @media (prefers-color-scheme: dark) {
    svg { fill: #e6edf3 }
    .page { fill: #0d1117; stroke: #30363d }
    .soft { fill: #9aa5b1 }
    .bar { fill: #4b5763 }
    .bar.ours { fill: #3a8fd0 }
    .name.ours, .figure.ours { fill: #79b8f0 }
    .figure, .limit-name { stroke: #0d1117 }
    .spread { stroke: #e6edf3 }
    .axis { stroke: #6b7682 }
    .limit { stroke: #e09a4f }
    .limit-name { fill: #e5a868 }
  }
</style>
<rect class="page" x="0.5" y="0.5" width="${WIDTH - 1}" height="${px(height - 1)}" rx="6"/>
${parts.join("\n")}
</svg>
`;
}
