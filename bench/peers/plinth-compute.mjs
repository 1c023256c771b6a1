// Plinth with a handler that computes before it adds: a tenth of a millisecond of a core.
//
//     BENCH_UNITS  how many units of the computation are a second of a core here (calibrate.mjs)
import { compute } from "../servers/work.mjs";
import { BaseHTTPRequestHandler, serve } from "./plinth.mjs";

const MILLISECONDS = 0.1;

class Handler extends BaseHTTPRequestHandler {
  static bufferedBody = 1024;

  do_POST() {
    const { val_a, val_b } = JSON.parse(this.rfile.readSync().toString());
    compute(MILLISECONDS);
    this.sendJson({ sum: val_a + val_b });
  }
}

await serve(Handler);
