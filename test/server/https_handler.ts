/** Says what TLS has found out. */
import { BaseHTTPRequestHandler } from "plinth";

export class Secure extends BaseHTTPRequestHandler {
  static module = import.meta.url;

  do_GET(): void {
    const { scheme, serverName } = this;
    this.sendJson({ scheme, serverName, client: this.clientCertificate?.subject ?? null });
  }
}
