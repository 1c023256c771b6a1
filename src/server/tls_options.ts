/** The options by which a server speaks TLS: their meaning, their checks, and the certificates that they name. */
import type { TlsSettings } from "../transport/transport.ts";
import { latin1 } from "../protocol/bytes.ts";
import { isFieldText } from "../protocol/grammar.ts";
import { checkNames, checkNumbers, type NumberRule, SOME_TIME } from "../option_checks.ts";
import { quote } from "../quote_value.ts";

/** A certificate and its private key, as files or as text. */
export interface CertificateOptions {
  /**
   * The path of a PEM file with the certificate, and behind it those that lead to one that clients trust. It may have the private key, too.
   * @source Python's `certfile`
   */
  readonly certfile?: string | undefined;
  /** The path of a PEM file with the private key. Default: the key is in `certfile`. @source Python's `keyfile` */
  readonly keyfile?: string | undefined;
  /** The password of an encrypted private key. @source Python's `password` */
  readonly password?: string | undefined;
  /** What `certfile` would have: text, or its bytes. */
  readonly cert?: string | Uint8Array | undefined;
  /** What `keyfile` would have: text, or its bytes. */
  readonly key?: string | Uint8Array | undefined;
}

/** Certificates by the server name that a client asks for (SNI): "b.example.com", or "*.example.com" for each name with one label before that. */
export type ServerNames = Readonly<Record<string, CertificateOptions>>;

/** What `setCertificate` takes: another certificate, and those of other server names. */
export interface CertificateChange extends CertificateOptions {
  /** Replaces all that the option `serverNames` has had. Left out: these stay, and are read again where they came from files. */
  readonly serverNames?: ServerNames | undefined;
}

/** Options of a server that speaks HTTPS, besides those of HTTPServer. Times are in milliseconds. */
export interface TLSOptions extends CertificateOptions {
  /**
   * The names of protocols that clients may choose from (ALPN, RFC 7301), the preferred one first, out of those that the server speaks.
   * Default: all of them, ["http/1.1"]. @source Python's `alpn_protocols`
   */
  readonly alpnProtocols?: readonly string[] | undefined;
  /** Other certificates on the same port. A client that asks for no name, or for another one, gets the server's own certificate. */
  readonly serverNames?: ServerNames | undefined;
  /**
   * Whether clients are asked for a certificate; with `ca`. With true, a client without a trusted one gets no connection. With "optional", it
   * gets one, and `clientCertificate` is null. Default false.
   */
  readonly requestCert?: boolean | "optional" | undefined;
  /** The certificates that clients' certificates must lead to, as PEM: text or its bytes, one or several. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
  /**
   * Tells browsers to use HTTPS only, from now on and for so many seconds: each response has Strict-Transport-Security (RFC 6797). Or the
   * value of that field, such as "max-age=31536000; includeSubDomains". A handler that sends the field itself overrides it. Default: the
   * field is not sent.
   */
  readonly strictTransportSecurity?: number | string | undefined;
  /** How long a handshake may take, from the moment when the connection was accepted. Default 10 s. */
  readonly handshakeTimeout?: number | undefined;
  /**
   * How many handshakes may go on at a time, on each event loop. For one more, the oldest is given up if it has taken more than a second;
   * otherwise the new one is closed. The same holds where all places of `maxConnections` are taken. Default 1,024.
   */
  readonly maxHandshakes?: number | undefined;
}

/** The options that are numbers. */
const DEFAULTS = { handshakeTimeout: 10_000, maxHandshakes: 1024 };
const RULES: Readonly<Record<keyof typeof DEFAULTS, NumberRule>> = {
  handshakeTimeout: SOME_TIME,
  maxHandshakes: { least: 1, whole: true },
};

const CERTIFICATE_NAMES = ["certfile", "keyfile", "password", "cert", "key"];
export const TLS_OPTION_NAMES: readonly string[] = [
  ...CERTIFICATE_NAMES,
  "alpnProtocols",
  "serverNames",
  "requestCert",
  "ca",
  "strictTransportSecurity",
  ...Object.keys(DEFAULTS),
];

