/** What tests of HTTPS servers share: certificates, a server, and clients on the runtime's own `node:tls`. */
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import tls from "node:tls";
import { HTTPSServer, type HTTPSServerOptions, selfSignedCertificate } from "plinth";
import { Secure } from "./https_handler.ts";
import { until } from "./support.ts";

export const one = selfSignedCertificate(["localhost", "127.0.0.1"]);
export const two = selfSignedCertificate(["b.example", "*.c.example"]);

/** The same private key, encrypted. */
export function encrypted(key: string, passphrase: string): string {
  return String(createPrivateKey(key).export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase }));
}

let names = 0;

/**
 * A server name that was not asked for before, for a client that is to see the present certificate. Deno's resumes sessions of a name by
 * itself, and then shows the certificate with which the session has begun.
 */
export function newName(): string {
  return `n${++names}.example`;
}

export interface Served {
  readonly httpd: HTTPSServer;
  readonly port: number;
  readonly log: string[];
}

export async function serve(t: TestContext, options: HTTPSServerOptions = {}, Server = HTTPSServer): Promise<Served> {
  const log: string[] = [];
  const { cert, key } = one;
  const all = {
    ...("certfile" in options ? {} : { cert, key }),
    log: (line: string) => void log.push(line),
    ...options,
  };
  const httpd = new Server(["127.0.0.1", 0], Secure, all);
  t.after(() => httpd.serverClose());
  await httpd.serverActivate();
  return { httpd, port: httpd.serverAddress[1], log };
}

/** Shakes hands. @returns the connection, or the code of the error that it ended with */
export async function shake(port: number, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket | string> {
  const socket = tls.connect({
    port,
    host: "127.0.0.1",
    servername: "localhost",
    rejectUnauthorized: false,
    ...options,
  });
  return new Promise((resolve) => {
    socket.once("secureConnect", () => resolve(socket));
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on("close", () => resolve("closed"));
  });
}

export async function shaken(port: number, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const socket = await shake(port, options);
  assert.ok(typeof socket !== "string", String(socket));
  return socket;
}

/** What the handler says of a request. */
export interface Said {
  scheme: string;
  serverName: string | null;
  client: string | null;
}

export async function ask(socket: tls.TLSSocket): Promise<Said> {
  let text = "";
  const more = (data: Buffer): void => void (text += data.toString());
  socket.on("data", more);
  socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await until(() => text.includes("}") || socket.destroyed, "a response");
  socket.off("data", more);
  return JSON.parse(text.slice(text.indexOf("{"))) as Said;
}

export async function said(port: number, options: tls.ConnectionOptions = {}): Promise<Said> {
  const socket = await shaken(port, options);
  try {
    return await ask(socket);
  } finally {
    socket.destroy();
  }
}

export async function eventually(condition: () => Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; !(await condition()); i++) assert.ok(i < 100, `waited in vain for ${what}`);
}

export const fingerprintOf = (socket: tls.TLSSocket): string => socket.getPeerCertificate().fingerprint256;

export function folderOf(t: TestContext, files: Record<string, string>): (name: string) => string {
  const folder = mkdtempSync(path.join(tmpdir(), "plinth-tls-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  return (name) => path.join(folder, name);
}
