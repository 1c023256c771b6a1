/** Reads certificates and private keys, and says in words what is wrong with them. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Identity } from "../transport/transport.ts";
import type { CertificateOptions } from "./tls_options.ts";

const CERTIFICATES = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g;
const PRIVATE_KEY = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[^]*?-----END (?:[A-Z]+ )*PRIVATE KEY-----/;

/** Reads a certificate and its key. @returns rejects with an Error that says which file cannot be read, or what is wrong with the certificate or its key */
export async function readIdentity(options: CertificateOptions): Promise<Identity> {
  const { certfile, keyfile, password } = options;
  const text = options.cert ?? (await read(certfile!, "certificate"));
  const ownKey = options.key ?? (keyfile === undefined ? undefined : await read(keyfile, "private key"));
  const certName = certfile ?? "cert";
  const keyName = keyfile ?? (options.key === undefined ? certName : "key");
  const certificates = text.match(CERTIFICATES);
  const [privateKey] = PRIVATE_KEY.exec(ownKey ?? text) ?? [];
  if (certificates === null)
    throw new Error(`${certName} has no certificate in PEM form (-----BEGIN CERTIFICATE-----)`);
  if (privateKey === undefined)
    throw new Error(`${keyName} has no private key in PEM form (-----BEGIN PRIVATE KEY-----)`);
  // Runtimes differ in which forms of keys they read, so all get the same: PKCS #8, not encrypted.
  const key = readKey(certificates[0], certName, privateKey, keyName, password).export({
    type: "pkcs8",
    format: "pem",
  });
  return { cert: certificates.join("\n") + "\n", key: String(key) };
}

async function read(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = { ENOENT: "there is no such file", EACCES: "permission denied", EISDIR: "it is a folder" }[code ?? ""];
    throw Object.assign(new Error(`cannot read the ${what} ${file}: ${why ?? message}`, { cause: error }), { code });
  }
}

/**
 * Reads a private key.
 * @param cert the certificate that the key must belong to
 * @throws {Error} that says what is wrong with one of them
 */
function readKey(
  cert: string,
  certName: string,
  key: string,
  keyName: string,
  password: string | undefined,
): KeyObject {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(cert);
  } catch (error) {
    throw new Error(`${certName} has no certificate that can be read`, { cause: error });
  }
  let privateKey;
  try {
    privateKey = createPrivateKey({ key, ...(password === undefined ? {} : { passphrase: password }) });
  } catch (error) {
    const isEncrypted = key.includes("ENCRYPTED");
    const unread = password === undefined ? "is encrypted: give its password" : "cannot be read with that password";
    throw new Error(`the private key in ${keyName} ${isEncrypted ? unread : "cannot be read"}`, { cause: error });
  }
  if (!certificate.checkPrivateKey(privateKey))
    throw new Error(`the private key in ${keyName} does not belong to the certificate in ${certName}`);
  return privateKey;
}
