/** Log lines as Python's http.server writes them, to stderr, gathered so that a busy server writes once a turn. */
import { format, inspect, types } from "node:util";
import type { Peer } from "../protocol/exchange.ts";
import { quote } from "../quote_value.ts";
import { writeToStderr } from "./stderr.ts";
import type { FlushScheduler, FlushTask } from "./flush_scheduler.ts";

/**
 * Where log lines go: "plain" to stderr, "none" nowhere, a function is given each line, without its end. A promise that it returns is
 * not waited for.
 */
export type LogOption = "plain" | "none" | ((line: string) => void);

export class Log implements FlushTask {
  /** Nothing is written at all. */
  readonly silent: boolean;
  readonly #scheduler: FlushScheduler;
  readonly #write: ((line: string) => unknown) | null;
  #lines = "";

  /** @throws {TypeError} for an option that is none */
  constructor(option: LogOption, scheduler: FlushScheduler) {
    if (option !== "plain" && option !== "none" && typeof option !== "function") {
      throw new TypeError(`the option log is "plain", "none" or a function, not ${quote(option)}`);
    }
    this.#scheduler = scheduler;
    this.#write = option === "none" ? () => {} : option === "plain" ? null : option;
    this.silent = option === "none";
  }

  /**
   * Writes one line: a prefix, and a message in which `%s`, `%d` … stand for the arguments by turns, as `util.format` has it. All of it
   * is escaped, so that no request can forge another's line, or hide a part of its own. Only an Error among the arguments has more
   * lines: the first one of its stack stands in its place, the others stand below, indented, each of them escaped.
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
      for (const line of others) below += `\n    ${escape(line)}`;
    }
    this.write(escape(prefix + format(message, ...given)) + below);
  }

  /** Writes a line that has been escaped. */
  write(line: string): void {
    if (this.#write !== null) {
      try {
        const result = this.#write(line);
        if (result instanceof Promise) result.catch((error: unknown) => complain(line, error));
      } catch (error) {
        complain(line, error);
      }
      return;
    }
    if (this.#lines === "") this.#scheduler.add(this);
    this.#lines += line + "\n";
  }

  turnEnded(): void {
    this.flush();
  }

  /** Writes what has been gathered. */
  flush(): void {
    const lines = this.#lines;
    this.#lines = "";
    if (lines !== "") writeToStderr(lines);
  }
}

/** A log is called from anywhere, where nobody could do better with its error: one that fails must not end the server. */
function complain(line: string, error: unknown): void {
  const text = describe(error).split("\n").map(escape).join("\n    ");
  writeToStderr(`${line}\nthe function given as the option log has failed: ${text}\n`);
}

/** What most lines are made of; others are looked at character by character. */
const ALL_PLAIN = /^[\x20-\x5b\x5d-\x7e]*$/;
/** Controls, format characters (marks of direction and others that nobody sees), ends of lines, halves of characters, backslashes. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\\]/gu;

/** As Python's log_message and its string literals: a backslash doubled, \x1b, \u2028, \U000e0001. */
function escape(text: string): string {
  return ALL_PLAIN.test(text) ? text : text.replace(UNSAFE, escapeOne);
}

function escapeOne(character: string): string {
  if (character === "\\") return "\\\\";
  const hex = character.codePointAt(0)!.toString(16);
  if (hex.length <= 2) return `\\x${hex.padStart(2, "0")}`;
  return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** Also of one that comes from another realm. */
function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}

/** Anything can be thrown. @returns what to give to the log for it: the error itself, whose stack is then shown, or a description */
export function loggable(error: unknown): unknown {
  return isError(error) ? error : describe(error);
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
  if (typeof error === "string") return error;
  return inspect(error, { customInspect: false, ...(isError(error) ? {} : { breakLength: Infinity }) });
}
