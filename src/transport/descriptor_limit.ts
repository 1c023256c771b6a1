/** The file descriptors of this process: how many it may have, and how many it has. */
import { readdirSync, readFileSync } from "node:fs";
import type { Descriptors } from "./transport.ts";

/** Reads them where Linux says them. @returns null elsewhere, where there is no limit, and where this process may not read them */
export function readDescriptors(): Descriptors | null {
  try {
    const limit = Number(/^Max open files +([0-9]+) /m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1] ?? NaN);
    // One of them is that of the folder itself.
    return Number.isNaN(limit) ? null : { limit, open: readdirSync("/proc/self/fd").length - 1 };
  } catch {
    return null;
  }
}
