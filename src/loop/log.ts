/** Writes the log to stderr, in the format of Python's http.server. Lines are collected, so that a busy server writes once a turn. */
import { format, inspect, types } from "node:util";
import type { Peer } from "../protocol/exchange.ts";
import { quote } from "../quote_value.ts";
import { escapeLine } from "./log_escaping.ts";
import { writeToStderr } from "./stderr.ts";
import type { FlushScheduler, FlushTask } from "./flush_scheduler.ts";

/**
 * Where log lines go. "plain": to stderr. "none": nowhere. A function is called with each line, without a line feed. A promise that it
 * returns is not awaited; if it rejects, that is reported on stderr.
 */
export type LogOption = "plain" | "none" | ((line: string) => void);

export class Log implements FlushTask {
  /** Nothing is logged at all. */
  readonly silent: boolean;
  readonly #scheduler: FlushScheduler;
  readonly #write: ((line: string) => unknown) | null;
  #lines = "";

  /** @throws {TypeError} for a value that is not a `LogOption` */
  constructor(option: LogOption, scheduler: FlushScheduler) {
    if (option !== "plain" && option !== "none" && typeof option !== "function") {
      throw new TypeError(`the option log is "plain", "none" or a function, not ${quote(option)}`);
    }
    this.#scheduler = scheduler;
    this.#write = option === "none" ? () => {} : option === "plain" ? null : option;
    this.silent = option === "none";
  }

  /**
   * Writes one line: a prefix, and a message in which `%s`, `%d` … are replaced by the arguments, as by `util.format`. All of it is
   * escaped, so that no request can forge the line of another, or hide a part of its own. An Error among the arguments may add lines: the
   * first line of its stack takes its place, and the others follow below, indented, each of them escaped.
   */
  message(prefix: string, message: string, args: readonly unknown[]): void {
    let given = args;
    let below = "";
    for (let i = 0; i < args.length; i++) {
      const error = args[i];
      if (!isError(error)) continue;
      const [first, ...others] = describe(error).split("\n");
      if (given === args) given = [...args];
      (given as unknown[])[i] = first;
      for (const line of others) below += `\n    ${escapeLine(line)}`;
    }
    this.write(escapeLine(prefix + format(message, ...given)) + below);
  }

  /** Writes a line that has been escaped already. */
  write(line: string): void {
    if (this.#write !== null) {
      try {
        const result = this.#write(line);
        if (result instanceof Promise) result.catch((error: unknown) => reportFailure(line, error));
      } catch (error) {
        reportFailure(line, error);
      }
      return;
    }
    if (this.#lines === "") this.#scheduler.add(this);
    this.#lines += line + "\n";
  }

  turnEnded(): void {
    this.flush();
  }

  /** Writes the lines that were collected. */
  flush(): void {
    const lines = this.#lines;
    this.#lines = "";
    if (lines !== "") writeToStderr(lines);
  }
}

/** Reports the error of a user's log function. It is not thrown, because the callers could not handle it and it must not end the server. */
function reportFailure(line: string, error: unknown): void {
  const text = describe(error).split("\n").map(escapeLine).join("\n    ");
  writeToStderr(`${line}\nthe function given as the option log has failed: ${text}\n`);
}

/** Whether a value is an Error, also one of another realm. */
function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}

/** Makes a log's argument of a thrown value: an Error itself, whose stack is then logged, or a description of another value. */
export function loggable(error: unknown): unknown {
  return isError(error) ? error : describe(error);
}

/** A client's address for a line of the log; "-" if it is not known. */
export function loggedAddress([host]: Peer): string {
  return host === "" ? "-" : host;
}

/** Makes an Error of a value that was thrown in a thread. */
export function thrown(error: unknown): Error {
  return error instanceof Error ? error : new Error(`the thread has thrown ${describe(error)}`);
}

/** Describes a thrown value as text. Any value can be thrown, and an error can be its own cause. */
export function describe(error: unknown): string {
  if (typeof error === "string") return error;
  return inspect(error, { customInspect: false, ...(isError(error) ? {} : { breakLength: Infinity }) });
}
