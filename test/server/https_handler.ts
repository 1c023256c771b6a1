/** Says what TLS has found out, and changes the certificate of its server. */
import { BaseHTTPRequestHandler, type CertificateChange, type HTTPSServer } from "plinth";

export class Secure extends BaseHTTPRequestHandler {
  static module = import.meta.url;

  do_GET(): void {
    const { scheme, serverName } = this;
    this.sendJson({ scheme, serverName, client: this.clientCertificate?.subject ?? null });
  }

  /** The content is what `setCertificate` takes, as JSON; null for nothing. */
  async do_POST(): Promise<void> {
    const change = (await this.json()) as CertificateChange | null;
    try {
      await (this.server as unknown as HTTPSServer).setCertificate(change ?? undefined);
      this.sendText("done");
    } catch (error) {
      this.sendText(`${String(error)} ${(error as NodeJS.ErrnoException).code ?? ""}`);
    }
  }
}
