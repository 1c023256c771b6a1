// Everything in one file: one event loop serves, and where there are threads, the error says what to do.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { bundlers } from "./bundlers.mjs";
import { became, makeUser } from "./user.mjs";

const { folder, entry } = makeUser();

/** With the way of each bundler to leave a package out. */
const ADVICE =
  /cannot start a thread: .* A bundler has put .* Mark plinth as external, .*esbuild.*bun build.*ncc.*rollup.*Vite.*webpack/;

function check({ loop, threads, listeners }) {
  assert.deepEqual(loop.map(statusOf), ["200", "422"]);
  assert.equal(loop[0], '200 {"sum":3,"apart":false}');
  assert.match(String(threads), new RegExp(`^Error: ${ADVICE.source}`));
  assert.match(String(listeners), new RegExp(`^Error: cannot listen on 127\\.0\\.0\\.1:0: ${ADVICE.source}`));
}

const statusOf = (answer) => answer.slice(0, 3);

for (const [name, make] of Object.entries(bundlers)) {
  test(name, async () => {
    const out = fs.mkdtempSync(path.join(folder, "out-"));
    const bundle = await make({ folder, entry, out, external: false });
    assert.deepEqual(bundle.said, []);
    check(await became(bundle));
  });
}

describe("a bundle that was made for Node", () => {
  for (const runtime of ["node-20", "bun", "deno"]) {
    for (const name of ["esbuild, ESM", "esbuild, CommonJS"]) {
      test(`${name}, on ${runtime}`, async () => {
        const out = fs.mkdtempSync(path.join(folder, "out-"));
        const result = await became(await bundlers[name]({ folder, entry, out, external: false }), runtime);
        if (runtime !== "node-20") return check(result);
        assert.match(result.listeners, /Node/); // which shares no port there
        check({ ...result, listeners: `Error: cannot listen on 127.0.0.1:0: ${String(result.threads).slice(7)}` });
      });
    }
  }
});
