// Everything in one file: one event loop serves, and where there are threads, the error says what to do.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { bundlers } from "./bundlers.mjs";
import { became, checkBundled, makeUser } from "./user.mjs";

const { folder, entry } = makeUser();

for (const [name, make] of Object.entries(bundlers)) {
  test(name, async () => {
    const out = fs.mkdtempSync(path.join(folder, "out-"));
    const bundle = await make({ folder, entry, out, external: false });
    assert.deepEqual(bundle.said, []);
    checkBundled(await became(bundle));
  });
}
