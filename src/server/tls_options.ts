/** The options by which a server speaks TLS: their meaning, their checks, and the certificates that they name. */
import type { TlsSettings } from "../transport/transport.ts";
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
  /** What `certfile` would have, as text. */
  readonly cert?: string | undefined;
  /** What `keyfile` would have, as text. */
  readonly key?: string | undefined;
}

/** Options of a server that speaks HTTPS, besides those of HTTPServer. Times are in milliseconds. */
export interface TLSOptions extends CertificateOptions {
  /**
   * The names of protocols that clients may choose from (ALPN, RFC 7301), the preferred one first. Default: those that the server speaks,
   * ["http/1.1"]. @source Python's `alpn_protocols`
   */
  readonly alpnProtocols?: readonly string[] | undefined;
  /**
   * Other certificates on the same port, by the server name that a client asks for (SNI): "b.example.com", or "*.example.com" for each name
   * with one label before that.
   */
  readonly serverNames?: Readonly<Record<string, CertificateOptions>> | undefined;
  /**
   * Whether clients are asked for a certificate. With true, a client without a trusted one gets no connection. With "optional", it gets one,
   * and `clientCertificate` is null. Default false.
   */
  readonly requestCert?: boolean | "optional" | undefined;
  /** The certificates that clients' certificates must lead to, as PEM: one text, or several. Default: those that the runtime trusts. */
  readonly ca?: string | readonly string[] | undefined;
  /**
   * Tells browsers to use HTTPS only, from now on and for so many seconds: each response has Strict-Transport-Security (RFC 6797). Or the
   * value of that field, such as "max-age=31536000; includeSubDomains". A handler that sends the field itself overrides it. Default: the
   * field is not sent.
   */
  readonly strictTransportSecurity?: number | string | undefined;
  /** How long a handshake may take, from the moment when the connection was accepted. Default 10 s. */
  readonly handshakeTimeout?: number | undefined;
  /** How many handshakes may go on at a time. For one more, the oldest is given up. Default 1,024. */
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

/** The options of TLS, checked. */
export interface TlsOptionSettings {
  readonly certificate: CertificateOptions;
  readonly serverNames: Readonly<Record<string, CertificateOptions>>;
  readonly ca: readonly string[] | undefined;
  readonly clientCertificates: TlsSettings["clientCertificates"];
  /** Null: those that the server speaks. */
  readonly alpnProtocols: readonly string[] | null;
  /** The value of Strict-Transport-Security; null: it is not sent. */
  readonly strictTransport: string | null;
  readonly handshakeTimeout: number;
  readonly maxHandshakes: number;
}

/** Checks the options of TLS. Reads no file. @throws {TypeError} or {RangeError} for an option that is wrong */
export function tlsSettings(options: TLSOptions): TlsOptionSettings {
  const { alpnProtocols, serverNames = {}, requestCert = false, ca, strictTransportSecurity } = options;
  if (requestCert !== true && requestCert !== false && requestCert !== "optional")
    throw new TypeError(`requestCert must be true, false or "optional", not ${quote(requestCert)}`);
  if (alpnProtocols !== undefined && !isTexts(alpnProtocols))
    throw new TypeError(`alpnProtocols must be an array of names, such as ["http/1.1"], not ${quote(alpnProtocols)}`);
  const authorities = typeof ca === "string" ? [ca] : ca;
  if (authorities !== undefined && !isTexts(authorities))
    throw new TypeError(`ca must be PEM text, or an array of such texts, not ${quote(ca)}`);
  const names: Record<string, CertificateOptions> = {};
  for (const [name, certificate] of Object.entries(serverNames))
    names[name.toLowerCase()] = checkCertificate(certificate, `serverNames[${JSON.stringify(name)}]`);
  return {
    certificate: checkCertificate(pick(options), "HTTPSServer"),
    serverNames: names,
    ca: authorities,
    clientCertificates: requestCert === true ? "required" : requestCert === "optional" ? "optional" : "none",
    alpnProtocols: alpnProtocols ?? null,
    strictTransport: strictTransportSecurity === undefined ? null : strictTransportOf(strictTransportSecurity),
    ...checkNumbers<keyof typeof DEFAULTS>(options, RULES, DEFAULTS),
  };
}

/** @throws {TypeError} */
function strictTransportOf(option: number | string): string {
  if (typeof option === "number" && Number.isSafeInteger(option) && option >= 0) return `max-age=${option}`;
  if (typeof option === "string" && isFieldText(option) && /(?:^|;)\s*max-age\s*=/i.test(option)) return option;
  throw new TypeError(
    `strictTransportSecurity must be a number of seconds, or text such as "max-age=31536000", not ${quote(option)}`,
  );
}

function pick({ certfile, keyfile, password, cert, key }: CertificateOptions): CertificateOptions {
  return { certfile, keyfile, password, cert, key };
}

/** @param where what has the certificate, for messages @throws {TypeError} */
export function checkCertificate(options: CertificateOptions, where: string): CertificateOptions {
  if (typeof options !== "object" || options === null)
    throw new TypeError(`${where} must be an object with certfile or cert, not ${quote(options)}`);
  checkNames(options, CERTIFICATE_NAMES, `option of a certificate `);
  for (const [name, value] of Object.entries(options))
    if (value !== undefined && typeof value !== "string")
      throw new TypeError(`${name} must be a string, not ${quote(value)}`);
  const { certfile, keyfile, cert, key } = options;
  if ((certfile === undefined) === (cert === undefined))
    throw new TypeError(`${where} needs a certificate: either certfile, the path of a PEM file, or cert, the PEM text`);
  if (keyfile !== undefined && key !== undefined)
    throw new TypeError(`${where} has both keyfile and key: give the private key once`);
  return options;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "string" && one !== "");
}
