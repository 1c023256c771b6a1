/** zod, without its locales: the languages that it can say its own messages in. */
/// <reference types="node" preserve="true" />
import { createRequire } from "node:module";
import type * as Zod from "zod";

const require = createRequire(import.meta.url);

/**
 * Loads zod. Each of its entries loads all of its locales, more than 60 files, and the contract needs none: its messages are its own.
 * An `import` in Node 20 opens all files that a module needs at once, so that a process with few file descriptors could not start.
 * `require` loads one file after the other, and lets an empty module take the place of the one that names all locales. (English,
 * zod's default, is loaded from its own file.)
 */
function load(): typeof Zod {
  const locales = require.resolve("zod/v4/locales");
  const isLoaded = locales in require.cache;
  if (!isLoaded) require.cache[locales] = { exports: {}, filename: locales, id: locales, loaded: true } as NodeModule;
  try {
    return require("zod") as typeof Zod;
  } finally {
    if (!isLoaded) delete require.cache[locales];
  }
}

export const { z } = load();
