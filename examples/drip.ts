/**
 * Streaming: the response is on its way before all of it is written. A line comes every 200 ms; how many, and how often, the query
 * says. When the client leaves, or the server stops, the handler comes to its end.
 *
 *   node scripts/run.mjs dist/examples/drip.js          (or with a port: … drip.js 8080)
 *
 *   curl -N http://127.0.0.1:8000/
 *   curl -N 'http://127.0.0.1:8000/?count=3&interval=1000'
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { BaseHTTPRequestHandler, HTTPError, HTTPServer } from "plinth";

class DripHandler extends BaseHTTPRequestHandler {
  async do_GET(): Promise<void> {
    const count = this.number("count", 10, 10_000);
    const interval = this.number("interval", 200, 60_000);
    this.sendResponse(200);
    this.sendHeader("Content-Type", "text/plain; charset=utf-8");
    this.sendHeader("Cache-Control", "no-store");
    this.endHeaders();
    const over = this.signalWith(this.server.stopping);
    let sent = 0;
    try {
      while (sent < count && !over.aborted) {
        await this.wfile.write(`drip ${++sent}\n`); // waits while the client does not read
        if (sent < count) await sleep(interval, undefined, { signal: over }).catch(() => {});
      }
    } finally {
      this.logMessage("%d of %d drips", sent, count);
    }
  }

  number(param: string, otherwise: number, most: number): number {
    const number = Number(this.query.get(param) || otherwise);
    if (Number.isInteger(number) && number >= 1 && number <= most) return number;
    throw new HTTPError(422, { detail: `${param} must be a whole number from 1 to ${most}.` });
  }
}

const httpd = new HTTPServer(["127.0.0.1", Number(process.argv[2] ?? 8000)], DripHandler);
await httpd.serverActivate();
console.log(`It drips at http://${httpd.serverAddress.join(":")}/`);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void httpd.shutdown());
await httpd.serveForever();
