/** Log lines as Python's http.server writes them, to stderr, gathered so that a busy server writes once a turn. */
import process from "node:process";
import { inspect } from "node:util";
import type { Peer } from "../protocol/exchange.ts";
import type { Turn, TurnTask } from "./turn.ts";

/** Where log lines go: "plain" to stderr, "none" nowhere, a function is given each line, without its end. */
export type LogOption = "plain" | "none" | ((line: string) => void);

export class Log implements TurnTask {
  /** Nothing is written at all. */
  readonly silent: boolean;
  readonly #turn: Turn;
  readonly #write: ((line: string) => void) | null;
  #lines = "";

  /** @throws {TypeError} for an option that is none */
  constructor(option: LogOption, turn: Turn) {
    if (option !== "plain" && option !== "none" && typeof option !== "function") {
      throw new TypeError(`the option log is "plain", "none" or a function, not ${JSON.stringify(option)}`);
    }
    this.#turn = turn;
    this.#write = option === "none" ? () => {} : option === "plain" ? null : option;
    this.silent = option === "none";
  }

  /** Writes a line; control characters in it are escaped, so that no request can forge another's line. */
  line(text: string): void {
    this.write(escape(text));
  }

  /** Writes a line that has been escaped. */
  write(line: string): void {
    if (this.#write !== null) {
      try {
        this.#write(line);
      } catch (error) {
        // It is called from anywhere, where nobody could do better with this: a log that fails must not end the server.
        process.stderr.write(`${line}\nthe function given as the option log has thrown: ${String(error)}\n`);
      }
      return;
    }
    if (this.#lines === "") this.#turn.add(this);
    this.#lines += line + "\n";
  }

  turnEnded(): void {
    this.flush();
  }

  /** Writes what has been gathered. */
  flush(): void {
    const lines = this.#lines;
    this.#lines = "";
    if (lines !== "") process.stderr.write(lines);
  }
}

/**
 * As Python's log_message: C0 and C1 controls as \xNN, a backslash doubled. A line that is indented by four goes on from the one
 * before, as a stack does: no line of a request's begins so.
 */
function escape(text: string): string {
  return text.replace(/\n(?! {4})|[\x00-\x09\x0b-\x1f\x7f-\x9f\\]/g, (c) =>
    c === "\\" ? "\\\\" : "\\x" + c.charCodeAt(0).toString(16).padStart(2, "0"),
  );
}

/** A client's address as a line of the log has it: a word, whether it is known or not. */
export function loggedAddress([host]: Peer): string {
  return host === "" ? "-" : host;
}

/** Anything can be thrown in a thread; whoever hears of it has an Error. */
export function thrown(error: unknown): Error {
  return error instanceof Error ? error : new Error(`it has thrown ${describe(error)}`);
}

/** Anything can be thrown, and be the cause of anything, itself included. */
export function describe(error: unknown): string {
  const text = typeof error === "string" ? error : inspect(error, { customInspect: false });
  return text.replaceAll("\n", "\n    "); // so that the log shows a stack line by line: see escape
}
