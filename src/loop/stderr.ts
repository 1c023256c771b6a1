/** Writes the log to stderr. If the reader of stderr is slow or gone, the server goes on, and drops lines instead of collecting them. */
import { writeSync } from "node:fs";
import process from "node:process";
import { logTimeOf } from "./clock.ts";

/** While at least this many characters wait for the reader, lines are dropped. */
const MOST_WAITING = 1024 * 1024;

/** Characters that were written and that the system has not taken yet. All servers of a process share its stderr. */
let waiting = 0;
/** The number of lines that were lost since the last one that arrived. */
let lost = 0;
/** The error by which lines were lost; null if the reader was too slow. */
let cause: Error | null = null;
let isListening = false;
/** The stream has thrown. On Deno it throws when the disk is full, and never writes again. */
let isBroken = false;

/**
 * Writes lines, each of which ends with a line feed. Never throws. On Deno it blocks until the system has taken the lines. On other runtimes
 * it blocks only if stderr is a file or a terminal.
 */
export function writeToStderr(lines: string): void {
  // When a line is lost, all lines are dropped until those that wait have left. So one note says where lines are missing, and how many.
  if (waiting > 0 && (lost > 0 || waiting >= MOST_WAITING)) lost += countOf(lines);
  else send(lines, countOf(lines));
}

/** @param count the number of lines that are lost if `lines` are */
function send(lines: string, count: number): void {
  const { length } = lines;
  let isDone = false;
  let waits = false;
  const done = (error?: Error | null): void => {
    isDone = true;
    if (waits) waiting -= length;
    if (error) {
      lost += count;
      cause = error;
    } else if (lost > 0 && waiting === 0) {
      sendNote();
    }
  };
  if (isBroken) return sendDirectly(lines, done);
  try {
    if (!isListening) {
      isListening = true;
      process.stderr.on("error", ignore); // `done` gets the error
    }
    // A program may have replaced `write` by one that never calls `done`. So `done` is needed only if the text was not taken at once.
    const isTaken: unknown = process.stderr.write(lines, done);
    if (isTaken !== false || isDone) return;
    waits = true;
    waiting += length;
  } catch {
    isBroken = true;
    sendDirectly(lines, done);
  }
}

function sendDirectly(lines: string, done: (error?: Error) => void): void {
  try {
    writeSync(2, lines);
  } catch (error) {
    return done(error as Error);
  }
  done();
}

/** Lines arrive again: writes a note that says how many were lost. */
function sendNote(): void {
  const why = cause === null ? "the reader of stderr was too slow" : cause.message;
  const note = `- - - [${logTimeOf(new Date())}] ${lost} lines of the log were lost: ${why}\n`;
  const count = lost;
  lost = 0;
  cause = null;
  send(note, count);
}

function countOf(lines: string): number {
  let count = 0;
  for (let at = lines.indexOf("\n"); at >= 0; at = lines.indexOf("\n", at + 1)) count++;
  return count;
}

function ignore(): void {}
