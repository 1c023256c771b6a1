/** What the program says of itself is what its package says. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { VERSION } from "plinth";
import { root } from "./support/places.ts";

test("VERSION is the package's version", () => {
  const text = readFileSync(path.join(root, "package.json"), "utf8");
  assert.equal(VERSION, (JSON.parse(text) as { version: string }).version);
});
