/** The program of a thread: finds the handlers of its server, as program_description.ts says, and runs them. */
import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";
import type { RequestHead } from "../../protocol/exchange.ts";
import { classesOf, type RequestRouter } from "../../handler/router_interface.ts";
import { isStorageCheap, StartContext } from "../../loop/async_context.ts";
import { type ExecutorServices, LoopExecutor } from "../../handler/loop_executor.ts";
import { ServerFinder, notFound, sendable } from "../../program/server_finder.ts";
import { BaseHTTPRequestHandler, type RequestHandlerClass } from "../../handler/handler.ts";
import { findClass, load, registerTsx } from "../../program/class_loader.ts";
import { loggable } from "../../loop/log.ts";
import { enterThread, type HandlerThread, type HandlingServer } from "../../program/thread_context.ts";
import { type ClassLocation, isApart, isElsewhere, keyOf } from "../../program/program_description.ts";
import { type Envelope, type FailedMessage, openEnvelope } from "../../program/supervised_worker.ts";
import { guardSpawning } from "../../program/spawn_guard.ts";
import { StopSignal } from "../../server/stop_signal.ts";
import { UncaughtErrors } from "./uncaught_errors.ts";
import { PoolMemory } from "../shared/memory.ts";
import type { FromThread, ThreadReady, ThreadStart, ToThread } from "../shared/messages.ts";
import { ThreadingHTTPServer } from "../threading_server.ts";
import { RunLoop } from "./run_loop.ts";
import { runsFor } from "../shared/stats.ts";

const start = workerData as ThreadStart;
const { program } = start;
const port = parentPort!;
const memory = new PoolMemory(start.layout, start.buffer);
const runLoop = new RunLoop(memory, start.index, port);

class Thread implements HandlerThread {
  readonly role = "handlers";
  readonly sockets = start.program.sockets;
  readonly threadData = start.threadData;
  readonly finder = new ServerFinder<HandlingServer>();
  readonly stopSignal = new StopSignal(new StartContext(), () => memory.isStopping);
  readonly #downs: (() => void)[] = [];

  readonly log = start.silent
    ? "none"
    : (line: string): void => {
        if (runLoop.current !== null) runLoop.current.log(line);
        else tell({ log: line });
      };

  get isHandling(): boolean {
    return runLoop.current !== null;
  }

  get serverAddress(): readonly [host: string, port: number] {
    return memory.address;
  }

  get stopping(): AbortSignal {
    return this.stopSignal.signal;
  }

  constructed(one: HandlingServer): void {
    this.finder.constructed(keyOf(classesOf(one.handlers)), one);
  }

  park(): Promise<never> {
    if (this.isHandling)
      return Promise.reject(new Error("a server that was constructed in a thread of handlers does not serve"));
    return this.finder.park();
  }

  shutdown(atOnce: boolean): Promise<void> {
    tell({ shutdown: this.#downs.length, atOnce, ticket: runLoop.current?.ticket ?? 0 });
    this.stopSignal.abort();
    return new Promise((resolve) => this.#downs.push(resolve));
  }

  /** The shutdown that was asked for as the nth need not be waited for any more. */
  isDown(nth: number): void {
    this.#downs[nth]();
  }
}

function tell(message: Exclude<FromThread, 0> | ThreadReady | FailedMessage): void {
  port.postMessage({ plinth: message } satisfies Envelope<object>);
}

const thread = new Thread();
enterThread(thread);
runsFor(memory);

port.on("message", (sent: unknown) => {
  const message = openEnvelope<ToThread>(sent);
  if (message === undefined) return;
  if (message === 0) runLoop.look();
  else if ("stopping" in message) thread.stopSignal.abort();
  else if ("down" in message) thread.isDown(message.down);
  else process.exit(0);
});

try {
  await registerTsx();
  guardSpawning(program.main, () => thread.isHandling);
  const found = await findHandlers();
  const services = found.services();
  // What else the program has started may fail at once, such as listening on a port that the main thread has: waits two turns.
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  const uncaughtErrors = uncaughtErrorsOf(services);
  runLoop.run(new LoopExecutor(uncaughtErrors.watch(services)), services.scheduler, uncaughtErrors);
  tell({ ready: true, needsRoutes: found.needsRoutes });
} catch (error) {
  tell({ failed: sendable(error) });
}

/** Watches for errors that nobody catches. Made behind the import of the program, because what that leaves behind is no request's. */
function uncaughtErrorsOf({ logError }: ExecutorServices): UncaughtErrors {
  const owner = {
    get running() {
      return runLoop.current?.head ?? null;
    },
    isOwn: () => tell({ own: runLoop.current!.ticket }),
    isAnothers(error: unknown, { method, target }: RequestHead) {
      const { head } = runLoop.current!;
      logError(
        "%s %s, which is over, has left something behind that has failed: %s. Its thread ends when %s %s is over, too",
        method,
        target,
        loggable(error),
        head.method,
        head.target,
      );
    },
  };
  return new UncaughtErrors(owner, start.isTracked || isStorageCheap);
}

/** Finds the handlers. Rejects with what to write where they cannot be found. */
async function findHandlers(): Promise<HandlingServer & { needsRoutes: boolean }> {
  if (isApart(program)) return constructHere((place) => load(place.module!, place));
  const key = keyOf(program.classes);
  const exports = await thread.finder.importProgram(program, start.startTimeout, (exported) => {
    if (thread.finder.find(key, program.nth) !== undefined) return true;
    return (
      exported !== null &&
      program.classes.every((place) => isElsewhere(place, program.main) || findClass(exported, place.name))
    );
  });
  const constructed = thread.finder.find(key, program.nth);
  if (constructed !== undefined) return { ...constructed, needsRoutes: false };
  // It may serve only where it is not imported, as Python's programs do, and export the class.
  return constructHere(async (place) => {
    if (isElsewhere(place, program.main)) return load(place.module!, place);
    const Handler = exports === null ? undefined : findClass(exports, place.name);
    if (Handler === undefined) throw notFound(program);
    return Handler;
  });
}

/** Constructs the server as this thread needs it, of classes that were found one by one. */
async function constructHere(
  find: (place: ClassLocation) => Promise<RequestHandlerClass>,
): Promise<HandlingServer & { needsRoutes: boolean }> {
  const classes: RequestHandlerClass[] = [];
  for (const place of program.classes) classes.push(place.isBase ? BaseHTTPRequestHandler : await find(place));
  const handlers = program.isRouted ? routerOf(classes) : classes[0];
  const server = new ThreadingHTTPServer(["", 0], handlers, start.options);
  const key = keyOf(classes);
  let nth = 0;
  while (thread.finder.find(key, nth)!.server !== server) nth++;
  return { ...thread.finder.find(key, nth)!, needsRoutes: program.isRouted };
}

/** A router that says what the one at the other end has found. */
function routerOf(classes: readonly RequestHandlerClass[]): RequestRouter {
  return {
    handlers: classes,
    find() {
      const { route } = runLoop;
      if (route === null || route.index >= classes.length) return undefined;
      return { Handler: classes[route.index], params: route.params, fallback: route.fallback };
    },
  };
}
