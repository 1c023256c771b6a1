#!/usr/bin/env node
// Node before 22.18 does not run this file, since it is TypeScript ("Unknown file extension"): there, `npm start` builds it and runs
// what was built.
/** The addition server as a program, `plinth-addition`: loads the parts, serves, and stops on a signal. */
import process from "node:process";

/**
 * Loads the library and the parts of this program. Node 20 opens all files at once that a module needs: so the library's two entries come
 * first and the program behind them. With fewer files open at a time, fewer file descriptors are enough.
 */
async function load() {
  try {
    await import("plinth/protocol");
    const library = await import("plinth");
    return { ...library, ...(await import("./handler.ts")), ...(await import("./command_line.ts")) };
  } catch (error) {
    process.stderr.write(`plinth-addition: cannot start: ${adviceFor(error as NodeJS.ErrnoException)}\n`);
    return process.exit(2);
  }
}

/** @throws the error itself where there is no advice */
function adviceFor(error: NodeJS.ErrnoException): string {
  const { code, message } = error;
  // Node gives another code where it cannot open a package.json.
  if (code === "EMFILE" || code === "ENFILE" || /too many open files/i.test(message))
    return `${message}. Raise the limit of open files (ulimit -n).`;
  // The sources run from a checkout, in which the library's default files are those that have been built.
  if (code === "ERR_MODULE_NOT_FOUND" && import.meta.url.endsWith(".ts") && /[\\/]dist[\\/]/.test(message))
    return "the library is not built. Use npm start, or node --conditions=plinth-source apps/addition/main.ts.";
  throw error;
}

const { AdditionHandler, fail, HTTPServer, MAX_BODY_SIZE, readArguments, ThreadingHTTPServer } = await load();

const { address, log, threads, listeners } = readArguments();
const options = { log, maxBodySize: MAX_BODY_SIZE };
const httpd =
  threads === undefined
    ? new HTTPServer(address, AdditionHandler, { ...options, listeners })
    : new ThreadingHTTPServer(address, AdditionHandler, { ...options, threads });

// The server goes on when the reader of its output goes away.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

// Signals are handled from here on, before serverActivate(): if several listeners share a port, one may serve before another listens.
/** When the first signal came, in milliseconds; 0 before. */
let askedAt = 0;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // A second signal ends it at once. (Under npm, one Ctrl-C arrives twice: from the terminal and from npm.)
    if (askedAt === 0) void httpd.shutdown();
    else if (performance.now() - askedAt > 500) httpd.serverClose();
    askedAt ||= performance.now();
  });
}

try {
  await httpd.serverActivate();
} catch (error) {
  if (askedAt === 0) fail((error as Error).message);
}
if (askedAt === 0) printAddress(...httpd.serverAddress);
await httpd.serveForever();
process.exit(0);

function printAddress(host: string, port: number): void {
  if (host === "") {
    process.stdout.write("The addition server is on the socket that it was started with (Ctrl-C stops it).\n\n");
    return;
  }
  const reachable = host === "::" || host === "0.0.0.0" ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
  const url = `http://${reachable}:${port}/`;
  process.stdout.write(`The addition server is at ${url} (Ctrl-C stops it). Try:

  curl -X GET -H 'Content-Type: application/json' -d '{"val_a": 3, "val_b": 4}' ${url}
  curl -X QUERY -H 'Content-Type: application/json' -d '{"val_a": 0.5, "val_b": 4}' ${url}
  curl -d 'val_a=3&val_b=4' ${url}
  curl ${url}val_a/3/val_b/4/
  curl '${url}?val_a=3&val_b=4'
  curl -X RICKROLL ${url}

`);
}
