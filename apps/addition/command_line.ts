/** Reads the options of the command line, and ends the process if they are wrong. */
import process from "node:process";
import { parseArgs } from "node:util";
import { inheritedSockets } from "plinth";

const USAGE = `usage: plinth-addition [--host HOST] [--port PORT | --fd N] [--log plain|none] [--threads N | --listeners N]

Adds two numbers over HTTP.
  --host HOST   address to listen on (127.0.0.1)
  --port PORT   port to listen on, 0 for a free one (8000)
  --fd N        file descriptor of a listening socket that the process is started with;
                a socket that systemd has bound is found without it
  --log LOG     plain: a line for each request on stderr; none: no lines (plain)
  --threads N   add in N threads, not on the event loop
  --listeners N accept connections on N event loops, all but one in threads
  --help        this text`;

/** The most threads, and the most listeners, that a server can have. */
const MOST = 192;

/** Ends the process with one line on stderr, and with status 2. */
export function fail(message: string): never {
  process.stderr.write(`plinth-addition: ${message}\n`);
  process.exit(2);
}

/** The options of the command line. */
export interface Arguments {
  readonly address: readonly [host: string, port: number] | { readonly fd: number };
  readonly log: "plain" | "none";
  /** The number of threads; undefined: handlers run on the event loop. */
  readonly threads: number | undefined;
  readonly listeners: number;
}

/** Reads `process.argv`. Ends the process after `--help`, and if an option is wrong. */
export function readArguments(): Arguments {
  const options = {
    host: { type: "string" },
    port: { type: "string" },
    fd: { type: "string" },
    log: { type: "string" },
    threads: { type: "string" },
    listeners: { type: "string" },
    help: { type: "boolean" },
  } as const;
  let values: { [Name in keyof typeof options]?: (typeof options)[Name]["type"] extends "string" ? string : boolean };
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_PARSE_ARGS_INVALID_OPTION_VALUE") {
      const option = /--[a-z]+/.exec((error as Error).message)?.[0] ?? "that option";
      fail(
        `${option} takes ${option === "--help" ? "no value" : "a value, which does not begin with a dash"} (--help lists the options)`,
      );
    }
    fail(`${(error as Error).message.split(/\.? To specify|\n/)[0]} (--help lists the options)`);
  }
  if (values.help === true) {
    process.stdout.write(USAGE + "\n");
    process.exit(0);
  }
  const { host = "127.0.0.1", port = "8000", log = "plain", threads, listeners } = values;
  const fd = socketFor(values);
  if (!/^[0-9]{1,5}$/.test(port) || Number(port) > 65535) fail(`--port takes a number from 0 to 65535, not "${port}"`);
  if (log !== "plain" && log !== "none") fail(`--log takes plain or none, not "${log}"`);
  for (const [name, value] of [
    ["--threads", threads],
    ["--listeners", listeners],
  ] as const) {
    if (value !== undefined && !(/^[0-9]{1,3}$/.test(value) && Number(value) >= 1 && Number(value) <= MOST))
      fail(`${name} takes a number from 1 to ${MOST}, not "${value}"`);
  }
  if (threads !== undefined && listeners !== undefined) fail("use --threads or --listeners, not both");
  if (fd !== undefined && Number(listeners ?? 1) > 1)
    fail(
      "--listeners must be 1 for a socket that the process is started with: several listeners share a port, not a socket",
    );
  return {
    address: fd === undefined ? [host, Number(port)] : { fd },
    log,
    threads: threads === undefined ? undefined : Number(threads),
    listeners: Number(listeners ?? 1),
  };
}

/** The file descriptor of a listening socket that the process was started with, which excludes host and port; undefined without one. */
function socketFor({ host, port, fd }: { host?: string; port?: string; fd?: string }): number | undefined {
  let sockets: { fd: number }[] = [];
  try {
    sockets = inheritedSockets();
  } catch (error) {
    fail((error as Error).message);
  }
  if (fd !== undefined && !/^[0-9]{1,9}$/.test(fd)) fail(`--fd takes the number of a file descriptor, not "${fd}"`);
  if (fd === undefined && sockets.length > 1)
    fail(`the process is started with ${sockets.length} sockets, and listens on one: name it by --fd; the first is 3`);
  const given = fd === undefined ? sockets[0]?.fd : Number(fd);
  if (given !== undefined && (host !== undefined || port !== undefined))
    fail("the socket that the process is started with has an address: leave out --host and --port");
  return given;
}
