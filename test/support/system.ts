// Programs of the system that tests speak to. Where one is missing, its tests are skipped and say what to install;
// with PLINTH_REQUIRE_SYSTEM=1 (as CI sets it) such a skip is a failure: see scripts/reporter.mjs.
import type { ChildProcess } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";
import process from "node:process";

/** Each program, and the Debian package that brings it. */
const packages = {
  chromium: "chromium",
  curl: "curl",
  gcc: "gcc libc6-dev",
  h2load: "nghttp2-client",
  haproxy: "haproxy",
  nginx: "nginx",
  openssl: "openssl",
  python3: "python3",
  "systemd-analyze": "systemd",
  "systemd-socket-activate": "systemd",
  wrk: "wrk",
} as const;

export interface Program {
  /** For node:test's `skip` option: false, or why the test cannot run. */
  skip: string | false;
  /** The program's file; "" when there is none. */
  path: string;
}

/**
 * Looks for a program in PATH.
 *
 *     const curl = requireProgram("curl");
 *     test("curl gets its sum", { skip: curl.skip }, async () => { … execFile(curl.path, …) … });
 */
export function requireProgram(name: keyof typeof packages): Program {
  // Debian has servers in a folder that is only in root's PATH.
  for (const folder of [...(process.env["PATH"] ?? "").split(path.delimiter), "/usr/sbin"]) {
    const file = path.join(folder, name);
    if (folder !== "" && isExecutable(file)) return { skip: false, path: file };
  }
  return { skip: `${name} is not installed: apt-get install ${packages[name]}`, path: "" };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** Sends a signal to a program. Behind its own `kill`, Deno says that the signal has ended it, however it has ended. */
export function sendSignal(child: ChildProcess, signal: NodeJS.Signals): void {
  process.kill(child.pid!, signal);
}
