/** Counts the file descriptors of this process, on Linux. */
import { readdirSync, readFileSync } from "node:fs";
import type { Descriptors } from "./transport.ts";

/** Reads the limit and the number from /proc. @returns null on other systems, if there is no limit, and if /proc cannot be read */
export function readDescriptors(): Descriptors | null {
  try {
    const limit = Number(/^Max open files +([0-9]+) /m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1] ?? NaN);
    // One of the entries is the descriptor by which the folder itself is read.
    return Number.isNaN(limit) ? null : { limit, open: readdirSync("/proc/self/fd").length - 1 };
  } catch {
    return null;
  }
}
