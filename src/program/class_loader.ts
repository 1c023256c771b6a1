/**
 * Imports, in a thread, the files that hold handler classes. Only the first files of threads import this one: it imports by computed
 * names, and bundlers warn of those.
 */
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { ofAnotherCopy } from "../runtime/library_copies.ts";
import { BaseHTTPRequestHandler, type RequestHandlerClass } from "../handler/handler.ts";
import type { ClassLocation } from "./program_description.ts";
import { isMissing } from "./start_thread.ts";

/**
 * Finds a class in a module that has been imported.
 * @returns undefined where it is not exported, by its name or as the default
 */
export function findClass(exports: Readonly<Record<string, unknown>>, name: string): RequestHandlerClass | undefined {
  for (const candidate of [exports[name], exports["default"]]) {
    if (typeof candidate !== "function" || !(candidate.prototype instanceof BaseHTTPRequestHandler)) continue;
    if (candidate === exports[name] || candidate.name === name) return candidate as RequestHandlerClass;
  }
  return undefined;
}

/**
 * Lets a thread import what tsx has let the program import, before it imports any of it. Under many versions of Node (20 among them), tsx
 * sees to the main thread alone.
 */
export async function registerTsx(): Promise<void> {
  const api = apiOfTsx();
  if (api !== null) ((await import(api)) as { register(): unknown }).register();
}

/** The URL of the module by which tsx is registered; null where the program does not run under it. */
function apiOfTsx(): string | null {
  // (Deno would have to be asked for the environment, and has no tsx.)
  const { NODE_OPTIONS = "" } = "deno" in process.versions ? {} : process.env;
  for (const option of [...process.execArgv, ...NODE_OPTIONS.split(/\s+/)]) {
    const loader = option.replace(/^--[a-z-]+=/, "");
    if (!/^tsx(\/esm)?$|^file:.*\/tsx\/dist\//.test(loader)) continue;
    try {
      // As Node finds what is given to --import.
      const from = loader.startsWith("file:") ? loader : path.resolve("loader");
      const file = createRequire(from).resolve("tsx/esm/api");
      // The module that import has, which lies beside that which require has: only the former finds its hooks.
      return pathToFileURL(file.replace(/\.cjs$/, ".mjs")).href;
    } catch {
      // Another thing of that name.
    }
  }
  return null;
}

/** Imports the file of a class. Rejects where it is not there, or does not export the class. */
export async function load(url: string, { name }: ClassLocation): Promise<RequestHandlerClass> {
  if (isMissing(new URL(url)))
    throw new Error(
      `${url}, which ${name} names as its module, is not there. Where a bundler has written that into import.meta.url, as webpack does,` +
        " leave static module out: the class is then found in the program",
    );
  const exports = (await import(url)) as Record<string, unknown>;
  const Handler = findClass(exports, name);
  if (Handler === undefined) {
    const other = ofAnotherCopy(exports[name] ?? exports["default"], "BaseHTTPRequestHandler");
    const why = other === null ? `does not export it: write export class ${name}` : `is of no use: ${other}`;
    throw new Error(`${url}, which ${name} names as its module, ${why}`);
  }
  return Handler;
}
