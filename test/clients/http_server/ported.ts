/** The program that docs/PYTHON.md shows on both sides, this one; ported.py is the other. */
import { BaseHTTPRequestHandler } from "plinth";

export class Greeter extends BaseHTTPRequestHandler {
  override serverVersion = "Greeter/1.0";

  do_GET() {
    this.greet(this.query.get("name") ?? "world");
  }

  async do_POST() {
    const length = Number(this.headers.get("Content-Length"));
    const name = (await this.rfile.read(length)).toString();
    if (name === "") {
      this.sendError(422, "No Name", "Say whom to greet.");
    } else {
      this.greet(name);
    }
  }

  greet(name: string) {
    const content = Buffer.from(`Hello, ${name}!\n`);
    this.sendResponse(200);
    this.sendHeader("Content-Type", "text/plain; charset=utf-8");
    this.sendHeader("Content-Length", content.length);
    this.endHeaders();
    this.wfile.write(content);
  }
}
