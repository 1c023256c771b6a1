// What runs at the moment: one line on a terminal, which is written over; elsewhere nothing.
import process from "node:process";

const terminal = process.stderr.isTTY === true;
const started = Date.now();

export function progress(text) {
  if (!terminal) return;
  const seconds = Math.round((Date.now() - started) / 1000);
  const width = (process.stderr.columns ?? 80) - 1;
  process.stderr.write(`\r\x1b[K${`[${seconds} s] ${text}`.slice(0, width)}`);
}

export function endProgress() {
  if (terminal) process.stderr.write("\r\x1b[K");
}
