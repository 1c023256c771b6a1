import { BaseHTTPRequestHandler, HTTPServer } from "plinth";

class RequestHandler extends BaseHTTPRequestHandler {
  async do_GET() {
    const contentLength = Number(this.headers.get("Content-Length"));
    const requestBody = JSON.parse((await this.rfile.read(contentLength)).toString("utf-8"));
    const answer = requestBody.val_a + requestBody.val_b;
    const responseBody = Buffer.from(JSON.stringify({ sum: answer }));
    this.sendResponse(200);
    this.sendHeader("Content-Type", "application/json");
    this.sendHeader("Content-Length", responseBody.length);
    this.endHeaders();
    this.wfile.write(responseBody);
  }

  do_RICKROLL() {
    this.sendResponse(200);
    this.sendHeader("Content-Type", "text/plain");
    this.endHeaders();
    this.wfile.write("Never gonna give you up\n");
  }
}

const httpd = new HTTPServer(["127.0.0.1", Number(process.env["PORT"] ?? 8000)], RequestHandler);
await httpd.serveForever();
