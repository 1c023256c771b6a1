/**
 * What this thread is to the program: its main thread, or one that imports the program again. There, constructing the server tells the
 * thread its handlers, or makes it accept connections; code behind `serverActivate` does not run there.
 */
import type { ExecutorServices } from "../handler/loop_executor.ts";
import type { Handlers } from "../handler/router_interface.ts";
import type { Server } from "../handler/server_interface.ts";
import type { LogOption } from "../loop/log.ts";
import type { InheritedSocket } from "../transport/transport.ts";

/** A listening socket that this process was started with, and what the service manager calls it. */
export interface NamedSocket extends InheritedSocket {
  /** `FileDescriptorName=` of its unit: the unit's own name where it does not say; "unknown" where there are no names. */
  readonly name: string;
}

/** What every thread has for the servers that are constructed in it. */
interface Thread {
  /** Where lines of the log go, their control characters escaped already; null where the options of the server say so. */
  readonly log: LogOption | null;
  /** The listening sockets that the process was started with, as the program has them; null where nobody has asked for them yet. */
  readonly sockets: readonly NamedSocket[] | null;
  /** It is a handler that calls. */
  readonly isHandling: boolean;
  /**
   * Called where a server would begin to serve.
   * @returns null where it may; else a promise that never resolves, or that rejects where a handler calls
   */
  park(): Promise<never> | null;
}

/** The program's own event loop. */
export interface MainThread extends Thread {
  readonly role: "main";
}

/** A thread that runs handlers. */
export interface HandlerThread extends Thread {
  readonly role: "handlers";
  /** What the server that serves was given for its threads. */
  readonly threadData: unknown;
  /** Where that server listens. */
  readonly serverAddress: readonly [host: string, port: number];
  /** Aborts when that server stops. */
  readonly stopping: AbortSignal;
  /** A server has been constructed whose handlers may be those that this thread runs. */
  constructed(one: HandlingServer): void;
  /** Asks the server that serves to shut down, or to close at once. */
  shutdown(atOnce: boolean): Promise<void>;
}

/** A server whose handlers a thread may run. */
export interface HandlingServer {
  readonly server: Server;
  readonly handlers: Handlers;
  /** What its handlers have of it. */
  services(): ExecutorServices;
}

/** A thread that accepts connections. */
export interface ListenerThread extends Thread {
  readonly role: "listener";
  /** Whether the server stops, also where this thread has not heard of it yet. */
  readonly isStopping: boolean;
  /** A server has been constructed that may be the one that this thread accepts connections for. */
  constructed(one: ListeningServer): void;
  /** The server stops, and does not listen here any more. Waits until it listens nowhere. */
  socketClosed(): Promise<void>;
  /** Connections are closed at once from now on. */
  crowded(why: string): void;
  /** The server was asked to shut down, or to close at once: so should the others that listen with it. */
  shutdown(atOnce: boolean): void;
}

/** A server that a thread may accept connections for. */
export interface ListeningServer {
  readonly server: Server;
  readonly handlers: Handlers;
  /** Resolves when it has shut down. */
  readonly stopped: Promise<void>;
  /** Lets it listen where others do, and have so many connections at a time. */
  listen(address: readonly [host: string, port: number], maxConnections: number): Promise<void>;
}

/**
 * A thread that another copy of this library runs. It does not hear of servers that the program constructs of this copy; they must not
 * serve there either, or the program would start all of its threads once more in each of them, without an end.
 */
export interface ForeignThread extends Thread {
  readonly role: "foreign";
}

export type ThreadContext = MainThread | HandlerThread | ListenerThread | ForeignThread;

const THREAD = Symbol.for("plinth.thread");
const shared = globalThis as { [THREAD]?: ThreadContext };

const MAIN: MainThread = { role: "main", log: null, sockets: null, isHandling: false, park: () => null };

/** What this thread is. */
export let threadContext: ThreadContext = contextOf(shared[THREAD]);

function contextOf(other: ThreadContext | undefined): MainThread | ForeignThread {
  if (other === undefined) return MAIN;
  const { log, sockets } = other;
  return {
    role: "foreign",
    log,
    sockets,
    get isHandling() {
      return other.isHandling;
    },
    park: () => other.park(),
  };
}

/** Says what this thread is, before anything of the program is imported. */
export function enterThread(thread: HandlerThread | ListenerThread): void {
  threadContext = shared[THREAD] = thread;
}
