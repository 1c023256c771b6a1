/** The program of a thread: finds the handlers of its server, as program.ts says, and runs them. */
import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";
import type { RequestRouter } from "../server/dispatch.ts";
import { LoopExecutor } from "../server/executor.ts";
import { BaseHTTPRequestHandler, type RequestHandlerClass } from "../server/handler.ts";
import { describe } from "../server/log.ts";
import { enterHandlerThread, type HandlerThread } from "../server/place.ts";
import type { HTTPServer } from "../server/server.ts";
import type { Services } from "../server/services.ts";
import { PoolMemory } from "./memory.ts";
import type { Sent, ThreadStart, ToThread } from "./messages.ts";
import { ThreadingHTTPServer } from "./mixin.ts";
import { advice, type ClassPlace, findClass, isApart, isElsewhere, keyOf } from "./program.ts";
import { Runner } from "./runner.ts";
import { runsFor } from "./stats.ts";

/** How long the program may take until it has constructed its server. In milliseconds. */
const IMPORT_TIMEOUT = 60_000;
/** How long, when it has come to its end, or to serve with another server, and has not constructed it. In milliseconds. */
const LATE_TIMEOUT = 3_000;

const start = workerData as ThreadStart;
const { program } = start;
const port = parentPort!;
const memory = new PoolMemory(start.layout, start.buffer);
const runner = new Runner(memory, start.index, port);

/** A server that was constructed in this thread. */
interface Constructed {
  readonly server: HTTPServer;
  readonly services: () => Services;
}

class Thread implements HandlerThread {
  readonly silent = start.silent;
  readonly threadData = start.threadData;
  /** Tells of what was constructed, and of servers that would serve. */
  onParked: (() => void) | null = null;
  onConstructed: (() => void) | null = null;
  readonly #constructed = new Map<string, Constructed[]>();
  readonly #downs: (() => void)[] = [];

  readonly writeLog = (line: string): void => {
    if (runner.current !== null) runner.current.log(line);
    else tell({ log: line });
  };

  get serverAddress(): readonly [host: string, port: number] {
    return memory.address;
  }

  constructed(server: HTTPServer, services: () => Services): void {
    const key = keyOf(server.RequestHandlerClass);
    const same = this.#constructed.get(key);
    if (same === undefined) this.#constructed.set(key, [{ server, services }]);
    else same.push({ server, services });
    this.onConstructed?.();
  }

  /** The server of that key that was constructed as the nth, if it has been. */
  find(key: string, nth: number): Constructed | undefined {
    return this.#constructed.get(key)?.[nth];
  }

  park(): Promise<never> {
    if (runner.current !== null)
      return Promise.reject(new Error("a server that was constructed in a thread of handlers does not serve"));
    this.onParked?.();
    return new Promise(() => {});
  }

