/** A server for bodies of any size, in a process of its own so that its memory can be watched. */
import process from "node:process";
import { BaseHTTPRequestHandler, HTTPServer } from "plinth";

class BigBodies extends BaseHTTPRequestHandler {
  /** Counts what comes. */
  async do_POST(): Promise<void> {
    let size = 0;
    for (;;) {
      const { length } = await this.rfile.read(65536);
      if (length === 0) break;
      size += length;
    }
    this.#send(String(size));
  }

  /** Sends as many MiB as the path says. */
  async do_GET(): Promise<void> {
    const chunk = Buffer.alloc(65536, "plinth ");
    this.sendResponse(200);
    this.endHeaders();
    for (let left = Number(this.path.slice(1)) * 16; left > 0; left--) await this.wfile.write(chunk);
  }

  /** Says the most memory this process has held, in KiB. */
  do_MEMORY(): void {
    this.#send(String(process.resourceUsage().maxRSS));
  }

  #send(text: string): void {
    this.sendResponse(200);
    this.endHeaders();
    this.wfile.write(text);
  }
}

const httpd = new HTTPServer(["127.0.0.1", 0], BigBodies, { log: "none", maxBodySize: 2 ** 40 });
await httpd.serverActivate();
console.log(httpd.serverAddress[1]);
process.on("SIGTERM", () => void httpd.shutdown());
await httpd.serveForever();
