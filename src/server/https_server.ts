/** Servers that speak HTTPS, after Python's `HTTPSServer`. */
import type { RequestHandlerClass } from "../handler/handler.ts";
import type { RequestRouter } from "../handler/router_interface.ts";
import { Field } from "../protocol/fields.ts";
import type { Protocol } from "../protocol/protocol_selector.ts";
import type { Identity, ListenAddress, TlsSettings } from "../transport/transport.ts";
import { checkAuthorities, readIdentity } from "./certificates.ts";
import { callsInMain } from "../program/thread_context.ts";
import { MAKE_PROTOCOLS, MAKE_TLS, OWN_OPTIONS, TLS } from "./internal_members.ts";
import type { ServerTls } from "./tls_listening.ts";
import { PLAIN_CLASSES } from "./listener_pool.ts";
import { HTTPServer } from "./server.ts";
import type { HTTPServerOptions } from "./server_options.ts";
import {
  type CertificateChange,
  type CertificateSources,
  checkChange,
  type CheckedChange,
  NO_CHANGE,
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
  #certificates: CertificateSources;
  /** Readings of certificates, each after the one before: the last one counts. */
  #readings: Promise<unknown> = Promise.resolve();

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
    const spoken = super[MAKE_PROTOCOLS]().map(({ alpn }) => alpn);
    this.#options = tlsSettings(options, spoken);
    this.#certificates = this.#options;
  }

  /**
   * Presents other certificates to clients that connect from now on; connections that are open go on. Listeners do so as soon as their event
   * loops have a turn. A handler in a thread may call it, too. Without an argument, the files are read again that the present certificates
   * have come from.
   * @returns rejects with an Error that says what is wrong with a certificate; the server then keeps those that it has
   */
  async setCertificate(change?: CertificateChange): Promise<void> {
    const checked = change === undefined ? NO_CHANGE : checkChange(change);
    const calls = callsInMain(this);
    if (calls !== null) return calls.setCertificate(change ?? null);
    const reading = this.#readings.then(() => this.#change(checked));
    this.#readings = reading.catch(() => {});
    return reading;
  }

  async #change({ certificate, serverNames }: CheckedChange): Promise<void> {
    const next = {
      certificate: certificate ?? this.#certificates.certificate,
      serverNames: serverNames ?? this.#certificates.serverNames,
    };
    await this[TLS].set((ticketKeys) => this.#settings(next, ticketKeys));
    this.#certificates = next;
  }

  async #settings(certificates: CertificateSources, ticketKeys: Uint8Array): Promise<TlsSettings> {
    const { ca, clientCertificates, alpnProtocols } = this.#options;
    if (ca !== undefined) checkAuthorities(ca);
    const serverNames: Record<string, Identity> = {};
    for (const [name, source] of Object.entries(certificates.serverNames))
      serverNames[name] = await readIdentity(source);
    const identity = await readIdentity(certificates.certificate);
    return { identity, serverNames, ca, clientCertificates, alpnProtocols, ticketKeys };
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
      settings: (ticketKeys) => {
        const reading = this.#readings.then(() => this.#settings(this.#certificates, ticketKeys));
        this.#readings = reading.catch(() => {});
        return reading;
      },
    };
  }
}

PLAIN_CLASSES.add(HTTPSServer);
