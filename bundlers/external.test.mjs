// Plinth left out of the bundle, as its error says: threads and listeners find the program.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { bundlers } from "./bundlers.mjs";
import { became, makeUser } from "./user.mjs";

const { folder, entry } = makeUser();

for (const [name, make] of Object.entries(bundlers)) {
  test(name, async () => {
    const out = fs.mkdtempSync(path.join(folder, "out-"));
    const bundle = await make({ folder, entry, out, external: true });
    assert.deepEqual(bundle.said, []);
    const { loop, threads, listeners } = await became(bundle);
    assert.equal(loop[0], '200 {"sum":3,"apart":false}');
    assert.equal(threads[0], '200 {"sum":3,"apart":true}');
    assert.match(String(listeners[0]), /^200 \{"sum":3,/);
    for (const responses of [loop, threads, listeners]) assert.match(responses[1], /^422 .*no number/);
  });
}
