/** Handlers whose clients send too much, or too slowly. */
import { BaseHTTPRequestHandler, PeerGoneError } from "plinth";

export class Limited extends BaseHTTPRequestHandler {
  /** Says how much has come. */
  async do_POST(): Promise<void> {
    this.logMessage("begun");
    try {
      const content = await this.rfile.read();
      this.sendJson({ length: content.length });
    } catch (error) {
      if (error instanceof PeerGoneError) this.logMessage("read: %s, signal: %s", error.reason, this.signal.aborted);
      throw error;
    }
  }

  /** The same, bit by bit, behind the head of its response. */
  async do_STREAM(): Promise<void> {
    this.sendResponse(200);
    this.endHeaders();
    this.flushHeaders();
    let length = 0;
    for await (const piece of this.rfile) length += piece.length;
    this.wfile.write(String(length));
  }

  do_GET(): void {
    this.sendText(String(this.headers.length));
  }
}
