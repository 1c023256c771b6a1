/** Why a TLS handshake has failed, in words. */

const NO_VERSION = "the client speaks no version of TLS that this server speaks (1.2 and 1.3)";
const NOT_TRUSTED = "the client does not trust the certificate of this server";
const NO_CERTIFICATE = "the client has sent no certificate";
const NOT_TLS = "the client does not speak TLS";
const CHANGED = "what the client has sent was changed on its way";

/** By the end of an error's code: OpenSSL's reasons, which Node and Bun report, and which Deno translates its own errors to. */
const REASONS: Readonly<Record<string, string>> = {
  UNSUPPORTED_PROTOCOL: NO_VERSION,
  UNKNOWN_PROTOCOL: NO_VERSION,
  TLSV1_ALERT_PROTOCOL_VERSION: NO_VERSION,
  VERSION_TOO_LOW: NO_VERSION,
  NO_SHARED_CIPHER: "the client and this server have no cipher in common",
  SSLV3_ALERT_HANDSHAKE_FAILURE: "the client and this server could not agree on how to speak TLS",
  NO_APPLICATION_PROTOCOL: "the client speaks none of this server's protocols (ALPN)",
  WRONG_VERSION_NUMBER: NOT_TLS,
  HTTP_REQUEST: NOT_TLS,
  INVALID_CONTENT_TYPE: NOT_TLS,
  PEER_DID_NOT_RETURN_A_CERTIFICATE: NO_CERTIFICATE,
  ALERT_CERTIFICATE_UNKNOWN: NOT_TRUSTED,
  ALERT_BAD_CERTIFICATE: NOT_TRUSTED,
  ALERT_UNKNOWN_CA: NOT_TRUSTED,
  DECRYPTION_FAILED_OR_BAD_RECORD_MAC: CHANGED,
  CIPHER_OPERATION_FAILED: CHANGED,
  ECONNRESET: "the client has left",
};

/** By the code with which a certificate's verification fails. */
const CERTIFICATE_REASONS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "the client's certificate has expired",
  CERT_NOT_YET_VALID: "the client's certificate is not valid yet",
  // Node reports it for both.
  UNABLE_TO_GET_ISSUER_CERT: `${NO_CERTIFICATE}, or one whose issuer is not known`,
};

/**
 * @param error what the runtime reports
 * @param verification the code with which the client's certificate could not be verified, if that is the reason
 */
export function reasonOf(error: Error, verification: string | null): string {
  if (verification !== null)
    return CERTIFICATE_REASONS[verification] ?? `the client's certificate is not trusted (${verification})`;
  const { code = "" } = error as NodeJS.ErrnoException;
  // OpenSSL's text: "80…:error:0A000…:SSL routines:function:reason:file:line:".
  const [, reason = ""] = /:SSL routines:[^:]*:([^:]*)/.exec(error.message) ?? [];
  const found = Object.keys(REASONS).find((end) => code.endsWith(end) || reason.endsWith(end));
  if (found !== undefined) return REASONS[found];
  return reason || code || error.message;
}
