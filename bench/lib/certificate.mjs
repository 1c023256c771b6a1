// The certificates of servers that speak TLS, made when they are first wanted, and what wrk is told of TLS.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { root } from "../../scripts/prepare.mjs";
import { GROUP, SUITE, VERSION } from "../load/connect.mjs";

/**
 * A self-signed certificate for localhost and 127.0.0.1, with a key on the curve P-256.
 * @typedef {object} Certificate
 * @property {string} certFile where it lies, as PEM
 * @property {string} keyFile where its private key lies, as PEM
 * @property {string} cert the PEM itself: what a client trusts
 * @property {string} fingerprint the SHA-256 fingerprint, as node:tls tells it
 */

let folder;
let files = 0;

/** Names a file that is gone when this process is. */
function fileFor(name) {
  if (folder === undefined) {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "plinth-bench-"));
    process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
  }
  return path.join(folder, name);
}

/** @returns {Promise<Certificate>} another one at each call */
export async function makeCertificate() {
  // It is imported late, since the command that imports this file may first have to build it.
  const { selfSignedCertificate } = await import(pathToFileURL(path.join(root, "dist", "src", "mod.js")).href);
  const { cert, key, fingerprint } = selfSignedCertificate(["localhost", "127.0.0.1"]);
  const number = ++files;
  const certFile = fileFor(`cert-${number}.pem`);
  const keyFile = fileFor(`key-${number}.pem`);
  fs.writeFileSync(certFile, cert);
  fs.writeFileSync(keyFile, key, { mode: 0o600 });
  return { certFile, keyFile, cert, fingerprint };
}

let shared;

/** The one that all servers of a run have. @returns {Promise<Certificate>} */
export function certificate() {
  return (shared ??= makeCertificate());
}

let settings;

/** OpenSSL's configuration for wrk, which has no options for TLS: it then offers what our own clients offer. @returns {string} the file */
export function opensslSettings() {
  if (settings !== undefined) return settings;
  settings = fileFor("openssl.cnf");
  const lines = [
    "openssl_conf = all",
    "[all]",
    "ssl_conf = ssl",
    "[ssl]",
    "system_default = tls",
    "[tls]",
    `MinProtocol = ${VERSION}`,
    `Ciphersuites = ${SUITE}`,
    `Groups = ${GROUP}`,
  ];
  fs.writeFileSync(settings, `${lines.join("\n")}\n`);
  return settings;
}