/** Where a certificate comes from. */
export interface CertificateSource {
  readonly certfile: string | undefined;
  readonly keyfile: string | undefined;
  readonly password: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/** The certificates of a server, by where they come from. */
export interface CertificateSources {
  readonly certificate: CertificateSource;
  /** By server name, in lower case. */
  readonly serverNames: Readonly<Record<string, CertificateSource>>;
}

/** The options of TLS, checked. */
export interface TlsOptionSettings extends CertificateSources {
  readonly ca: readonly string[] | undefined;
  readonly clientCertificates: TlsSettings["clientCertificates"];
  readonly alpnProtocols: readonly string[];
  /** The value of Strict-Transport-Security; null: it is not sent. */
  readonly strictTransport: string | null;
  readonly handshakeTimeout: number;
  readonly maxHandshakes: number;
}

/**
 * Checks the options of TLS. Reads no file.
 * @param spoken the names of the protocols that the server speaks
 * @throws {TypeError} or {RangeError} for an option that is wrong
 */
export function tlsSettings(options: TLSOptions, spoken: readonly string[]): TlsOptionSettings {
  const { requestCert = false, strictTransportSecurity } = options;
  if (requestCert !== true && requestCert !== false && requestCert !== "optional")
    throw new TypeError(`requestCert must be true, false or "optional", not ${quote(requestCert)}`);
  const ca = authorities(options.ca);
  // The authorities that a runtime trusts vouch for web sites. Whoever has a web site would be let in.
  if (requestCert !== false && ca === undefined)
    throw new TypeError("requestCert needs ca: the certificates that clients' certificates must lead to");
  return {
    certificate: checkCertificate(options, "HTTPSServer"),
    serverNames: checkServerNames(options.serverNames ?? {}),
    ca,
    clientCertificates: requestCert === true ? "required" : requestCert === "optional" ? "optional" : "none",
    alpnProtocols: checkProtocols(options.alpnProtocols ?? spoken, spoken),
    strictTransport: strictTransportSecurity === undefined ? null : strictTransportOf(strictTransportSecurity),
    ...checkNumbers<keyof typeof DEFAULTS>(options, RULES, DEFAULTS),
  };
}

/** @throws {TypeError} */
function authorities(ca: TLSOptions["ca"]): readonly string[] | undefined {
  if (ca === undefined) return undefined;
  const all = (Array.isArray(ca) ? ca : [ca]).map(textOf);
  if (all.length > 0 && all.every(isText)) return all;
  throw new TypeError(`ca must be PEM text, or an array of such texts, not ${quote(ca)}`);
}

/** @throws {TypeError} */
function checkProtocols(names: readonly string[], spoken: readonly string[]): readonly string[] {
  if (!Array.isArray(names) || names.length === 0 || !names.every(isText))
    throw new TypeError(`alpnProtocols must be an array of names, such as ["http/1.1"], not ${quote(names)}`);
  const other = names.find((name) => !spoken.includes(name));
  if (other !== undefined)
    throw new RangeError(`alpnProtocols has ${quote(other)}, but this server speaks only ${spoken.join(", ")}`);
  return [...names];
}

/** @throws {TypeError} */
function strictTransportOf(option: number | string): string {
  if (typeof option === "number" && Number.isSafeInteger(option) && option >= 0) return `max-age=${option}`;
  if (typeof option === "string" && isFieldText(option) && /(?:^|;)\s*max-age\s*=/i.test(option)) return option;
  throw new TypeError(
    `strictTransportSecurity must be a number of seconds, or text such as "max-age=31536000", not ${quote(option)}`,
  );
}

/** A host name, or "*." and one: what a client may ask for (RFC 6066 §3). */
const SERVER_NAME = /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;
const LOOKS_LIKE_IPV4 = /^[\d.]+$/;

/** @throws {TypeError} or {RangeError} */
export function checkServerNames(serverNames: ServerNames): CertificateSources["serverNames"] {
  if (typeof serverNames !== "object" || serverNames === null || Symbol.iterator in serverNames)
    throw new TypeError(
      `serverNames must be an object with a certificate for each name, not ${serverNames instanceof Map ? "a Map" : quote(serverNames)}`,
    );
  const checked: Record<string, CertificateSource> = {};
  for (const [name, certificate] of Object.entries(serverNames)) {
    const lower = name.toLowerCase();
    if (!SERVER_NAME.test(lower) || LOOKS_LIKE_IPV4.test(lower))
      throw new RangeError(`serverNames has ${quote(name)}, which is no host name, and not "*." with one behind it`);
    if (Object.hasOwn(checked, lower)) throw new RangeError(`serverNames has ${quote(name)} twice`);
    checked[lower] = checkCertificate(certificate, `serverNames[${JSON.stringify(name)}]`);
    checkNames(certificate, CERTIFICATE_NAMES, "option of a certificate ");
  }
  return checked;
}

/** What `setCertificate` changes; null for what stays, and is read again. */
export type CheckedChange = { readonly [Key in keyof CertificateSources]: CertificateSources[Key] | null };

export const NO_CHANGE: CheckedChange = { certificate: null, serverNames: null };

/** Checks what `setCertificate` takes. @throws {TypeError} or {RangeError} */
export function checkChange(change: CertificateChange): CheckedChange {
  const certificate = checkCertificate(change, "setCertificate");
  checkNames(change, [...CERTIFICATE_NAMES, "serverNames"], "option of a certificate ");
  return { certificate, serverNames: change.serverNames === undefined ? null : checkServerNames(change.serverNames) };
}

/** Checks those options that name a certificate. @param where what has the certificate, for messages @throws {TypeError} */
function checkCertificate(options: CertificateOptions, where: string): CertificateSource {
  if (typeof options !== "object" || options === null)
    throw new TypeError(`${where} must be an object with certfile or cert, not ${quote(options)}`);
  const { certfile, keyfile, password } = options;
  const [cert, key] = [textOf(options.cert), textOf(options.key)];
  for (const [name, value] of Object.entries({ certfile, keyfile, cert, key, password }))
    if (value !== undefined && typeof value !== "string")
      throw new TypeError(`${name} must be a string${name === "password" ? "" : `, not ${quote(value)}`}`);
  if ((certfile === undefined) === (cert === undefined))
    throw new TypeError(`${where} needs a certificate: either certfile, the path of a PEM file, or cert, the PEM text`);
  if (keyfile !== undefined && key !== undefined)
    throw new TypeError(`${where} has both keyfile and key: give the private key once`);
  return { certfile, keyfile, password, cert, key };
}

/** PEM is ASCII. */
function textOf<Value>(value: Value | Uint8Array): Value | string {
  return value instanceof Uint8Array ? latin1(value, 0, value.length) : value;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
