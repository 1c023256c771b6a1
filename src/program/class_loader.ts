/**
 * Imports, in a thread, the files that export handler classes. Only the entry files of threads import this file, because it imports by
 * computed names, of which bundlers warn.
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
 * Finds a class among the exports of a module.
 * @returns undefined if the module exports it neither by its name nor as the default
 */
export function findClass(exports: Readonly<Record<string, unknown>>, name: string): RequestHandlerClass | undefined {
  for (const candidate of [exports[name], exports["default"]]) {
    if (typeof candidate !== "function" || !(candidate.prototype instanceof BaseHTTPRequestHandler)) continue;
    if (candidate === exports[name] || candidate.name === name) return candidate as RequestHandlerClass;
  }
  return undefined;
}

/**
 * If the program runs under tsx, registers tsx in this thread too, before the thread imports any of the program. On many versions of Node
 * (20 among them), tsx registers itself in the main thread alone.
 */
export async function registerTsx(): Promise<void> {
  const api = apiOfTsx();
  if (api !== null) ((await import(api)) as { register(): unknown }).register();
}

/** The URL of the module that registers tsx; null if the program does not run under tsx. */
function apiOfTsx(): string | null {
  // (Deno does not run tsx, and reading its environment would need a permission.)
  const { NODE_OPTIONS = "" } = "deno" in process.versions ? {} : process.env;
  for (const option of [...process.execArgv, ...NODE_OPTIONS.split(/\s+/)]) {
    const loader = option.replace(/^--[a-z-]+=/, "");
    if (!/^tsx(\/esm)?$|^file:.*\/tsx\/dist\//.test(loader)) continue;
    try {
      // Node finds the argument of --import in the same way.
      const from = loader.startsWith("file:") ? loader : path.resolve("loader");
      const file = createRequire(from).resolve("tsx/esm/api");
      // `require` is given the CommonJS module, which does not find its hooks. The ES module lies beside it.
      return pathToFileURL(file.replace(/\.cjs$/, ".mjs")).href;
    } catch {
      // This option is not tsx, but something with a similar name.
    }
  }
  return null;
}

/** Imports the file of a class. Rejects with {Error} if the file is missing, or does not export the class. */
export async function load(url: string, { name }: ClassLocation): Promise<RequestHandlerClass> {
  if (isMissing(new URL(url)))
    throw new Error(
      `${url}, which ${name} names as its module, does not exist. If a bundler has written this URL in place of import.meta.url, as` +
        " webpack does, leave static module out: the class is then found in the program",
    );
  const exports = (await import(url)) as Record<string, unknown>;
  const Handler = findClass(exports, name);
  if (Handler === undefined) {
    const other = ofAnotherCopy(exports[name] ?? exports["default"], "BaseHTTPRequestHandler");
    const why = other === null ? `does not export it: write export class ${name}` : `cannot be used: ${other}`;
    throw new Error(`${url}, which ${name} names as its module, ${why}`);
  }
  return Handler;
}
