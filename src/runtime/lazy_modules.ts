/**
 * Loads `node:crypto` and `node:tls` when they are first used. That takes 7 to 10 ms, and most programs, and all their threads, never use
 * them. They are not imported by `import()`: bundlers make files of their own of what is.
 */
import type * as crypto from "node:crypto";
import process from "node:process";
import type * as tls from "node:tls";

export function nodeCrypto(): typeof crypto {
  return process.getBuiltinModule("node:crypto");
}

export function nodeTls(): typeof tls {
  return process.getBuiltinModule("node:tls");
}
