// Plinth: the event loop's server or the threading one, plain or with TLS, of this checkout or of another.
//
//     BENCH_PLINTH       the checkout, built      BENCH_SERVER  HTTPServer, ThreadingHTTPServer, HTTPSServer or ThreadingHTTPSServer
//     BENCH_OPTIONS      more options, as JSON
//     TLS_CERT, TLS_KEY  the PEM files of the certificate and its key, for the latter two
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { compute, LARGE, listensOn } from "./work.mjs";

const { BENCH_PLINTH, BENCH_SERVER, BENCH_OPTIONS = "{}", TLS_CERT, TLS_KEY } = process.env;
const plinth = await import(pathToFileURL(path.join(BENCH_PLINTH, "dist", "src", "mod.js")).href);

class Handler extends plinth.BaseHTTPRequestHandler {
  do_GET() {
    this.sendResponse(200);
    if (this.path === "/large") {
      this.sendHeader("Content-Type", "application/octet-stream");
      this.sendHeader("Content-Length", LARGE);
      this.endHeaders();
      this.wfile.write(Buffer.alloc(LARGE, "r"));
      return;
    }
    this.sendHeader("Content-Length", 0);
    this.endHeaders();
  }

  async do_POST() {
    switch (this.path) {
      case "/": {
        const { val_a, val_b } = await this.json();
        return this.sendJson({ sum: val_a + val_b });
      }
      case "/compute": {
        const { milliseconds } = await this.json();
        return this.sendJson({ computed: compute(milliseconds) });
      }
      case "/upload":
        return this.sendJson({ length: (await this.bytes()).length });
      case "/echo":
        this.#echoes();
        for await (const chunk of this.rfile) await this.wfile.write(chunk);
        return;
      case "/echo-sync":
        this.#echoes();
        for (let chunk = this.rfile.readSync(65_536); chunk.length > 0; chunk = this.rfile.readSync(65_536))
          this.wfile.writeSync(chunk);
        return;
      case "/exit":
        return process.exit(1);
      case "/throw":
        setTimeout(() => {
          throw new Error("outside the handler's promises, for the benchmark");
        }, 1);
        await new Promise(() => {});
        return;
      case "/loop":
        for (;;);
    }
  }

  #echoes() {
    this.sendResponse(200);
    this.sendHeader("Content-Type", "application/octet-stream");
    this.sendHeader("Content-Length", this.headers.get("Content-Length"));
    this.endHeaders();
  }
}

const httpd = new plinth[BENCH_SERVER](["127.0.0.1", 0], Handler, {
  log: "none",
  ...(TLS_CERT === undefined ? {} : { certfile: TLS_CERT, keyfile: TLS_KEY }),
  ...JSON.parse(BENCH_OPTIONS, revive),
});
await httpd.serverActivate();
// In a thread nothing comes to here.
listensOn(httpd.serverAddress[1]);
// Asked for its state by a line, or told another certificate by a line of JSON.
process.stdin.setEncoding("utf8").on("data", (line) => {
  if (line.startsWith("{")) {
    httpd.setCertificate(JSON.parse(line)).then(
      () => console.log("set"),
      (error) => console.log(error.message.replaceAll("\n", " ")),
    );
    return;
  }
  globalThis.gc?.();
  const resources = process.getActiveResourcesInfo().filter((name) => !name.startsWith("TCP") && name !== "Timeout");
  console.log(JSON.stringify({ stats: httpd.stats?.(), resources: resources.sort() }));
});
await httpd.serveForever();

/** JSON has no Infinity. */
function revive(_, value) {
  return value === "Infinity" ? Infinity : value;
}
