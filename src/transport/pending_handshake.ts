/** A TLS handshake that goes on, on any runtime; and the response to a client that does not begin one. */
import { Buffer } from "node:buffer";
import type { Peer } from "../protocol/exchange.ts";
import type { Handshake, TlsListenOptions } from "./transport.ts";

const SAYS = "This port speaks HTTPS, and this connection came without TLS: the address begins with https://\n";

/** The response to a client that speaks HTTP without TLS. */
export const NO_TLS_RESPONSE: Uint8Array = Buffer.from(
  "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n" +
    `Content-Length: ${SAYS.length}\r\nConnection: close\r\n\r\n${SAYS}`,
);

/** Why the handshake of such a client has failed. */
export const NO_TLS = "the client speaks HTTP without TLS";

export class PendingHandshake implements Handshake {
  readonly clientAddress: Peer;
  readonly #options: TlsListenOptions;
  readonly #close: () => void;
  #hasEnded = false;
  /** Why the handshake has failed, if that is known before its connection is closed. */
  why: string | null = null;

  /** @param close closes the connection */
  constructor(clientAddress: Peer, options: TlsListenOptions, close: () => void) {
    this.clientAddress = clientAddress;
    this.#options = options;
    this.#close = close;
  }

  /** @returns whether the handshake may begin */
  begin(): boolean {
    return this.#options.handshakeBegins(this);
  }

  /** @param why null if the handshake went well */
  end(why: string | null): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#options.handshakeEnded(this, why === null ? null : (this.why ?? why));
  }

  destroy(why: string): void {
    this.end(why);
    this.#close();
  }
}
