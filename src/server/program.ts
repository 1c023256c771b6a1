/** Where a thread finds what a server was constructed with: in the file that a class names, or in the program, imported once more. */
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import type { RequestRouter } from "./dispatch.ts";
import { BaseHTTPRequestHandler, type RequestHandlerClass } from "./handler.ts";
import { takenSockets } from "./inherited_sockets.ts";
import { callingFile, findMain, startOfProcess } from "./main_module.ts";
import { nameOf } from "./methods.ts";
import type { NamedSocket } from "./place.ts";

/** A handler class, for a thread to find. */
export interface ClassPlace {
  readonly name: string;
  /** The URL of the file that the class names as its own; null where it names none. */
  readonly module: string | null;
  /** It is BaseHTTPRequestHandler itself, which a router falls back on. */
  readonly isBase: boolean;
}

/** What a thread is told of the program. */
export interface Program {
  readonly classes: readonly ClassPlace[];
  /** The server has a router. */
  readonly isRouted: boolean;
  /** The URL of the program's main module; null where there is none. */
  readonly main: string | null;
  /** Why there is none, as a sentence. */
  readonly lack: string;
  readonly argv: readonly string[];
  /** The listening sockets that it was started with, where it has asked for them. */
  readonly sockets: readonly NamedSocket[];
  /** Which of the servers with such classes it is, in the order in which they are constructed. */
  readonly nth: number;
}

export type Handlers = RequestHandlerClass | RequestRouter;

export function isRouter(handlers: Handlers): handlers is RequestRouter {
  return typeof handlers === "object";
}

export function classesOf(handlers: Handlers): RequestHandlerClass[] {
  return isRouter(handlers) ? [...new Set(handlers.handlers)] : [handlers];
}

/** Whether every class says where it is, so that the program need not be imported. */
export function isApart({ classes, main }: Program): boolean {
  return classes.every((place) => isElsewhere(place, main));
}

/** Whether a class is not to be looked for in the program itself. */
export function isElsewhere({ module, isBase }: ClassPlace, main: string | null): boolean {
  return isBase || (module !== null && module !== main);
}

/** What servers of the same classes have in common. */
export function keyOf(handlers: Handlers): string {
  return classesOf(handlers)
    .map(({ name }) => name)
    .join();
}

/** How many servers have been constructed of each key. */
const counts = new Map<string, number>();

/** Counts the servers of a key. @returns the number of this one, from 0 on */
export function count(key: string): number {
  const nth = counts.get(key) ?? 0;
  counts.set(key, nth + 1);
  return nth;
}

/**
 * Describes a server's handlers for its threads.
 * @throws {TypeError} for a `static module` that is no URL
 */
export function describeProgram(handlers: Handlers, nth: number): Program {
  const { url, lack } = findMain(startOfProcess(), callingFile);
  return {
    classes: classesOf(handlers).map(placeOf),
    isRouted: isRouter(handlers),
    main: url,
    lack,
    argv: process.argv.slice(1),
    sockets: takenSockets,
    nth,
  };
}

function placeOf(Handler: RequestHandlerClass): ClassPlace {
  // Its own: a class that extends another is not to be found in that one's file.
  const module: unknown = Object.hasOwn(Handler, "module") ? (Handler as { module?: unknown }).module : undefined;
  if (module !== undefined && !(typeof module === "string" && URL.canParse(module))) {
    throw new TypeError(
      `${nameOf(Handler)} has a static member module that is no URL of a file; write static module = import.meta.url`,
    );
  }
  return { name: Handler.name, module: module ?? null, isBase: Handler === BaseHTTPRequestHandler };
}

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

/** The same of a program that was described. */
export function keyOfProgram({ classes }: Program): string {
  return classes.map(({ name }) => name).join();
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

/** Imports the file of a class. Rejects where it does not export the class. */
export async function load(url: string, { name }: ClassPlace): Promise<RequestHandlerClass> {
  const Handler = findClass((await import(url)) as Record<string, unknown>, name);
  if (Handler === undefined)
    throw new Error(`${url}, which ${name} names as its module, does not export it: write export class ${name}`);
  return Handler;
}

/** What to write where a program does in a thread what only one can do. */
export const TWICE =
  "Each thread imports the program as well, up to where it serves: do what is not for threads behind serverActivate(), or only if" +
  " isMainThread of node:worker_threads says so; or put the handlers into a file of their own, with static module = import.meta.url";

/** What to write where a thread has not found the handlers. */
export function advice({ classes, main, lack }: Program): string {
  const names = classes.filter(({ isBase }) => !isBase).map(({ name }) => name || "the class");
  const one = names.length > 1 ? "each class" : (names[0] ?? "the class");
  const apart = `put ${one} into a file of its own, which exports it and serves nothing, with static module = import.meta.url`;
  if (main === null) return `${lack}, so there is no file that a thread could import: ${apart}`;
  return (
    `As every thread does, it imported ${main} and waited for a server to be constructed there with ${names.join(", ")}. Construct it at` +
    ` the top level of the program's main file, before any server is activated there; or export ${names.length > 1 ? "the classes" : names[0]}` +
    ` from that file; or ${apart}`
  );
}
