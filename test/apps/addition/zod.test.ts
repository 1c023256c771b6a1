/** zod as the addition loads it. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import type * as Locales from "zod/v4/locales";
import { z } from "../../../apps/addition/zod.ts";

test("its messages are there in English, and other locales are not loaded but for those who ask for them", () => {
  const require = createRequire(import.meta.url);
  assert.match(z.number().safeParse("x").error!.message, /expected number, received string/);
  const loaded = Object.keys(require.cache).filter((file) => /zod[\\/]v4[\\/]locales[\\/].*\.cjs$/.test(file));
  assert.deepEqual(
    loaded.map((file) => file.replace(/.*[\\/]/, "")),
    ["en.cjs"],
  );
  const { de } = require("zod/v4/locales") as typeof Locales;
  assert.match(z.number().safeParse("x", { error: de().localeError }).error!.message, /erwartet/);
});
