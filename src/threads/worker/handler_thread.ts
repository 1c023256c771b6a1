/** The program of a handler thread: finds the handlers of its server, in the way that program_description.ts describes, and runs them. */
import process from "node:process";
import { parentPort, workerData } from "node:worker_threads";
import type { RequestHead } from "../../protocol/exchange.ts";
import { classesOf, type RequestRouter } from "../../handler/router_interface.ts";
import { isStorageCheap, StartContext } from "../../loop/async_context.ts";
import { type ExecutorServices, LoopExecutor } from "../../handler/loop_executor.ts";
import { ServerFinder, notFound } from "../../program/server_finder.ts";
import { BaseHTTPRequestHandler, type RequestHandlerClass } from "../../handler/handler.ts";
import { findClass, load, registerTsx } from "../../program/class_loader.ts";
import { loggable } from "../../loop/log.ts";
import { enterThread, type HandlerThread, type HandlingServer } from "../../program/thread_context.ts";
import { type ClassLocation, isApart, isElsewhere, keyOf } from "../../program/program_description.ts";
import { type Envelope, type FailedMessage, openEnvelope, sendable } from "../../program/supervised_thread.ts";
import { guardSpawning } from "../../program/spawn_guard.ts";
import { ServerCalls } from "../../program/server_calls.ts";
import type { Server } from "../../handler/server_interface.ts";
import { StopSignal } from "../../server/stop_signal.ts";
import { UncaughtErrors } from "./uncaught_errors.ts";
import { PoolMemory } from "../shared/pool_memory.ts";
import type { FromThread, ThreadReady, ThreadStart, ToThread } from "../shared/messages.ts";
import { ThreadingHTTPServer, ThreadingHTTPSServer } from "../threading_server.ts";
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
  readonly calls = new ServerCalls(send);
  server: Server | null = null;
  readonly #shutdowns: (() => void)[] = [];

  readonly log = start.silent
    ? "none"
    : (line: string): void => {
        if (runLoop.current !== null) runLoop.current.log(line);
        else send({ log: line });
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
    send({ shutdown: this.#shutdowns.length, atOnce, ticket: runLoop.current?.ticket ?? 0 });
    this.stopSignal.abort();
    return new Promise((resolve) => this.#shutdowns.push(resolve));
  }

  /** A shutdown of the server that this thread has asked for is complete. @param nth its number among those that it has asked for */
  shutdownDone(nth: number): void {
    this.#shutdowns[nth]();
  }
}

function send(message: Exclude<FromThread, 0> | ThreadReady | FailedMessage): void {
  port.postMessage({ plinth: message } satisfies Envelope<object>);
}

const thread = new Thread();
enterThread(thread);
runsFor(memory);

port.on("message", (sent: unknown) => {
  if (sent === 0) return runLoop.look();
  const message = openEnvelope<ToThread>(sent);
  if (message === undefined) return;
  if ("stopping" in message) thread.stopSignal.abort();
  else if ("down" in message) thread.shutdownDone(message.down);
  else if ("called" in message) thread.calls.ended(message);
  else process.exit(0);
});

try {
  await registerTsx();
  guardSpawning(program.main, () => thread.isHandling);
  const found = await findHandlers();
  thread.server = found.server;
  const services = found.services();
  // Waits two turns: other things that the program has started may fail at once, such as listening on the main thread's port.
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  const uncaughtErrors = uncaughtErrorsOf(services);
  runLoop.run(new LoopExecutor(uncaughtErrors.watch(services)), services.scheduler, uncaughtErrors);
  send({ ready: true, needsRoutes: found.needsRoutes });
} catch (error) {
  send({ failed: sendable(error) });
}

/** Watches for errors that nobody catches. Made after the program was imported: errors of work that the import started are no request's. */
function uncaughtErrorsOf({ logError }: ExecutorServices): UncaughtErrors {
  const owner = {
    get running() {
      return runLoop.current?.head ?? null;
    },
    onOwnError: () => send({ fault: runLoop.current!.ticket }),
    onEarlierError(error: unknown, { method, target }: RequestHead) {
      const { head } = runLoop.current!;
      logError(
        "%s %s has ended, but has left work behind that has failed: %s. Its thread ends when %s %s has ended, too",
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

/** Finds the handlers. Rejects with an error to be logged if they cannot be found. */
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
  // The program may construct its server only when it is not imported, as Python's programs do. Then it may export the class.
  return constructHere(async (place) => {
    if (isElsewhere(place, program.main)) return load(place.module!, place);
    const Handler = exports === null ? undefined : findClass(exports, place.name);
    if (Handler === undefined) throw notFound(program);
    return Handler;
  });
}

/** Constructs a server in this thread, with classes that were found one by one. */
async function constructHere(
  find: (place: ClassLocation) => Promise<RequestHandlerClass>,
): Promise<HandlingServer & { needsRoutes: boolean }> {
  const classes: RequestHandlerClass[] = [];
  for (const place of program.classes) classes.push(place.isBase ? BaseHTTPRequestHandler : await find(place));
  const handlers = program.isRouted ? routerOf(classes) : classes[0];
  const { options, isSecure } = start;
  const server = isSecure
    ? new ThreadingHTTPSServer(["", 0], handlers, { ...options, cert: "" }) // the main thread has the certificate
    : new ThreadingHTTPServer(["", 0], handlers, options);
  const key = keyOf(classes);
  let nth = 0;
  while (thread.finder.find(key, nth)!.server !== server) nth++;
  return { ...thread.finder.find(key, nth)!, needsRoutes: program.isRouted };
}

/** A router that returns the route which the user's router has found on the event loop; it comes with the request. */
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
