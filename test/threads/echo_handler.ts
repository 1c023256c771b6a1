/** A handler that says back what it hears, piece by piece, in each way that there is to read and write. */
import { BaseHTTPRequestHandler } from "plinth";

export class EchoHandler extends BaseHTTPRequestHandler {
  static readonly module: string = import.meta.url;

  async do_ITERATE(): Promise<void> {
    this.#begin();
    for await (const piece of this.rfile) this.#say(piece);
  }

  async do_STREAM(): Promise<void> {
    this.#begin();
    for await (const piece of this.rfile.stream()) this.#say(piece);
  }

  do_BLOCK(): void {
    this.#begin();
    for (let piece = this.rfile.read1Sync(); piece.length > 0; piece = this.rfile.read1Sync()) {
      this.wfile.writeSync(piece);
      this.wfile.flush();
    }
  }

  #begin(): void {
    this.sendResponseOnly(200);
    this.endHeaders();
    this.wfile.flush();
  }

  #say(piece: Uint8Array): void {
    void this.wfile.write(piece);
    this.wfile.flush();
  }
}
