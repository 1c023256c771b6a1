/** Writes the log to stderr. Whatever becomes of the reader there, the server goes on, and no more than a bound waits for it. */
import { writeSync } from "node:fs";
import process from "node:process";
import { logTimeOf } from "./clock.ts";

/** While more characters than this wait for the reader, lines are dropped. */
const MOST_WAITING = 1024 * 1024;

/** Characters that were written and that the system has not taken. All servers of a process share its stderr. */
let waiting = 0;
/** Lines that were lost since the last that arrived, and the error for which they were; null where the reader stood still. */
let lost = 0;
let cause: Error | null = null;
let isListening = false;
/** The stream has thrown. On Deno it does so when the disk is full, and never writes again. */
let isBroken = false;

/** Writes lines, each with its end. Never throws. On Deno it waits until the system has taken them, elsewhere only for files and terminals. */
export function writeToStderr(lines: string): void {
  // Once something is lost, all is lost until what waits has left: so one note says where, and how much.
  if (waiting > 0 && (lost > 0 || waiting >= MOST_WAITING)) lost += countOf(lines);
  else send(lines, countOf(lines));
}

/** @param count how many lines are lost with these */
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
      process.stderr.on("error", ignore); // `done` is told of it
    }
    // Without it being taken at once, and only then, `done` is relied upon: a program may have a `write` of its own there.
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

/** Lines arrive again. */
function sendNote(): void {
  const why = cause === null ? "what reads stderr has stood still" : cause.message;
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
