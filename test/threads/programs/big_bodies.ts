/** A server for bodies of any size, through threads, in a process of its own so that its memory can be watched. */
import process from "node:process";
import { BaseHTTPRequestHandler, ThreadingHTTPServer } from "plinth";

const PIECE = 65_536;

class BigBodies extends BaseHTTPRequestHandler {
  /** Counts what comes, and tells it in a trailer as well: awaited or blocked for, as the path says. */
  async do_POST(): Promise<void> {
    const blocks = this.path === "/blocking";
    let size = 0;
    for (let length = -1; length !== 0; size += length) {
      ({ length } = blocks ? this.rfile.readSync(PIECE) : await this.rfile.read(PIECE));
    }
    this.sendText(`${size} ${this.trailers?.get("Sum") ?? "no trailer"}`);
  }

  /** Sends as many MiB as the path says. */
  async do_GET(): Promise<void> {
    const [, how, size] = this.path.split("/");
    const chunk = Buffer.alloc(PIECE, "plinth ");
    this.sendResponse(200);
    this.endHeaders();
    for (let left = Number(size) * 16; left > 0; left--) {
      if (how === "blocking") this.wfile.writeSync(chunk);
      else await this.wfile.write(chunk);
    }
    this.sendTrailer("Sum", Number(size));
  }

  /** Sends back what comes. */
  async do_PUT(): Promise<void> {
    this.sendResponse(200);
    this.endHeaders();
    if (this.path === "/blocking") {
      for (let piece; (piece = this.rfile.read1Sync()).length > 0;) this.wfile.writeSync(piece);
    } else {
      await this.rfile.stream().pipeTo(this.wfile.stream());
    }
  }

  /** Says the most memory that this process, with all its threads, has held, in KiB. */
  do_MEMORY(): void {
    this.sendText(String(process.resourceUsage().maxRSS));
  }
}

const httpd = new ThreadingHTTPServer(["127.0.0.1", 0], BigBodies, { log: "none", maxBodySize: 2 ** 40, threads: 2 });
process.on("SIGTERM", () => void httpd.shutdown());
await httpd.serverActivate();
console.log(httpd.serverAddress[1]);
await httpd.serveForever();
