// Plinth with the post's handler, line by line.
import { BaseHTTPRequestHandler, download, serve, upload } from "./plinth.mjs";

class RequestHandler extends BaseHTTPRequestHandler {
  async do_POST() {
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
}

/** What the post has not: sums by path, and the two streams. */
class Handler extends RequestHandler {
  do_POST() {
    return this.path === "/upload" ? upload(this) : super.do_POST();
  }

  do_GET() {
    if (this.path === "/download") return download(this);
    const params = this.pathParams;
    this.sendJson({ sum: Number(params.get("val_a")) + Number(params.get("val_b")) });
  }
}

// Streams are of any length.
await serve(Handler, { maxBodySize: Infinity });
