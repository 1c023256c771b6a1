/** Imports the program once more, in a thread, up to where it serves, and finds the server that is constructed there. */
import process from "node:process";
import { hasCopies, listCopies, ONE_COPY } from "../runtime/library_copies.ts";
import { describe } from "../loop/log.ts";
import { advice, type Program, TWICE } from "./program_description.ts";
import { LONGEST_TIMER } from "../loop/clock.ts";

/** How long, when it has come to its end, or to serve with another server, and has not constructed it. In milliseconds. */
const LATE_TIMEOUT = 3_000;

/** What a module exports. */
export type Exports = Readonly<Record<string, unknown>>;

/** The servers that are constructed in a thread, and what the thread keeps of them. */
export class ServerFinder<Constructed> {
  readonly #constructed = new Map<string, Constructed[]>();
  #onParked: (() => void) | null = null;
  #onConstructed: (() => void) | null = null;

  /** One more has been constructed. */
  constructed(key: string, one: Constructed): void {
    const same = this.#constructed.get(key);
    if (same === undefined) this.#constructed.set(key, [one]);
    else same.push(one);
    this.#onConstructed?.();
  }

  /** A server would begin to serve. @returns what never resolves: the rest of the program is not for this thread */
  park(): Promise<never> {
    this.#onParked?.();
    return new Promise(() => {});
  }

  /** The one of that key that was constructed as the nth, if it has been. */
  find(key: string, nth: number): Constructed | undefined {
    return this.#constructed.get(key)?.[nth];
  }

  /**
   * Imports the program, up to where it serves.
   * @param timeout how long that may take, in milliseconds
   * @param isFound whether what it is imported for has been constructed, or is among what it exports
   * @returns what it exports; null where it has not come to its end, and need not. Rejects with what to write where nothing is found
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
      // It has come to its end, or to where it will stay; what it has begun may still construct the server.
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

/** What to write where a thread does not understand the program's own language. */
function adviceFor(error: unknown): string {
  if ((error as { code?: unknown } | null)?.code !== "ERR_UNKNOWN_FILE_EXTENSION") return `. ${TWICE}`;
  return (
    ". What lets this program run is not there in its threads: register it by node --import, which threads inherit; or build the" +
    " program, and run what was built; or run Node 22.18 or newer, which takes TypeScript as it is"
  );
}

export function notFound(program: Program): Error {
  const second = hasCopies()
    ? `. There, the program has loaded a second copy of this library (${listCopies()}), as tsx does for CommonJS: make it an ES module,` +
      ` with "type": "module" in its package.json. ${ONE_COPY}`
    : "";
  return new Error(`a thread has not found the handlers. ${advice(program)}${second}`);
}

/** An error that can be sent to another thread, whatever was thrown. */
export function sendable(error: unknown): Error {
  const failed = error instanceof Error ? error : new Error(describe(error));
  try {
    structuredClone(failed);
    return failed;
  } catch {
    return new Error(failed.message); // its cause cannot be copied
  }
}
