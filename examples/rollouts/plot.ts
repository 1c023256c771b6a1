/** The return over time as a picture (SVG 1.1), which any browser shows. */
import { MOST_STEPS, STEP } from "./cartpole.ts";
import type { Generation } from "./learner.ts";

const WIDTH = 800;
const HEIGHT = 460;
/** Where the curve is drawn. */
const LEFT = 72;
const RIGHT = 668;
const TOP = 84;
const BOTTOM = 396;

/** @param subtitle what else one should know of this run */
export function plot(generations: readonly Generation[], subtitle: string): string {
  const end = generations.at(-1)?.seconds ?? 1;
  const x = (seconds: number): string => (LEFT + (seconds / end) * (RIGHT - LEFT)).toFixed(1);
  const y = (steps: number): string => (BOTTOM - (steps / MOST_STEPS) * (BOTTOM - TOP)).toFixed(1);
  const points = (value: (generation: Generation) => number): string[] =>
    generations.map((generation) => `${x(generation.seconds)},${y(value(generation))}`);

  const lines: string[] = [];
  for (let steps = 0; steps <= MOST_STEPS; steps += 100)
    lines.push(
      `<line class="grid" x1="${LEFT}" x2="${RIGHT}" y1="${y(steps)}" y2="${y(steps)}"/>`,
      `<text class="tick" x="${LEFT - 10}" y="${y(steps)}" dy="0.35em" text-anchor="end">${steps}</text>`,
    );
  for (const tick of ticksUpTo(end))
    lines.push(
      `<line class="axis" x1="${x(tick)}" x2="${x(tick)}" y1="${BOTTOM}" y2="${BOTTOM + 5}"/>`,
      `<text class="tick" x="${x(tick)}" y="${BOTTOM + 21}" text-anchor="middle">${tick}</text>`,
    );
  lines.push(`<line class="axis" x1="${LEFT}" x2="${RIGHT}" y1="${BOTTOM}" y2="${BOTTOM}"/>`);

  const band = [...points(({ high }) => high), ...points(({ low }) => low).reverse()];
  lines.push(`<polygon class="band" points="${band.join(" ")}"/>`);
  lines.push(`<polyline class="curve" points="${points(({ mean }) => mean).join(" ")}"/>`);
  for (const { number, mean, seconds } of generations) {
    const what = `generation ${number}: ${mean.toFixed(1)} steps, after ${seconds.toFixed(1)} s`;
    lines.push(
      `<circle class="point" cx="${x(seconds)}" cy="${y(mean)}" r="2.5"><title>${escape(what)}</title></circle>`,
    );
  }
  lines.push(...labels(generations, x, y));

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="title what">
<title id="title">Cart-pole: return over time</title>
<desc id="what">${escape(subtitle)}</desc>
<style>
  svg { font-family: system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1d2733 }
  .heading { font-size: 20px; font-weight: 600 }
  .subtitle, .label, .name { font-size: 13px }
  .subtitle, .label, .tick { fill: #5a6673 }
  .tick { font-size: 12px }
  .grid { stroke: #e4e8ec }
  .axis { stroke: #8a95a0 }
  .band { fill: #1f77b4; fill-opacity: 0.16 }
  .curve { fill: none; stroke: #1f77b4; stroke-width: 2.5; stroke-linejoin: round }
  .point { fill: #1f77b4 }
  .of-curve { fill: #14598c; font-weight: 600 }
  .of-band { fill: #5b86a6 }
</style>
<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>
<text class="heading" x="20" y="34">Cart-pole: return over time</text>
<text class="subtitle" x="20" y="56">${escape(subtitle)}</text>
<text class="label" transform="translate(22 ${(TOP + BOTTOM) / 2}) rotate(-90)" text-anchor="middle">return (steps of ${STEP * 1000} ms that the pole stood)</text>
<text class="label" x="${(LEFT + RIGHT) / 2}" y="${BOTTOM + 46}" text-anchor="middle">time (s)</text>
${lines.join("\n")}
</svg>
`;
}

/** Names at the right ends of the curve and its band, so that no legend is needed. */
function labels(
  generations: readonly Generation[],
  x: (seconds: number) => string,
  y: (steps: number) => string,
): string[] {
  const last = generations.at(-1);
  if (last === undefined) return [];
  const at = Number(x(last.seconds)) + 12;
  const text = (css: string, height: number, words: string): string =>
    `<text class="name ${css}" x="${at}" y="${height.toFixed(1)}" dy="0.35em">${words}</text>`;
  // Apart, so that they can be read where the curve runs inside its band.
  const ofCurve = Number(y(last.mean));
  const ofBand = Math.max(Number(y((last.low + last.high) / 2)), ofCurve + 22);
  return [
    text("of-curve", ofCurve, `policy: ${Math.round(last.mean)}`),
    text("of-band", ofBand, "8 in 10 of the"),
    text("of-band", ofBand + 17, "policies tried"),
  ];
}

/** Round numbers from 0 to at most `end`: five to ten of them. */
function ticksUpTo(end: number): number[] {
  const power = 10 ** Math.floor(Math.log10(end));
  const step = [0.1, 0.2, 0.5, 1].map((factor) => factor * power).find((step) => end / step < 10) ?? power;
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
