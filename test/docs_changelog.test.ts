/** The form of CHANGELOG.md: versions, and in each what was Added, Changed and Fixed. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { root } from "./support/places.ts";
import { testOnNode as test } from "./support/runtime.ts";

const [, ...versions] = readFileSync(path.join(root, "CHANGELOG.md"), "utf8").split(/^## /m);

test("the changelog begins with what is not released, and has nothing outside of its sections", () => {
  assert.match(versions[0] ?? "", /^Unreleased\n/);
  for (const version of versions) {
    const [head, ...sections] = version.split(/^### /m);
    const name = head.split("\n")[0];
    assert.equal(head.trim(), name, `${name}: every entry stands in a section`);
    const titles = sections.map((section) => section.split("\n")[0]);
    assert.deepEqual(
      titles,
      ["Added", "Changed", "Fixed"].filter((title) => titles.includes(title)),
      `${name}: its sections`,
    );
    for (const section of sections) assert.match(section, /^\w+\n\n- /, `${name}: a section has entries`);
  }
});
