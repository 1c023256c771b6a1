/** TLS on a runtime's `node:tls`: shakes hands on connections that were accepted, and chooses their certificate. */
import { Buffer } from "node:buffer";
import type net from "node:net";
import type tls from "node:tls";
import type { ConnectionInfo } from "../protocol/exchange.ts";
import { reasonOf } from "./handshake_errors.ts";
import { peerOf } from "./peer.ts";
import { NO_TLS, NO_TLS_RESPONSE, PendingHandshake } from "./pending_handshake.ts";
import { nodeCrypto, nodeTls } from "../runtime/lazy_modules.ts";
import type { Identity, TlsListenOptions, TlsSettings } from "./transport.ts";

/** The first byte of a TLS connection: the type of a record that carries handshake messages (RFC 8446 §5.1). */
const HANDSHAKE_RECORD = 22;
/** The size of a record's head, and where its length is in it, in bytes. */
const RECORD_HEAD = 5;
const LENGTH_AT = 3;
/** The most bytes of a record that is not encrypted (§5.1). */
const MAX_RECORD = 2 ** 14;

/** A deadline of Node's own for handshakes, as late as a timer can be: the server has one. In milliseconds. */
const NEVER = 2 ** 31 - 1;

/** Where a handshake has failed, the reason may come this long after the end of its connection. In milliseconds. */
const REASON_DELAY = 10;

/**
 * TLS 1.3, and of TLS 1.2 what RFC 9325 §4.2 recommends: forward secrecy, and encryption that authenticates. Node's own list ends in "HIGH",
 * which has key exchange by RSA alone: with it, the key of a certificate decrypts all connections that were ever recorded.
 */
export const CIPHERS = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_GCM_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/** Takes over connections whose handshake has ended well. */
type Accept = (socket: tls.TLSSocket, raw: net.Socket, info: ConnectionInfo) => void;

export class TlsAcceptor {
  readonly #options: TlsListenOptions;
  readonly #accept: Accept;
  readonly #server: tls.Server;
  #certificates: Certificates;
  /** Handshakes, by the connection that carries them. */
  readonly #handshakes = new WeakMap<net.Socket, PendingHandshake>();

  /** @throws {Error} for a certificate that cannot be used */
  constructor(options: TlsListenOptions, accept: Accept) {
    this.#options = options;
    this.#accept = accept;
    const { settings } = options;
    const { clientCertificates, alpnProtocols } = settings;
    this.#certificates = new Certificates(settings);
    this.#server = nodeTls().createServer({
      ...contextOptions(settings.identity, settings),
      requestCert: clientCertificates !== "none",
      rejectUnauthorized: clientCertificates === "required",
      ALPNProtocols: [...alpnProtocols],
      SNICallback: (name, done) => done(null, this.#certificates.find(name)),
      handshakeTimeout: NEVER,
    });
    this.#server.on("secureConnection", (socket) => this.#succeeded(socket));
    this.#server.on("tlsClientError", (error, socket) => this.#failed(error, socket));
  }

  /** Uses other settings for connections that come from now on. @throws {Error} for a certificate that cannot be used */
  set(settings: TlsSettings): void {
    const certificates = new Certificates(settings);
    this.#server.setSecureContext(contextOptions(settings.identity, settings));
    this.#certificates = certificates;
  }

  /** A connection has come. */
  connection(raw: net.Socket): void {
    const peer = peerOf(raw.remoteAddress, raw.remotePort);
    const handshake = new PendingHandshake(peer, this.#options, () => raw.destroy());
    raw.on("error", ignore); // "close" follows
    if (!handshake.begin()) return void raw.destroy();
    raw.once("close", () => setTimeout(() => handshake.end("the client has left"), REASON_DELAY));
    readFirstRecord(raw, (bytes) => {
      if (isLetter(bytes[0])) return refuse(raw, handshake);
      raw.unshift(bytes);
      this.#handshakes.set(raw, handshake);
      raw.allowHalfOpen = false; // a client that ends its side in the middle of the handshake has left
      this.#server.emit("connection", raw);
    });
  }

  #succeeded(socket: tls.TLSSocket): void {
    const raw = carrierOf(socket);
    const handshake = this.#handshakes.get(raw);
    if (handshake === undefined || raw.destroyed) return void socket.destroy();
    handshake.end(null);
    socket.allowHalfOpen = true;
    this.#accept(socket, raw, {
      clientAddress: handshake.clientAddress,
      alpn: typeof socket.alpnProtocol === "string" ? socket.alpnProtocol : null,
      secure: {
        version: socket.getProtocol() ?? "",
        serverName: nameOf(socket),
        clientCertificate: socket.authorized ? (socket.getPeerCertificate().raw ?? null) : null,
      },
    });
  }

  #failed(error: Error, socket: tls.TLSSocket): void {
    const raw = carrierOf(socket);
    const { authorizationError } = socket as { authorizationError?: unknown };
    const why = reasonOf(error, authorizationError ? String(authorizationError) : null);
    this.#handshakes.get(raw)?.end(why);
    socket.destroy();
  }
}

