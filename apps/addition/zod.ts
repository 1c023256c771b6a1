/** Loads zod without its locales, the translations of its messages. */
/// <reference types="node" preserve="true" />
import { createRequire } from "node:module";
import type * as Zod from "zod";

const require = createRequire(import.meta.url);

/**
 * Loads zod. Each entry of zod imports all of its locales, more than 60 files. The schemas here need none, because they have messages of
 * their own. On Node 20, `import` opens all of these files at once, and a process with few file descriptors could not start. `require`
 * opens one file after the other. It also lets an empty module take the place of the one that imports the locales. (English, zod's
 * default, has a file of its own, which is loaded.)
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
