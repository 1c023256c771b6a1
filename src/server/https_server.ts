/** Servers that speak HTTPS, after Python's `HTTPSServer`. */
import type { RequestHandlerClass } from "../handler/handler.ts";
import type { RequestRouter } from "../handler/router_interface.ts";
import { Field } from "../protocol/fields.ts";
import type { Protocol } from "../protocol/protocol_selector.ts";
import type { Identity, ListenAddress, TlsSettings } from "../transport/transport.ts";
import { MAKE_PROTOCOLS, MAKE_TLS, OWN_OPTIONS, SET_TLS } from "./internal_members.ts";
import type { ServerTls } from "./tls_listening.ts";
import { PLAIN_CLASSES } from "./listener_pool.ts";
import { HTTPServer } from "./server.ts";
import type { HTTPServerOptions } from "./server_options.ts";
import {
  type CertificateOptions,
  checkCertificate,
  TLS_OPTION_NAMES,
  type TLSOptions,
  type TlsOptionSettings,
  tlsSettings,
} from "./tls_options.ts";

/** Options of an HTTPSServer. */
export interface HTTPSServerOptions extends HTTPServerOptions, TLSOptions {}

/**
 * An HTTP server that speaks HTTPS: TLS 1.2 and 1.3. Everything else is as with HTTPServer.
 *
 * @example
 * const httpd = new HTTPSServer(["", 8443], RequestHandler, { certfile: "cert.pem", keyfile: "key.pem" });
 * await httpd.serveForever();
 *
 * @source Python's `http.server.HTTPSServer`
 */
export class HTTPSServer extends HTTPServer {
  readonly #options: TlsOptionSettings;
  #certificate: CertificateOptions;

  /**
   * @param options `certfile` or `cert` must be among them
   * @throws {TypeError} or {RangeError} for an argument that is wrong. Files are read by `serverActivate`
   */
  constructor(
    serverAddress: ListenAddress,
    RequestHandlerClass: RequestHandlerClass | RequestRouter,
    options: HTTPSServerOptions = {},
  ) {
    super(serverAddress, RequestHandlerClass, options);
    this.#options = tlsSettings(options);
    this.#certificate = this.#options.certificate;
  }

  /**
   * Presents another certificate to clients that connect from now on; connections that are open go on. With listeners, all of them do.
   * Without an argument, the files are read again that the present certificates have come from, those of `serverNames` too.
   * @returns rejects with an Error that says what is wrong with the certificate; the server then keeps those that it has
   */
  async setCertificate(certificate?: CertificateOptions): Promise<void> {
    const next = certificate === undefined ? this.#certificate : checkCertificate(certificate, "setCertificate");
    await this[SET_TLS]((ticketKeys) => this.#settings(next, ticketKeys));
    this.#certificate = next;
  }

  async #settings(certificate: CertificateOptions, ticketKeys: Uint8Array): Promise<TlsSettings> {
    const { readIdentity } = await import("./certificates.ts");
    const { ca, clientCertificates, alpnProtocols } = this.#options;
    const serverNames: Record<string, Identity> = {};
    for (const [name, options] of Object.entries(this.#options.serverNames))
      serverNames[name] = await readIdentity(options);
    const identity = await readIdentity(certificate);
    return { identity, serverNames, ca, clientCertificates, alpnProtocols: alpnProtocols ?? ["http/1.1"], ticketKeys };
  }

  /** @internal */
  override get [OWN_OPTIONS](): readonly string[] {
    return [...super[OWN_OPTIONS], ...TLS_OPTION_NAMES];
  }

  /** @internal */
  override [MAKE_PROTOCOLS](): readonly Protocol[] {
    const { strictTransport } = this.#options;
    return super[MAKE_PROTOCOLS](
      strictTransport === null ? [] : [new Field("Strict-Transport-Security", strictTransport)],
    );
  }

  /** @internal */
  override [MAKE_TLS](): ServerTls {
    const { handshakeTimeout, maxHandshakes, clientCertificates } = this.#options;
    return {
      handshakeTimeout,
      maxHandshakes,
      asksForCertificates: clientCertificates !== "none",
      settings: (ticketKeys) => this.#settings(this.#certificate, ticketKeys),
    };
  }
}

PLAIN_CLASSES.add(HTTPSServer);
