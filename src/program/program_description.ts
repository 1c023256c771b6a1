/** Where a thread finds what a server was constructed with: in the file that a class names, or in the program. class_loader.ts imports it. */
import process from "node:process";
import { classesOf, type Handlers, isRouter } from "../handler/router_interface.ts";
import { BaseHTTPRequestHandler, type RequestHandlerClass } from "../handler/handler.ts";
import { takenSockets } from "./inherited_sockets.ts";
import { callingFile, findMain, startOfProcess } from "./main_module.ts";
import { nameOf } from "../handler/handler_methods.ts";
import type { NamedSocket } from "./thread_context.ts";

/** A handler class, for a thread to find. */
export interface ClassLocation {
  readonly name: string;
  /** The URL of the file that the class names as its own; null where it names none. */
  readonly module: string | null;
  /** It is BaseHTTPRequestHandler itself, which a router falls back on. */
  readonly isBase: boolean;
}

/** What a thread is told of the program. */
export interface Program {
  readonly classes: readonly ClassLocation[];
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

/** Whether every class says where it is, so that the program need not be imported. */
export function isApart({ classes, main }: Program): boolean {
  return classes.every((place) => isElsewhere(place, main));
}

/** Whether a class is not to be looked for in the program itself. */
export function isElsewhere({ module, isBase }: ClassLocation, main: string | null): boolean {
  return isBase || (module !== null && module !== main);
}

/** What servers of the same classes have in common: the names of those. */
export function keyOf(classes: readonly { readonly name: string }[]): string {
  return classes.map(({ name }) => name).join();
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
    classes: classesOf(handlers).map(locationOf),
    isRouted: isRouter(handlers),
    main: url,
    lack,
    argv: process.argv.slice(1),
    sockets: takenSockets,
    nth,
  };
}

function locationOf(Handler: RequestHandlerClass): ClassLocation {
  // Its own: a class that extends another is not to be found in that one's file.
  const module: unknown = Object.hasOwn(Handler, "module") ? (Handler as { module?: unknown }).module : undefined;
  if (module !== undefined && !(typeof module === "string" && URL.canParse(module))) {
    throw new TypeError(
      `${nameOf(Handler)} has a static member module that is no URL of a file; write static module = import.meta.url`,
    );
  }
  return { name: Handler.name, module: module ?? null, isBase: Handler === BaseHTTPRequestHandler };
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
