/** The programs in the pages of the documentation: every block of TypeScript, and what the block behind it shows. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { root } from "../support/places.ts";

/** A block of TypeScript in a page. */
export interface Block {
  /** Where it begins: "docs/GUIDE.md:12". */
  readonly place: string;
  /** Its file, without its ending, in a folder for each page: "guide/line-12", or as its first line says, so that others can import it. */
  readonly name: string;
  readonly code: string;
  readonly serves: boolean;
  /** What a console block behind it shows: commands, and what they print. */
  readonly commands: readonly { command: string; output: string }[];
  /** What a text block behind it says that it prints. */
  readonly output: string | null;
}

/** The blocks of TypeScript in a page, each with the block of another kind that comes before the next one and before a heading. */
function blocksOf(file: string, markdown: string): Block[] {
  const found: { line: number; language: string; code: string }[] = [];
  for (const match of markdown.matchAll(/^(?:```(\w*)\n([^]*?)^```|##* .*)$/gm)) {
    const line = markdown.slice(0, match.index).split("\n").length;
    found.push({ line, language: match[1] ?? "#", code: match[2] ?? "" });
  }
  return found.flatMap(({ line, language, code }, i): Block[] => {
    if (language !== "ts") return [];
    const next = found[i + 1];
    const behind = (kind: string): string | null => (next?.language === kind ? next.code : null);
    const commands = [...(behind("console") ?? "").matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm)];
    const [, name] = /^\/\/ ([\w-]+)\.ts\n/.exec(code) ?? [];
    return [
      {
        place: `${file}:${line}`,
        name: `${path.parse(file).name.toLowerCase()}/${name ?? `line-${line}`}`,
        code,
        serves: code.includes("serveForever()"),
        commands: commands.map(([, command, output]) => ({ command, output })),
        output: behind("text"),
      },
    ];
  });
}

/** The programs of a page, given by its path from the root, of which there must be some. */
export async function readBlocks(page: string): Promise<Block[]> {
  const blocks = blocksOf(page, await readFile(path.join(root, page), "utf8"));
  assert.ok(blocks.length > 0, `${page} has no program`);
  return blocks;
}
