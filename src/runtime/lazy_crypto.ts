/** Loads `node:crypto` when it is first used. That takes some milliseconds, and most programs, and all their threads, never use it. */
import type * as crypto from "node:crypto";
import process from "node:process";

export function nodeCrypto(): typeof crypto {
  return process.getBuiltinModule("node:crypto");
}