/** The connection that carries a TLS connection. Node, Bun and Deno name it so. */
function carrierOf(socket: tls.TLSSocket): net.Socket {
  return (socket as unknown as { _parent: net.Socket })._parent;
}

function nameOf(socket: tls.TLSSocket): string | null {
  const { servername } = socket as { servername?: unknown };
  return typeof servername === "string" && servername !== "" ? servername.toLowerCase() : null;
}

/**
 * Reads the first record of a connection, and pauses it. What TLS needs for a connection takes 80 KB. Nobody gets that for a part of a record.
 * A client that ends its side before has left.
 */
function readFirstRecord(raw: net.Socket, done: (bytes: Buffer) => void): void {
  let all: Buffer | null = null;
  const left = (): void => void raw.destroy();
  const read = (bytes: Buffer): void => {
    all = all === null ? bytes : Buffer.concat([all, bytes]); // at most 16 KiB, however many parts it comes in
    if (!isWholeRecord(all)) return;
    raw.off("data", read);
    raw.off("end", left);
    raw.pause();
    const record = all;
    all = null;
    done(record);
  };
  raw.on("data", read);
  raw.once("end", left);
}

/** Whether bytes begin with a whole record of TLS, or with what is none. */
function isWholeRecord(bytes: Buffer): boolean {
  if (bytes[0] !== HANDSHAKE_RECORD) return true;
  if (bytes.length < RECORD_HEAD) return false;
  const size = bytes.readUInt16BE(LENGTH_AT);
  return size > MAX_RECORD || bytes.length >= RECORD_HEAD + size; // a record that is too long is a fault, which TLS reports
}

/** Whether a connection that begins with this byte may be HTTP: it begins with a method. */
function isLetter(byte: number): boolean {
  return byte !== HANDSHAKE_RECORD && ((byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a));
}

/** The client speaks HTTP without TLS. What it goes on to send is dropped: a reset could overtake the response. */
function refuse(raw: net.Socket, handshake: PendingHandshake): void {
  handshake.why = NO_TLS;
  raw.end(NO_TLS_RESPONSE);
  raw.on("data", ignore);
  raw.resume();
}

/** The certificates for server names. */
class Certificates {
  readonly #contexts = new Map<string, tls.SecureContext>();

  /** @throws {Error} for a certificate that cannot be used */
  constructor(settings: TlsSettings) {
    for (const [name, identity] of Object.entries(settings.serverNames)) {
      const context = nodeTls().createSecureContext(contextOptions(identity, settings));
      this.#contexts.set(name, context);
    }
  }

  /** @returns undefined where the certificate is that of clients which ask for no name */
  find(name: string): tls.SecureContext | undefined {
    const lower = name.toLowerCase();
    return this.#contexts.get(lower) ?? this.#contexts.get(lower.replace(/^[^.]+/, "*"));
  }
}

/** The options of a context of `node:tls`. */
export function contextOptions({ cert, key }: Identity, { ca, ticketKeys }: TlsSettings): tls.SecureContextOptions {
  const { constants } = nodeCrypto();
  return {
    ticketKeys: Buffer.from(ticketKeys),
    cert,
    key,
    // Node's own is made of the program's arguments. A thread has others, and could not resume the sessions of another thread.
    sessionIdContext: "plinth",
    minVersion: "TLSv1.2",
    ciphers: CIPHERS,
    // Each renegotiation of TLS 1.2 costs a handshake. Node reports too many of them, and goes on with them.
    secureOptions: constants.SSL_OP_CIPHER_SERVER_PREFERENCE | constants.SSL_OP_NO_RENEGOTIATION,
    ...(ca === undefined ? {} : { ca: [...ca] }),
  };
}

function ignore(): void {}
