/**
 * Where this program runs: as itself, or once more in a thread of handlers. There, a server is constructed so that its handlers are
 * known; it does not serve.
 */
import type { HTTPServer } from "./server.ts";
import type { Services } from "./services.ts";

/** What a thread of handlers has for the servers that are constructed in it. */
export interface HandlerThread {
  /** Nobody would see a line of the log. */
  readonly silent: boolean;
  /** Hands a line over to the log of the server that serves, its control characters escaped already. */
  readonly writeLog: (line: string) => void;
  /** What the server that serves was given for its threads. */
  readonly threadData: unknown;
  /** Where that server listens. */
  readonly serverAddress: readonly [host: string, port: number];
  /** A server has been constructed whose handlers may be those that this thread runs. */
  constructed(server: HTTPServer, services: () => Services): void;
  /**
   * A server would begin to serve.
   * @returns what never resolves: the rest of the program is not for this thread. In a handler, rejects
   */
  park(): Promise<never>;
  /** Asks the server that serves to shut down, or to close at once. */
  shutdown(atOnce: boolean): Promise<void>;
}

/** The thread that this is; null where programs run as themselves. */
export let handlerThread: HandlerThread | null = null;

/** Says, before anything else of the program is imported, that this is a thread of handlers. */
export function enterHandlerThread(thread: HandlerThread): void {
  handlerThread = thread;
}
