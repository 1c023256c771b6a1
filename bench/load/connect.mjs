// How load connects: plainly, or over TLS, where it offers one version, one cipher suite and one group, so that all servers have the same work.
import net from "node:net";
import tls from "node:tls";

export const VERSION = "TLSv1.3";
/** The one suite that each implementation of TLS 1.3 must have (RFC 8446 §9.1). */
export const SUITE = "TLS_AES_128_GCM_SHA256";
export const GROUP = "X25519";

/** What connections have in common, by what they trust: it takes a while to make. @type {Map<string, tls.SecureContext>} */
const contexts = new Map();

function contextOf(ca) {
  const key = String(ca);
  if (!contexts.has(key))
    contexts.set(key, tls.createSecureContext({ ca, minVersion: VERSION, ciphers: SUITE, ecdhCurve: GROUP }));
  return contexts.get(key);
}

/**
 * Connects to a server on 127.0.0.1.
 * @param {number} port
 * @param {string | readonly string[]} [ca] the certificates that are trusted, as PEM; without them the connection is plain
 * @param {object} [more] options of `net.connect`
 * @returns {net.Socket} what is written before it is open is sent then. No session is resumed
 */
export function connect(port, ca, more = {}) {
  const where = { host: "127.0.0.1", port, ...more };
  const socket = ca === undefined ? net.connect(where) : tls.connect({ ...where, secureContext: contextOf(ca) });
  return socket.setNoDelay(true);
}

/** The event by which a socket says that it is open. */
export const openEvent = (ca) => (ca === undefined ? "connect" : "secureConnect");
