/** Reads docs/PYTHON.md, so that tests can hold it to its word. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { root } from "../../support/places.ts";

/** The page itself. */
export const page = readFileSync(path.join(root, "docs/PYTHON.md"), "utf8");

export interface Section {
  readonly heading: string;
  /** The rows of its table, cell by cell, without the heading row. Empty where there is no table. */
  readonly rows: readonly (readonly string[])[];
}

/** Every section, in order. */
export const sections: readonly Section[] = page
  .split(/^#+ /m)
  .slice(1)
  .map((text) => {
    const lines = text.split("\n").filter((line) => line.startsWith("|"));
    return {
      heading: text.slice(0, text.indexOf("\n")),
      rows: lines.slice(2).map((line) =>
        line
          .slice(1, -1)
          .split(/(?<!\\)\|/)
          .map((cell) => cell.trim()),
      ),
    };
  });

/** The rows under a heading. @throws {Error} when there are none */
export function rowsUnder(heading: string): Section["rows"] {
  const rows = sections.find((section) => section.heading === heading)?.rows ?? [];
  if (rows.length === 0) throw new Error(`docs/PYTHON.md has no table under "${heading}"`);
  return rows;
}

/** What stands between backticks. */
export function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code);
}
