/** Reads the options of the command line, and ends the process if they are wrong. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { type CertificateOptions, inheritedSockets } from "plinth";

const USAGE = `usage: plinth-addition [--host HOST] [--port PORT | --fd N] [--log plain|none] [--threads N | --listeners N]
                       [--tls-cert F [--tls-key F] [--tls-password-file F] | --tls-self-signed]
                       [--tls-redirect PORT] [--tls-hsts SECONDS]

Adds two numbers over HTTP.
  --host HOST   address to listen on (127.0.0.1)
  --port PORT   port to listen on, 0 for a free one (8000)
  --fd N        file descriptor of a listening socket that the process is started with;
                a socket that systemd has bound is found without it
  --log LOG     plain: a line for each request on stderr; none: no lines (plain)
  --threads N   add in N threads, not on the event loop
  --listeners N accept connections on N event loops, all but one in threads
  --tls-cert F  speak HTTPS, with the certificate in a PEM file, and its chain;
                the signal SIGHUP reads the files again
  --tls-key F   PEM file with the private key (the file of --tls-cert)
  --tls-password-file F  file with the password of the private key
  --tls-self-signed      speak HTTPS, with a certificate for trying, made at each start
  --tls-redirect PORT    listen for plain HTTP as well, and redirect it to HTTPS (308)
  --tls-hsts SECONDS     tell browsers to use HTTPS only, for so long (RFC 6797)
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
  /** HTTPS: with the certificate in files, or with one that is made for trying. Undefined: HTTP. */
  readonly tls: TlsFiles | "self-signed" | undefined;
  /** The port of plain HTTP, which is redirected to HTTPS; undefined: there is none. */
  readonly redirectPort: number | undefined;
  /** For how long browsers are to use HTTPS only, in seconds; undefined: that is not said. */
  readonly hsts: number | undefined;
}

/** The files of a certificate. */
export interface TlsFiles {
  readonly certfile: string;
  readonly keyfile: string | undefined;
  readonly passwordFile: string | undefined;
}

/** What a server takes for the files of a certificate, with the password that is in its file now: the first line. @throws {Error} */
export function certificateIn({ certfile, keyfile, passwordFile }: TlsFiles): CertificateOptions {
  if (passwordFile === undefined) return { certfile, keyfile };
  try {
    return { certfile, keyfile, password: readFileSync(passwordFile, "utf8").split(/\r?\n/, 1)[0] };
  } catch (error) {
    throw new Error(`--tls-password-file: ${(error as Error).message}`, { cause: error });
  }
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
    "tls-cert": { type: "string" },
    "tls-key": { type: "string" },
    "tls-password-file": { type: "string" },
    "tls-self-signed": { type: "boolean" },
    "tls-redirect": { type: "string" },
    "tls-hsts": { type: "string" },
    help: { type: "boolean" },
  } as const;
  let values: { [Name in keyof typeof options]?: (typeof options)[Name]["type"] extends "string" ? string : boolean };
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_PARSE_ARGS_INVALID_OPTION_VALUE") {
      const option = /--[a-z-]+/.exec((error as Error).message)?.[0] ?? "that option";
      fail(
        `${option} takes ${["--help", "--tls-self-signed"].includes(option) ? "no value" : "a value, which does not begin with a dash"} (--help lists the options)`,
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
  const tls = tlsFor(values);
  const redirect = values["tls-redirect"];
  const hsts = values["tls-hsts"];
  for (const [name, value] of [
    ["--port", port],
    ["--tls-redirect", redirect],
  ] as const) {
    if (value !== undefined && !(/^[0-9]{1,5}$/.test(value) && Number(value) <= 65_535))
      fail(`${name} takes a number from 0 to 65535, not "${value}"`);
  }
  if (hsts !== undefined && !/^[0-9]{1,10}$/.test(hsts)) fail(`--tls-hsts takes a number of seconds, not "${hsts}"`);
  if (tls === undefined && (redirect !== undefined || hsts !== undefined))
    fail("--tls-redirect and --tls-hsts need a certificate: --tls-cert or --tls-self-signed");
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
    tls,
    redirectPort: redirect === undefined ? undefined : Number(redirect),
    hsts: hsts === undefined ? undefined : Number(hsts),
  };
}

/** How HTTPS is spoken; undefined: it is not. */
function tlsFor(values: TlsValues): TlsFiles | "self-signed" | undefined {
  const { "tls-cert": certfile, "tls-key": keyfile, "tls-password-file": passwordFile } = values;
  if (values["tls-self-signed"] === true) {
    if (certfile !== undefined || keyfile !== undefined || passwordFile !== undefined)
      fail("use --tls-self-signed or the files of a certificate, not both");
    return "self-signed";
  }
  if (certfile === undefined) {
    if (keyfile !== undefined || passwordFile !== undefined)
      fail("--tls-key and --tls-password-file need a certificate: --tls-cert");
    return undefined;
  }
  return { certfile, keyfile, passwordFile };
}

interface TlsValues {
  readonly "tls-cert"?: string;
  readonly "tls-key"?: string;
  readonly "tls-password-file"?: string;
  readonly "tls-self-signed"?: boolean;
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
