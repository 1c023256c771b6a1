/** Handlers for clients that are slow; threads import them from here. */
import { BaseHTTPRequestHandler } from "plinth";

const PIECE = 64 * 1024;

export class Slow extends BaseHTTPRequestHandler {
  static module = import.meta.url;

  /** Responds with so much content: `/text/8000000`, or `/bytes/…` from one buffer, or `/pieces/…`. */
  async do_GET(): Promise<void> {
    this.signal.addEventListener("abort", () => this.logMessage("gone"));
    const [, how, number] = this.pathname.split("/");
    const size = Number(number);
    if (how === "text") return this.sendText("x".repeat(size));
    this.sendResponse(200);
    if (how === "bytes") this.sendHeader("Content-Length", size);
    this.endHeaders();
    if (how === "bytes") return void this.wfile.write(Buffer.alloc(size, "x"));
    const piece = Buffer.alloc(PIECE, "x");
    for (let at = 0; at < size && !this.clientGone; at += PIECE)
      await this.wfile.write(piece.subarray(0, Math.min(PIECE, size - at)));
  }

  /** Refuses its client, and reads nothing. */
  do_POST(): void {
    this.sendError(401);
  }

  /** Says how much it has read. */
  async do_PUT(): Promise<void> {
    this.sendText(String((await this.bytes()).length));
  }
}
