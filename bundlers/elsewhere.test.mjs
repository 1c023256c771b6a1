// Bundles that were made for Node, on the oldest that we run on, on Bun and on Deno.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { bundlers } from "./bundlers.mjs";
import { became, checkBundled, makeUser } from "./user.mjs";

const { folder, entry } = makeUser();

for (const name of ["esbuild, ESM", "esbuild, CommonJS"]) {
  for (const runtime of ["node-20", "bun", "deno"]) {
    test(`${name}, on ${runtime}`, async () => {
      const out = fs.mkdtempSync(path.join(folder, "out-"));
      const result = await became(await bundlers[name]({ folder, entry, out, external: false }), runtime);
      if (runtime !== "node-20") return checkBundled(result);
      assert.match(result.listeners, /Node/); // which shares no port there
      checkBundled({ ...result, listeners: `Error: cannot listen on 127.0.0.1:0: ${String(result.threads).slice(7)}` });
    });
  }
}
