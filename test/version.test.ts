/** What the program says of itself is what its package says. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { VERSION } from "plinth";

test("VERSION is the package's version", () => {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  assert.equal(VERSION, (JSON.parse(text) as { version: string }).version);
});