  shutdown(atOnce: boolean): Promise<void> {
    tell({ shutdown: this.#downs.length, atOnce, ticket: runner.current?.ticket ?? 0 });
    return new Promise((resolve) => this.#downs.push(resolve));
  }

  /** The shutdown that was asked for as the nth need not be waited for any more. */
  isDown(nth: number): void {
    this.#downs[nth]();
  }
}

function tell(plinth: Sent["plinth"]): void {
  port.postMessage({ plinth });
}

const thread = new Thread();
enterHandlerThread(thread);
runsFor(memory);

port.on("message", (message: ToThread) => {
  if (message === 0) runner.look();
  else if ("down" in message) thread.isDown(message.down);
  else process.exit(0);
});

try {
  const found = await findHandlers();
  const services = found.services();
  // What the program has begun besides may fail at once, such as to listen where it listens already.
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  runner.run(new LoopExecutor(services), services.turn);
  tell({ ready: true, needsRoutes: found.needsRoutes });
} catch (error) {
  const failed = error instanceof Error ? error : new Error(describe(error));
  try {
    tell({ failed });
  } catch {
    tell({ failed: new Error(failed.message) }); // its cause cannot be copied
  }
}

/** Finds the handlers. Rejects with what to write where they cannot be found. */
async function findHandlers(): Promise<Constructed & { needsRoutes: boolean }> {
  if (isApart(program)) return constructHere((place) => load(place.module!, place));
  if (program.main === null) throw notFound();
  process.argv.splice(1, Infinity, ...program.argv);
  const key = program.classes.map(({ name }) => name).join();
  const exports = await importProgram(program.main, (exported) => {
    if (thread.find(key, program.nth) !== undefined) return true;
    return (
      exported !== null &&
      program.classes.every((place) => isElsewhere(place, program.main) || findClass(exported, place.name))
    );
  });
  const constructed = thread.find(key, program.nth);
  if (constructed !== undefined) return { ...constructed, needsRoutes: false };
  // It may serve only where it is not imported, as Python's programs do, and export the class.
  return constructHere(async (place) => {
    if (isElsewhere(place, program.main)) return load(place.module!, place);
    const Handler = exports === null ? undefined : findClass(exports, place.name);
    if (Handler === undefined) throw notFound();
    return Handler;
  });
}

function notFound(): Error {
  return new Error(`a thread has not found the handlers. ${advice(program)}`);
}

/**
 * Imports the program, up to where it serves.
 * @param isFound whether what it is imported for has been constructed, or is among what it exports
 * @returns what it exports; null where it has not come to its end, and need not
 */
function importProgram(
  main: string,
  isFound: (exports: Record<string, unknown> | null) => boolean,
): Promise<Record<string, unknown> | null> {
  return new Promise((resolve, reject) => {
    let exported: Record<string, unknown> | null = null;
    const late = setTimeout(() => reject(notFound()), IMPORT_TIMEOUT);
    const look = (): boolean => {
      if (!isFound(exported)) return false;
      clearTimeout(late);
      resolve(exported);
      return true;
    };
    // It has come to its end, or to where it will stay; what it has begun may still construct the server.
    const lookSoon = (): void => {
      if (look()) return;
      thread.onConstructed = () => setImmediate(look);
      setTimeout(() => {
        if (!look()) reject(notFound());
      }, LATE_TIMEOUT);
    };
    thread.onParked = lookSoon;
    import(main).then(
      (exports: Record<string, unknown>) => {
        exported = exports;
        lookSoon();
      },
      (error: unknown) => {
        clearTimeout(late);
        const what = error instanceof Error ? `${error.name}: ${error.message}` : describe(error);
        reject(new Error(`a thread has failed to import ${main}: ${what}`, { cause: error }));
      },
    );
  });
}

/** Imports the file of a class. */
async function load(url: string, { name }: ClassPlace): Promise<RequestHandlerClass> {
  const Handler = findClass((await import(url)) as Record<string, unknown>, name);
  if (Handler === undefined)
    throw new Error(`${url}, which ${name} names as its module, does not export it: write export class ${name}`);
  return Handler;
}

/** Constructs the server as this thread needs it, of classes that were found one by one. */
async function constructHere(
  find: (place: ClassPlace) => Promise<RequestHandlerClass>,
): Promise<Constructed & { needsRoutes: boolean }> {
  const classes: RequestHandlerClass[] = [];
  for (const place of program.classes) classes.push(place.isBase ? BaseHTTPRequestHandler : await find(place));
  const handlers = program.isRouted ? routerOf(classes) : classes[0];
  const server = new ThreadingHTTPServer(["", 0], handlers, start.options);
  const key = keyOf(handlers);
  let nth = 0;
  while (thread.find(key, nth)!.server !== server) nth++;
  return { ...thread.find(key, nth)!, needsRoutes: program.isRouted };
}

/** A router that says what the one at the other end has found. */
function routerOf(classes: readonly RequestHandlerClass[]): RequestRouter {
  return {
    handlers: classes,
    find() {
      const { route } = runner;
      if (route === null || route.index >= classes.length) return undefined;
      return { Handler: classes[route.index], params: route.params, fallback: route.fallback };
    },
  };
}
