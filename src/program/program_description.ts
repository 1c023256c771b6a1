/**
 * Describes where a thread finds a server's handler classes: in the file that a class names, or in the program. class_loader.ts imports
 * them.
 */
import process from "node:process";
import { classesOf, type Handlers, isRouter } from "../handler/router_interface.ts";
import { BaseHTTPRequestHandler, type RequestHandlerClass } from "../handler/handler.ts";
import { takenSockets } from "./inherited_sockets.ts";
import { callingFile, findMain, startOfProcess } from "./main_module.ts";
import { nameOf } from "../handler/handler_methods.ts";
import { quote } from "../quote_value.ts";
import type { NamedSocket } from "./thread_context.ts";

/** A handler class, for a thread to find. */
export interface ClassLocation {
  readonly name: string;
  /** The URL of the file that the class names in `static module`; null if it names none. */
  readonly module: string | null;
  /** The class is BaseHTTPRequestHandler itself, which a router falls back on. */
  readonly isBase: boolean;
}

/** The description of the program that a thread is given. */
export interface Program {
  readonly classes: readonly ClassLocation[];
  /** The server has a router. */
  readonly isRouted: boolean;
  /** The URL of the program's main module; null if there is none. */
  readonly main: string | null;
  /** Why there is no main module, as a sentence. */
  readonly lack: string;
  /** `process.argv` without its first element. */
  readonly argv: readonly string[];
  /** The listening sockets that `inheritedSockets` has returned to the program. */
  readonly sockets: readonly NamedSocket[];
  /** The number of the server among the servers with classes of the same names, from 0 on, in the order of their construction. */
  readonly nth: number;
}

/** Whether every class is found outside of the program, so that the program need not be imported. */
export function isApart({ classes, main }: Program): boolean {
  return classes.every((location) => isElsewhere(location, main));
}

/** Whether a class is found outside of the program: it names another file, or belongs to this library. */
export function isElsewhere({ module, isBase }: ClassLocation, main: string | null): boolean {
  return isBase || (module !== null && module !== main);
}

/** The key of a server: the names of its classes. Servers with classes of the same names have the same key. */
export function keyOf(classes: readonly { readonly name: string }[]): string {
  return classes.map(({ name }) => name).join();
}

/** The number of servers that have been constructed with each key. */
const counts = new Map<string, number>();

/** Counts a server that is constructed. @returns its number among the servers of its key, from 0 on */
export function count(key: string): number {
  const nth = counts.get(key) ?? 0;
  counts.set(key, nth + 1);
  return nth;
}

/**
 * Describes a server's handlers for its threads.
 * @throws {TypeError} for a `static module` that is not a URL
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
  // Only the class's own `static module` counts. An inherited one names the file of the other class.
  const module: unknown = Object.hasOwn(Handler, "module") ? (Handler as { module?: unknown }).module : undefined;
  if (module !== undefined && !(typeof module === "string" && URL.canParse(module))) {
    throw new TypeError(
      `${nameOf(Handler)}'s static module must be the URL of a file, not ${quote(module)}: write static module = import.meta.url`,
    );
  }
  return { name: Handler.name, module: module ?? null, isBase: Handler === BaseHTTPRequestHandler };
}

/** Advice, for an error: the program does something in a thread that it should do only once. */
export const TWICE =
  "Each thread imports the program as well, up to where it serves. Move code that is not for threads behind serverActivate(), or run it" +
  " only if isMainThread of node:worker_threads is true; or put the handlers into a file of their own, with static module = import.meta.url";

/** Advice, for an error: a thread has not found the handlers. */
export function advice({ classes, main, lack }: Program): string {
  const names = classes.filter(({ isBase }) => !isBase).map(({ name }) => name || "the class");
  const each = names.length > 1 ? "each class" : (names[0] ?? "the class");
  const apart = `put ${each} into a file of its own, which exports it and serves nothing, with static module = import.meta.url`;
  if (main === null) return `${lack}, so there is no file that a thread could import: ${apart}`;
  return (
    `As every thread does, it imported ${main} and waited for a server to be constructed there with ${names.join(", ")}. Construct it at` +
    ` the top level of the program's main file, before any server is activated there; or export ${names.length > 1 ? "the classes" : names[0]}` +
    ` from that file; or ${apart}`
  );
}
