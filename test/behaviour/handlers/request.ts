/** Handlers that say what they know of their request. */
import { BaseHTTPRequestHandler, HTTPServer } from "plinth";

export class Requests extends BaseHTTPRequestHandler {
  /** Says everything. The names in the query are those of headers to look for. */
  do_GET(): void {
    const { headers, query, signal } = this;
    const names = query.getAll("header");
    this.sendJson({
      method: this.method,
      path: this.path,
      version: this.requestVersion,
      line: this.requestLine,
      authority: this.authority,
      query: [...query],
      isQuery: query instanceof URLSearchParams && query === this.query,
      headers: [...headers],
      length: headers.length,
      get: names.map((name) => headers.get(name)),
      getAll: names.map((name) => headers.getAll(name)),
      list: names.map((name) => headers.list(name)),
      has: names.map((name) => headers.has(name)),
      client: this.clientAddress,
      server: this.server.serverAddress,
      isServer: this.server instanceof HTTPServer,
      isSignal: signal instanceof AbortSignal && signal === this.signal,
      aborted: signal.aborted,
    });
  }

  /** Says the parameters in its path. */
  do_PARAMS(): void {
    this.sendJson({ params: [...this.pathParams], isSame: this.pathParams === this.pathParams });
  }

  /** Keeps what it has of its request until the content ends, and says it then. */
  async do_KEEP(): Promise<void> {
    const { headers, query, path } = this;
    this.sendResponse(200);
    this.endHeaders();
    this.flushHeaders();
    await this.rfile.read();
    this.wfile.write(JSON.stringify({ headers: [...headers], get: headers.get("x-number"), query: [...query], path }));
  }
}

/** The program that all this began with: it adds two numbers, in the words of Python's http.server. */
export class Seed extends BaseHTTPRequestHandler {
  async do_GET(): Promise<void> {
    const contentLength = Number(this.headers.get("Content-Length"));
    const requestBody = JSON.parse((await this.rfile.read(contentLength)).toString("utf-8"));
    const response = requestBody.val_a + requestBody.val_b;
    const responseBody = Buffer.from(JSON.stringify({ sum: response }));
    this.sendResponse(200);
    this.sendHeader("Content-Type", "application/json");
    this.sendHeader("Content-Length", responseBody.length);
    this.endHeaders();
    this.wfile.write(responseBody);
  }
}
