#!/usr/bin/env node
// Node before 22.18 does not run this file, since it is TypeScript ("Unknown file extension"): there, `npm start` builds it and runs
// what was built.
/** The addition server as a program, `plinth-addition`: loads the parts, serves, and stops on a signal. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { isatty } from "node:tty";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import type { CertificateOptions } from "plinth";
import type { TlsFiles } from "./command_line.ts";

// SIGHUP reads certificates again, as soon as there are any. A closed terminal sends it as well, and is to end the program.
let reload = (): void => {};
if (process.argv.some((arg) => arg.startsWith("--tls-cert")) && !isatty(0)) process.on("SIGHUP", () => reload());

/**
 * Loads the library and the parts of this program. Node 20 opens all files at once that a module needs: so the library's two entries come
 * first and the program behind them. With fewer files open at a time, fewer file descriptors are enough.
 */
async function load() {
  try {
    await import("plinth/protocol");
    const library = await import("plinth");
    const own = { ...(await import("./handler.ts")), ...(await import("./https_redirect.ts")) };
    return { ...library, ...own, ...(await import("./command_line.ts")) };
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

const { AdditionHandler, certificateIn, fail, MAX_BODY_SIZE, readArguments, redirectTo, ...plinth } = await load();

const { address, log, threads, listeners, tls, redirectPort, hsts } = readArguments();
const selfSigned = tls === "self-signed" ? plinth.selfSignedCertificate(names()) : null;
const httpd = construct();
/** All servers of this program: another one speaks plain HTTP, if that is redirected. */
const servers = [httpd];

function construct() {
  const options = { log, maxBodySize: MAX_BODY_SIZE, ...(threads === undefined ? { listeners } : { threads }) };
  if (tls === undefined) {
    const Server = threads === undefined ? plinth.HTTPServer : plinth.ThreadingHTTPServer;
    return new Server(address, AdditionHandler, options);
  }
  const certificate =
    selfSigned === null ? firstCertificate(tls as TlsFiles) : { cert: selfSigned.cert, key: selfSigned.key };
  const Server = threads === undefined ? plinth.HTTPSServer : plinth.ThreadingHTTPSServer;
  return new Server(address, AdditionHandler, { ...options, ...certificate, strictTransportSecurity: hsts });
}

function firstCertificate(files: TlsFiles): CertificateOptions {
  try {
    return certificateIn(files);
  } catch (error) {
    return fail((error as Error).message);
  }
}

/** The names by which this machine is reached. */
function names(): string[] {
  const given = "fd" in address || address[0] === "" ? [] : [address[0]];
  const wildcards = ["0.0.0.0", "::"];
  return [...new Set(["localhost", "127.0.0.1", "::1", hostname(), ...given])].filter(
    (name) => !wildcards.includes(name),
  );
}

// The server goes on when the reader of its output goes away.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

// Signals are handled from here on, before serverActivate(): if several listeners share a port, one may serve before another listens.
/** When the first signal came, in milliseconds; 0 before. */
let askedAt = 0;
for (const signal of ["SIGINT", "SIGTERM", ...(selfSigned === null ? [] : (["SIGHUP"] as const))] as const) {
  process.on(signal, () => {
    // A second signal ends it at once. (Under npm, one Ctrl-C arrives twice: from the terminal and from npm.)
    if (askedAt === 0) for (const server of servers) void server.shutdown();
    else if (performance.now() - askedAt > 500) for (const server of servers) server.serverClose();
    askedAt ||= performance.now();
  });
}

if (typeof tls === "object" && httpd instanceof plinth.HTTPSServer) {
  reload = async () => {
    try {
      await httpd.setCertificate(certificateIn(tls));
      httpd.logError("the certificate was read again");
    } catch (error) {
      httpd.logError("the certificate stays as it was: %s", (error as Error).message);
    }
  };
}

try {
  await httpd.serverActivate();
  if (redirectPort !== undefined && askedAt === 0) {
    const [host, port] = httpd.serverAddress;
    if (host === "") throw new Error("--tls-redirect redirects to a port, and this server is on a Unix socket");
    servers.push(new plinth.HTTPServer([host, redirectPort], redirectTo(port), { log, maxBodySize: Infinity }));
    await servers[1].serverActivate();
  }
} catch (error) {
  if (askedAt === 0) fail((error as Error).message);
}
if (askedAt === 0) printAddress(...httpd.serverAddress);
await Promise.all(servers.map((server) => server.serveForever()));
process.exit(0);

function printAddress(host: string, port: number): void {
  if (host === "") {
    const about = tls === undefined ? "" : aboutTls();
    process.stdout.write(
      `The addition server is on the socket that it was started with (Ctrl-C stops it).\n${about}\n`,
    );
    return;
  }
  const url = urlOf(tls === undefined ? "http" : "https", host, port);
  process.stdout
    .write(`The addition server is at ${url} (Ctrl-C stops it).${tls === undefined ? " " : `\n${aboutTls()}\n`}Try:

  curl -X GET -H 'Content-Type: application/json' -d '{"val_a": 3, "val_b": 4}' ${url}
  curl -X QUERY -H 'Content-Type: application/json' -d '{"val_a": 0.5, "val_b": 4}' ${url}
  curl -d 'val_a=3&val_b=4' ${url}
  curl ${url}val_a/3/val_b/4/
  curl '${url}?val_a=3&val_b=4'
  curl -X RICKROLL ${url}

`);
}

/** The address by which clients on this machine reach a server. */
function urlOf(scheme: string, host: string, port: number): string {
  const reachable = host === "::" || host === "0.0.0.0" ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
  return `${scheme}://${reachable}:${port}/`;
}

/** Which port is redirected; how a certificate for trying is known, and how curl is told to trust it. */
function aboutTls(): string {
  const redirects = servers
    .slice(1)
    .map(({ serverAddress }) => `${urlOf("http", ...serverAddress)} redirects there.\n`);
  if (selfSigned === null) return redirects.join("");
  return `${redirects.join("")}
Its certificate is self-signed, for trying, and browsers warn of it. Its SHA-256 fingerprint:

  ${selfSigned.fingerprint}

${howToTrust(selfSigned.cert)}`;
}

/** How curl is told to trust a certificate: by a file, which lasts as long as the server. */
function howToTrust(cert: string): string {
  let file;
  try {
    file = path.join(mkdtempSync(path.join(tmpdir(), "plinth-")), "cert.pem");
    writeFileSync(file, cert);
  } catch (error) {
    return `curl talks to it with the option --insecure: no file could be written that makes curl trust it (${(error as Error).message}).\n`;
  }
  const folder = path.dirname(file);
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const quoted = /^[\w./:-]+$/.test(file) ? file : `'${file.replaceAll("'", "'\\''")}'`;
  return `curl trusts it with this setting, while the server runs:\n\n  export CURL_CA_BUNDLE=${quoted}\n`;
}
