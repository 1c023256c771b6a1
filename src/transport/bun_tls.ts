/**
 * TLS on Bun's own sockets. They cost about a third less than Bun's `node:tls` (docs/RUNTIMES.md), but do not choose among several
 * certificates, and are not asked here for clients' certificates.
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { nodeTls } from "../runtime/lazy_modules.ts";
import { BunConnection, type BunEvents, type BunListenOptions, type BunSocket } from "./bun_socket.ts";
import { reasonOf } from "./handshake_errors.ts";
import { CIPHERS, contextOptions } from "./node_tls.ts";
import { peerOf } from "./peer.ts";
import { NO_TLS, NO_TLS_RESPONSE, PendingHandshake } from "./pending_handshake.ts";
import type { Identity, Socket, SocketHandler, TlsListenOptions, TlsSettings } from "./transport.ts";

type Accept = (socket: Socket) => SocketHandler;

/** What OpenSSL says of a client whose first bytes are not a record of TLS: HTTP by one of four methods; CONNECT; anything else. */
const NOT_TLS = /:(?:HTTP_REQUEST|HTTPS_PROXY_REQUEST|WRONG_VERSION_NUMBER)/;

/** Secures the connections of a listener. */
export class BunTls {
  readonly options: NonNullable<BunListenOptions["tls"]>;
  readonly events: Pick<BunListenOptions["socket"], "open" | "handshake">;
  /** The native part of the context with the present certificate; null if it is the one that the listener has begun with. */
  #context: unknown = null;
  #identity: Identity;
  /** Whether this version of Bun has the undocumented method that changes a connection's certificate. True before that is known. */
  #canChange = true;

  constructor(options: TlsListenOptions, accept: Accept) {
    const { identity, alpnProtocols } = options.settings;
    this.#identity = identity;
    this.options = {
      cert: identity.cert,
      key: identity.key,
      ciphers: CIPHERS,
      ALPNProtocols: alpnProtocols.map((name) => String.fromCharCode(name.length) + name).join(""),
    };
    this.events = {
      open: (socket) => {
        const handshaking = new HandshakingConnection(socket, options, accept);
        socket.data = handshaking;
        this.#canChange = typeof socket.setKeyCert === "function";
        if (this.#context !== null) socket.setKeyCert?.(this.#context);
        handshaking.begin();
      },
      handshake(socket, wentWell, error) {
        const { data } = socket;
        if (data instanceof HandshakingConnection)
          data.ended(wentWell ? null : (error ?? new Error("the handshake has failed")));
      },
    };
  }

  /** @throws {Error} for a certificate that cannot be used, and for server names: this listener has one certificate */
  set(settings: TlsSettings): void {
    if (Object.keys(settings.serverNames).length > 0)
      throw new Error("on Bun, a server that was started without serverNames cannot be given any while it listens");
    const { cert, key } = settings.identity;
    if (cert === this.#identity.cert && key === this.#identity.key) return;
    if (!this.#canChange)
      throw new Error(`Bun ${process.versions.bun} cannot change the certificate of a server that listens`);
    this.#context = nodeTls().createSecureContext(contextOptions(settings.identity, settings)).context;
    this.#identity = settings.identity;
  }
}

/** A connection whose handshake has not ended. */
class HandshakingConnection implements BunEvents {
  readonly #socket: BunSocket;
  readonly #handshake: PendingHandshake;
  readonly #accept: Accept;
  #isClosed = false;

  constructor(socket: BunSocket, options: TlsListenOptions, accept: Accept) {
    const peer = peerOf(socket.remoteAddress, socket.remotePort);
    this.#socket = socket;
    this.#accept = accept;
    this.#handshake = new PendingHandshake(peer, options, () => socket.close());
  }

  begin(): void {
    if (!this.#handshake.begin()) this.#socket.close();
  }

  /** @param error null if the handshake went well */
  ended(error: Error | null): void {
    if (this.#isClosed) return;
    if (error === null) return this.#succeeded();
    if (NOT_TLS.test(error.message)) this.#respondWithoutTls();
    this.#handshake.end(reasonOf(error, null));
    this.#socket.close();
  }

  #succeeded(): void {
    const socket = this.#socket;
    this.#handshake.end(null);
    const serverName = socket.getServername?.();
    const connection = new BunConnection(socket, {
      clientAddress: this.#handshake.clientAddress,
      alpn: typeof socket.alpnProtocol === "string" ? socket.alpnProtocol : null,
      secure: {
        version: socket.getTLSVersion?.() ?? "",
        serverName: serverName ? serverName.toLowerCase() : null,
        clientCertificate: null,
      },
    });
    socket.data = connection;
    connection.handler = this.#accept(connection);
  }

  /** The client speaks HTTP without TLS. The socket itself would encrypt the response. */
  #respondWithoutTls(): void {
    this.#handshake.why = NO_TLS;
    try {
      if (this.#socket.fd !== undefined) writeSync(this.#socket.fd, NO_TLS_RESPONSE);
    } catch {} // it has left
  }

  received(): void {}

  drained(): void {}

  peerEnded(): void {
    this.#socket.close();
  }

  gone(): void {
    this.#isClosed = true;
    this.#handshake.end("the client has left");
  }
}
