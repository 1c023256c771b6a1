/** Reads certificates and private keys, and says in words what is wrong with them. */
import type { KeyObject, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { nodeCrypto, nodeTls } from "../runtime/lazy_modules.ts";
import type { Identity } from "../transport/transport.ts";
import type { CertificateSource } from "./tls_options.ts";

const CERTIFICATES = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g;
const PRIVATE_KEY = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[^]*?-----END (?:[A-Z]+ )*PRIVATE KEY-----/;

/**
 * Reads a certificate and its key.
 * @returns rejects with an Error that says which file cannot be read, or what is wrong with the certificate or its key
 */
export async function readIdentity(source: CertificateSource): Promise<Identity> {
  const { certfile, keyfile, password } = source;
  const text = source.cert ?? (await read(certfile!, "certificate"));
  const ownKey = source.key ?? (keyfile === undefined ? undefined : await read(keyfile, "private key"));
  const certName = certfile ?? "cert";
  const keyName = keyfile ?? (source.key === undefined ? certName : "key");
  const certificates = certificatesIn(text, certName);
  const [privateKey] = PRIVATE_KEY.exec(ownKey ?? text) ?? [];
  if (privateKey === undefined)
    throw new Error(`${keyName} has no private key in PEM form (-----BEGIN PRIVATE KEY-----)`);
  const [{ certificate }] = certificates;
  const keyObject = readKey(privateKey, keyName, password);
  if (!certificate.checkPrivateKey(keyObject))
    throw new Error(`the private key in ${keyName} does not belong to the certificate in ${certName}`);
  // Runtimes differ in which forms of keys they read, so all get the same: PKCS #8, not encrypted.
  const key = String(keyObject.export({ type: "pkcs8", format: "pem" }));
  const cert = certificates.map(({ pem }) => pem + "\n").join("");
  try {
    nodeTls().createSecureContext({ cert, key });
  } catch (error) {
    throw new Error(`the certificate in ${certName} cannot be used: ${reasonOf(error as Error)}`, { cause: error });
  }
  return { cert, key };
}

/** @throws {Error} that says what is wrong with the certificates of the option `ca` */
export function checkAuthorities(ca: readonly string[]): void {
  for (const text of ca) certificatesIn(text, "ca");
}

async function read(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, "latin1"); // PEM is ASCII; some files have other text between certificates
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = { ENOENT: "there is no such file", EACCES: "permission denied", EISDIR: "it is a folder" }[code ?? ""];
    throw Object.assign(new Error(`cannot read the ${what} ${file}: ${why ?? message}`, { cause: error }), { code });
  }
}

interface ReadCertificate {
  readonly pem: string;
  readonly certificate: X509Certificate;
}

/** @param name of the file or option that has the text @throws {Error} */
function certificatesIn(text: string, name: string): readonly [ReadCertificate, ...ReadCertificate[]] {
  const found = (text.match(CERTIFICATES) ?? []).map((pem, i) => {
    try {
      return { pem, certificate: new (nodeCrypto().X509Certificate)(pem) };
    } catch (error) {
      throw new Error(`certificate ${i + 1} in ${name} cannot be read`, { cause: error });
    }
  });
  const [first, ...others] = found;
  if (first === undefined) throw new Error(`${name} has no certificate in PEM form (-----BEGIN CERTIFICATE-----)`);
  return [first, ...others];
}

/** @throws {Error} */
function readKey(key: string, keyName: string, password: string | undefined): KeyObject {
  try {
    return nodeCrypto().createPrivateKey({ key, ...(password === undefined ? {} : { passphrase: password }) });
  } catch (error) {
    const isEncrypted = key.includes("ENCRYPTED");
    const unread = password === undefined ? "is encrypted: give its password" : "cannot be read with that password";
    throw new Error(`the private key in ${keyName} ${isEncrypted ? unread : "cannot be read"}`, { cause: error });
  }
}

/** What OpenSSL says, without its codes: "error:0A00018F:SSL routines::ee key too small". */
function reasonOf({ message }: Error): string {
  return /^error:[^:]*:[^:]*:[^:]*:(.+)$/.exec(message)?.[1] ?? message;
}
