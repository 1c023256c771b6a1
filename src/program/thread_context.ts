/**
 * The role of this thread: the program's main thread, or a thread that imports the program again. In the latter, a server that the program
 * constructs gives the thread its handlers, or accepts connections there. Code after `serverActivate()` does not run there.
 */
import type { ExecutorServices } from "../handler/loop_executor.ts";
import type { Handlers } from "../handler/router_interface.ts";
import type { Server } from "../handler/server_interface.ts";
import type { LogOption } from "../loop/log.ts";
import type { InheritedSocket, TlsSettings } from "../transport/transport.ts";

/** A listening socket that this process was started with, and its name in the service manager. */
export interface NamedSocket extends InheritedSocket {
  /** `FileDescriptorName=` of the socket's unit: the unit's own name by default; "unknown" if the service manager passes no names. */
  readonly name: string;
}

/** The members that every thread has for the servers that are constructed in it. */
interface Thread {
  /** Where lines of the log go, with control characters already escaped; null: the server's options say where. */
  readonly log: LogOption | null;
  /** The listening sockets that the process was started with, as the program has got them; null: the environment names them. */
  readonly sockets: readonly NamedSocket[] | null;
  /** A handler is running: the present call comes from it. */
  readonly isHandling: boolean;
  /**
   * Called when a server would begin to serve.
   * @returns null if it may serve here; else a promise that never resolves, or that rejects if a handler has called
   */
  park(): Promise<never> | null;
}

/** The program's own event loop. */
export interface MainThread extends Thread {
  readonly role: "main";
}

/** Calls of a server in the main thread. */
export interface CallsInMain {
  /** @param change null for no argument */
  setCertificate(change: object | null): Promise<void>;
}

/** A thread of a server that serves in the main thread. */
interface ServerThread extends Thread {
  /** The object that stands for that server in this thread; null until it is found. */
  readonly server: Server | null;
  /** Calls of that server in the main thread. */
  readonly calls: CallsInMain;
}

/** A thread that runs handlers. */
export interface HandlerThread extends ServerThread {
  readonly role: "handlers";
  /** The option `threadData` of the server that serves. */
  readonly threadData: unknown;
  /** Where that server listens. */
  readonly serverAddress: readonly [host: string, port: number];
  /** Aborts when that server stops. */
  readonly stopping: AbortSignal;
  /** A server has been constructed whose handlers may be those that this thread runs. */
  constructed(server: HandlingServer): void;
  /** Asks the server that serves to shut down, or to close at once. */
  shutdown(atOnce: boolean): Promise<void>;
}

/** A server whose handlers a thread may run. */
export interface HandlingServer {
  readonly server: Server;
  readonly handlers: Handlers;
  /** The services that the server gives to its handlers. */
  services(): ExecutorServices;
}

/** A thread that accepts connections. */
export interface ListenerThread extends ServerThread {
  readonly role: "listener";
  /** Whether the server stops, even if no message has told this thread yet. */
  readonly isStopping: boolean;
  /** A server has been constructed that may be the one that this thread accepts connections for. */
  constructed(server: ListeningServer): void;
  /** The server stops, and no longer listens in this thread. @returns a promise that resolves when it listens in no thread */
  socketClosed(): Promise<void>;
  /** Reports that the server closes new connections at once from now on. @param why the reason, for the log */
  crowded(why: string): void;
  /** Asks the server's other listeners to shut down too, or to close at once. */
  shutdown(atOnce: boolean): void;
}

/** A server that a thread may accept connections for. */
export interface ListeningServer {
  readonly server: Server;
  readonly handlers: Handlers;
  /** Resolves when the server has shut down. */
  readonly stopped: Promise<void>;
  /**
   * Makes the server listen on an address that it shares with other listeners, with at most `maxConnections` at a time.
   * @param tls the present settings of TLS; null without TLS
   */
  listen(
    address: readonly [host: string, port: number],
    maxConnections: number,
    tls: TlsSettings | null,
  ): Promise<void>;
  /** Makes the server use other settings of TLS. */
  setTls(settings: TlsSettings): void;
}

/**
 * A thread that another copy of this library runs. The other copy is not told of servers that the program constructs with this one. Such
 * servers must not serve there: the program would start all of its threads again in each of its threads, without end.
 */
export interface ForeignThread extends Thread {
  readonly role: "foreign";
}

export type ThreadContext = MainThread | HandlerThread | ListenerThread | ForeignThread;

const THREAD = Symbol.for("plinth.thread");
const shared = globalThis as { [THREAD]?: ThreadContext };

const MAIN: MainThread = { role: "main", log: null, sockets: null, isHandling: false, park: () => null };

/** The role of this thread, and its members. */
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

/**
 * The calls of a server in the main thread that an object stands for here; null if it stands for itself.
 * @throws {Error} for another server of the program, which stands for nothing: it serves in the main thread only
 */
export function callsInMain(server: Server): CallsInMain | null {
  if (threadContext.role !== "handlers" && threadContext.role !== "listener") return null;
  if (threadContext.server === null) return null; // the program is being imported
  if (threadContext.server === server) return threadContext.calls;
  throw new Error("this server is not that of this thread: it can be changed in the program's main thread only");
}

/** Sets the role of this thread, before any file of the program is imported. */
export function enterThread(thread: HandlerThread | ListenerThread): void {
  threadContext = shared[THREAD] = thread;
}
