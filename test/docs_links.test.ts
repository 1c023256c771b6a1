/** Links between the pages of the project lead to files and headings that are there. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { root } from "./support/places.ts";
import { testOnNode as test } from "./support/runtime.ts";

const FOLDERS = ["", "docs", "bench", "examples/rollouts", "test/behaviour", "test/conformance"];

const pages = FOLDERS.flatMap((folder) =>
  readdirSync(path.join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => path.posix.join(folder, name)),
);

/** A page without its blocks of code, in which nothing is a link or a heading. */
function textOf(page: string): string {
  return readFileSync(path.join(root, page), "utf8").replaceAll(/^```[^]*?^```/gm, "");
}

/** What GitHub makes of a page's headings. */
function headingsOf(page: string): string[] {
  return [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\s-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

for (const page of pages) {
  test(`links of ${page} lead somewhere`, () => {
    const dead: string[] = [];
    for (const [, inMarkdown, ofImage] of textOf(page).matchAll(/\]\(([^)\s]+)\)|src="([^"]+)"/g)) {
      const link = inMarkdown ?? ofImage;
      if (/^[a-z]+:/.test(link)) continue;
      const [file, heading] = link.split("#");
      const target = file === "" ? page : path.posix.join(path.posix.dirname(page), file);
      if (!existsSync(path.join(root, target))) dead.push(link);
      else if (heading !== undefined && !headingsOf(target).includes(heading)) dead.push(link);
    }
    assert.deepEqual(dead, []);
  });
}

test("there are pages, and links in them", () => {
  for (const page of ["README.md", "SECURITY.md", "ROADMAP.md", "CONTRIBUTING.md", "docs/GUIDE.md"])
    assert.ok(pages.includes(page), page);
  assert.ok(headingsOf("docs/GUIDE.md").includes("behind-a-proxy"));
});

test("files that tables of docs/ARCHITECTURE.md and docs/RUNTIMES.md name are there", () => {
  const dead: string[] = [];
  for (const page of ["docs/ARCHITECTURE.md", "docs/RUNTIMES.md"])
    for (const row of textOf(page).match(/^\|.*\|$/gm) ?? []) {
      // The first file of a row has its whole path; the others may be named from its folder, or from src/.
      let folder = "";
      for (const [, file] of row.matchAll(/`([\w/]+\.(?:test\.)?ts)`/g)) {
        const places = [
          file,
          `test/${file}`,
          `src/${file}`,
          `${folder}/${file}`,
          `${path.posix.dirname(folder)}/${file}`,
        ];
        const found = places.find((place) => existsSync(path.join(root, place)));
        if (found === undefined) dead.push(`${page}: ${file}`);
        else folder = path.posix.dirname(found);
      }
    }
  assert.deepEqual(dead, []);
});
