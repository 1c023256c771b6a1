/**
 * Where this program runs: as itself, or once more in a thread. There, a server is constructed so that its handlers are known, or to
 * accept connections beside others; the rest of the program is not for that thread.
 */
import type { HTTPServer } from "../server/server.ts";
import type { InheritedSocket } from "../transport/transport.ts";
import type { Services } from "../handler/services.ts";

/** A listening socket that this process was started with, and what the service manager calls it. */
export interface NamedSocket extends InheritedSocket {
  /** `FileDescriptorName=` of its unit: the unit's own name where it does not say; "unknown" where there are no names. */
  readonly name: string;
}

/** What a thread has for the servers that are constructed in it. */
interface ProgramThread {
  /** Nobody would see a line of the log. */
  readonly silent: boolean;
  /** Hands a line over to the log of the server that serves, its control characters escaped already. */
  readonly writeLog: (line: string) => void;
  /** The listening sockets that the process was started with, as the program has them. */
  readonly sockets: readonly NamedSocket[];
  /** It is a handler that calls. */
  readonly isHandling: boolean;
  /**
   * A server would begin to serve.
   * @returns what never resolves: the rest of the program is not for this thread. In a handler, rejects
   */
  park(): Promise<never>;
}

/** What a thread of handlers has. */
export interface HandlerThread extends ProgramThread {
  /** What the server that serves was given for its threads. */
  readonly threadData: unknown;
  /** Where that server listens. */
  readonly serverAddress: readonly [host: string, port: number];
  /** A server has been constructed whose handlers may be those that this thread runs. */
  constructed(server: HTTPServer, services: () => Services): void;
  /** Aborts when that server stops. */
  readonly stopping: AbortSignal;
  /** Asks the server that serves to shut down, or to close at once. */
  shutdown(atOnce: boolean): Promise<void>;
}

/** A server that may be the one that a thread accepts connections for. */
export interface ListeningServer {
  readonly server: HTTPServer;
  /** Resolves when it has shut down. */
  readonly stopped: Promise<void>;
  /** Lets it listen where others do, and have so many connections at a time. */
  listen(address: readonly [host: string, port: number], maxConnections: number): Promise<void>;
}

/** What a thread has that accepts connections. */
export interface ListenerThread extends ProgramThread {
  /** Whether the server stops, also where this thread has not heard of it yet. */
  readonly isStopping: boolean;
  constructed(one: ListeningServer): void;
  /** The server stops, and does not listen here any more. Waits until it listens nowhere. */
  socketClosed(): Promise<void>;
  /** Connections are closed at once from now on. */
  crowded(why: string): void;
  /** The server was asked to shut down, or to close at once: so should the others that listen with it. */
  shutdown(atOnce: boolean): void;
}

/** The thread that this is; null where programs run as themselves, and in threads of the other kind. */
export let handlerThread: HandlerThread | null = null;
export let listenerThread: ListenerThread | null = null;

const THREAD = Symbol.for("plinth.thread");
const shared = globalThis as { [THREAD]?: ProgramThread };

/**
 * The thread that another copy of this library runs here. It does not hear of servers that the program constructs of this copy; they must
 * not serve here either, or the program would start all of its threads once more in each of them, without an end.
 */
const threadOfAnother: ProgramThread | null = shared[THREAD] ?? null;

/** Any of them. */
export function programThread(): ProgramThread | null {
  return handlerThread ?? listenerThread ?? threadOfAnother;
}

/** Says, before anything else of the program is imported, that this is a thread of handlers. */
export function enterHandlerThread(thread: HandlerThread): void {
  handlerThread = shared[THREAD] = thread;
}

/** Says, before anything else of the program is imported, that this is a thread that accepts connections. */
export function enterListenerThread(thread: ListenerThread): void {
  listenerThread = shared[THREAD] = thread;
}
