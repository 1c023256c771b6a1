// Plinth with a handler that is not async: the server calls it when the content is there.
import { BaseHTTPRequestHandler, serve } from "./plinth.mjs";

class Handler extends BaseHTTPRequestHandler {
  static bufferedBody = 1024;

  do_POST() {
    const { val_a, val_b } = JSON.parse(this.rfile.readSync().toString());
    this.sendJson({ sum: val_a + val_b });
  }

  do_GET() {
    const params = this.pathParams;
    this.sendJson({ sum: Number(params.get("val_a")) + Number(params.get("val_b")) });
  }
}

await serve(Handler);
