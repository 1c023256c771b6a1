/** Imports the program again, in a thread, up to where it serves, and finds the server that is constructed there. */
import process from "node:process";
import { hasCopies, listCopies, ONE_COPY } from "../runtime/library_copies.ts";
import { describe } from "../loop/log.ts";
import { advice, type Program, TWICE } from "./program_description.ts";
import { LONGEST_TIMER } from "../loop/clock.ts";

/** Milliseconds to wait for the server when the program has ended, or would serve with another server, and has not constructed it. */
const LATE_TIMEOUT = 3_000;

/** The exports of a module. */
export type Exports = Readonly<Record<string, unknown>>;

/** The servers that the program has constructed in a thread, by their keys. */
export class ServerFinder<Constructed> {
  readonly #constructed = new Map<string, Constructed[]>();
  #onParked: (() => void) | null = null;
  #onConstructed: (() => void) | null = null;

  /** A server has been constructed. */
  constructed(key: string, server: Constructed): void {
    const servers = this.#constructed.get(key);
    if (servers === undefined) this.#constructed.set(key, [server]);
    else servers.push(server);
    this.#onConstructed?.();
  }

  /** A server would begin to serve. @returns a promise that never resolves: the rest of the program is not for this thread */
  park(): Promise<never> {
    this.#onParked?.();
    return new Promise(() => {});
  }

  /** The server of a key that was constructed as the nth, from 0 on; undefined if it has not been constructed. */
  find(key: string, nth: number): Constructed | undefined {
    return this.#constructed.get(key)?.[nth];
  }

  /**
   * Imports the program, up to where it serves.
   * @param timeout milliseconds that this may take
   * @param isFound whether the server has been constructed, or its classes are among the exports
   * @returns the exports; null if the server was found before the import has ended. Rejects with {Error}, which has advice, if it is not
   *   found, or the import fails
   */
  importProgram(
    program: Program,
    timeout: number,
    isFound: (exports: Exports | null) => boolean,
  ): Promise<Exports | null> {
    const { main, argv } = program;
    if (main === null) return Promise.reject(notFound(program));
    process.argv.splice(1, Infinity, ...argv);
    return new Promise((resolve, reject) => {
      let exported: Exports | null = null;
      const late = setTimeout(() => reject(notFound(program)), Math.min(timeout, LONGEST_TIMER));
      const look = (): boolean => {
        if (!isFound(exported)) return false;
        clearTimeout(late);
        resolve(exported);
        return true;
      };
      // The program has ended, or waits for good in `park`. Asynchronous code that it has begun may still construct the server.
      const lookSoon = (): void => {
        if (look()) return;
        this.#onConstructed = () => setImmediate(look);
        setTimeout(() => {
          if (!look()) reject(notFound(program));
        }, LATE_TIMEOUT);
      };
      this.#onParked = lookSoon;
      import(main).then(
        (exports: Exports) => {
          exported = exports;
          lookSoon();
        },
        (error: unknown) => {
          clearTimeout(late);
          const what = error instanceof Error ? `${error.name}: ${error.message}` : describe(error);
          reject(new Error(`a thread has failed to import ${main}: ${what}${adviceFor(error)}`, { cause: error }));
        },
      );
    });
  }
}

/** Advice, for an error: a thread cannot load the program's language, or the program fails there. */
function adviceFor(error: unknown): string {
  if ((error as { code?: unknown } | null)?.code !== "ERR_UNKNOWN_FILE_EXTENSION") return `. ${TWICE}`;
  return (
    ". The loader that the program runs with is missing in its threads: register it by node --import, which threads inherit; or build" +
    " the program, and run the result; or use Node 22.18 or newer, which runs TypeScript as it is"
  );
}

export function notFound(program: Program): Error {
  const second = hasCopies()
    ? `. There, the program has loaded a second copy of this library (${listCopies()}), as tsx does for CommonJS: make it an ES module,` +
      ` with "type": "module" in its package.json. ${ONE_COPY}`
    : "";
  return new Error(`a thread has not found the handlers. ${advice(program)}${second}`);
}
