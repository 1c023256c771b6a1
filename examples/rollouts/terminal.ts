/** What a terminal shows: a line of progress while it learns, and the curve at the end. */
import type { WriteStream } from "node:tty";
import { MOST_STEPS } from "./cartpole.ts";
import type { Generation } from "./learner.ts";

const BLOCKS = " ▁▂▃▄▅▆▇█";

/** Says how far learning has come: in a terminal on one line, which is written again; elsewhere on a line now and then. */
export class Progress {
  readonly #out: Pick<WriteStream, "write" | "isTTY" | "columns">;
  readonly #pause: number;
  #said = -Infinity;

  /** @param pause seconds between two lines where lines cannot be written again */
  constructor(out: Pick<WriteStream, "write" | "isTTY" | "columns">, pause: number = 2) {
    this.#out = out;
    this.#pause = pause;
  }

  show(generation: Generation): void {
    const { number, mean, episodes, seconds } = generation;
    const bar = barOf(mean / MOST_STEPS, 16);
    const line = `generation ${pad(number, 3)}  return ${pad(mean.toFixed(1), 5)} of ${MOST_STEPS} ${bar}  ${pad(episodes, 6)} episodes  ${pad(seconds.toFixed(1), 4)} s`;
    if (this.#out.isTTY) {
      this.#out.write(`\r\x1b[K${line.slice(0, (this.#out.columns || 80) - 1)}`);
    } else if (generation.solved || seconds - this.#said >= this.#pause) {
      this.#said = seconds;
      this.#out.write(`${line}\n`);
    }
  }

  end(): void {
    if (this.#out.isTTY) this.#out.write("\n");
  }
}

function pad(value: number | string, width: number): string {
  return String(value).padStart(width);
}

/** A bar that grows to the right, an eighth of a character at a time. @param share from 0 to 1 */
function barOf(share: number, width: number): string {
  const eighths = Math.round(share * width * 8);
  const rest = " ▏▎▍▌▋▊▉"[eighths % 8];
  return ("█".repeat(eighths >> 3) + (rest === " " ? "" : rest)).padEnd(width, "·");
}

/** The curve in lines of text, a column for each bit of time, eight heights to a line. */
export function chart(generations: readonly Generation[], width: number = 60, height: number = 8): string {
  const last = generations.at(-1);
  if (last === undefined) return "";
  const columns = Array.from({ length: width }, (_, column) => {
    const until = ((column + 1) / width) * last.seconds;
    const { mean } = generations.findLast(({ seconds }) => seconds <= until) ?? generations[0];
    return Math.round((mean / MOST_STEPS) * height * 8);
  });
  const lines = ["return"];
  for (let row = height - 1; row >= 0; row--) {
    const axis = row === height - 1 ? `${MOST_STEPS} ┤` : row === height / 2 - 1 ? `${MOST_STEPS / 2} ┤` : "    │";
    const blocks = columns.map((eighths) => BLOCKS[Math.min(8, Math.max(0, eighths - row * 8))]).join("");
    lines.push(axis + blocks.trimEnd());
  }
  lines.push(`  0 └${"─".repeat(width)}`);
  const end = `${last.seconds.toFixed(1)} s`;
  lines.push(`     0${end.padStart(width - 1)}`);
  return lines.join("\n");
}
