/** The handler that the conformance cases are sent to (`test_app_contract` in h1-cases.json). */
import { BaseHTTPRequestHandler } from "plinth";

export class ConformanceHandler extends BaseHTTPRequestHandler {
  static readonly module: string = import.meta.url;

  async do_GET(): Promise<void> {
    await this.rfile.read();
    const path = this.path.split("?")[0];
    if (path === "/echo") this.#send(this.#headerLines());
    else if (path === "/cookie") this.#send(this.#cookieLines());
    else this.#send(Buffer.from("hello\n"));
  }

  async do_OPTIONS(): Promise<void> {
    await this.rfile.read();
    this.#send(Buffer.alloc(0));
  }

  async do_POST(): Promise<void> {
    const content = await this.rfile.read();
    this.#send(this.path === "/echo" ? this.#headerLines() : content);
  }

  async do_PUT(): Promise<void> {
    await this.do_POST();
  }

  #headerLines(): Buffer {
    let text = "";
    for (const [name, value] of this.headers) text += `${name}: ${value}\n`;
    return Buffer.from(text, "latin1");
  }

  #cookieLines(): Buffer {
    const pairs = (this.headers.get("Cookie") ?? "").split(";").map((pair) => pair.trim());
    return Buffer.from(pairs.map((pair) => pair + "\n").join(""), "latin1");
  }

  #send(content: Buffer): void {
    this.sendResponse(200);
    this.sendHeader("Content-Type", "text/plain");
    this.sendHeader("Content-Length", content.length);
    this.endHeaders();
    this.wfile.write(content);
  }
}
