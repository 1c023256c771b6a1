/** The handlers that client.py asks, after those in Python's own tests of http.server. */
import { BaseHTTPRequestHandler, HTTPServer, type RequestHandlerClass } from "plinth";

/** Methods of its own, and no GET. */
export class BaseHandler extends BaseHTTPRequestHandler {
  do_TEST(): void {
    this.sendResponse(204);
    this.sendHeader("Content-Type", "text/html");
    this.sendHeader("Connection", "close");
    this.endHeaders();
  }

  do_KEEP(): void {
    this.sendResponse(204);
    this.sendHeader("Content-Type", "text/html");
    this.sendHeader("Connection", "keep-alive");
    this.endHeaders();
  }

  do_UNKNOWN(): void {
    this.sendError(this.#code);
  }

  do_MISSING(): void {
    this.sendError(404);
  }

  do_EXPLAIN(): void {
    this.sendError(599, "In Short", "and in two\n lines");
  }

  do_CUSTOM(): void {
    this.sendResponse(this.#code);
    this.sendHeader("Content-Type", "text/html");
    this.endHeaders();
  }

  do_LATIN1(): void {
    this.sendResponse(200);
    this.sendHeader("X-Got", "Grüße");
    this.endHeaders();
    this.wfile.write(this.headers.get("x-sent")!);
  }

  do_STATUS(): void {
    this.sendError(this.#code);
  }

  do_HEAD(): void {
    this.sendError(this.#code);
  }

  do_ERROR(): void {
    this.sendError(404, "File not found");
  }

  do_ESCAPE(): void {
    this.sendError(400, "<script>steal()</script>", "<b>&</b>");
  }

  do_LOG(): void {
    this.logMessage("plain");
    this.logMessage("\x1b[2Jcleared\x00");
    this.logMessage("one %s, two %s", "a", "\x1b\x7f\x9f\xa0b");
    this.logMessage('"GET /c:\\d\x07"');
    this.sendResponse(200);
    this.endHeaders();
  }

  do_CLOSE(): void {
    if (this.path === "/close") this.closeConnection = true;
    this.sendText(this.path);
  }

  do_DATE(): void {
    this.sendText(this.dateTimeString(new Date(this.#code)));
  }

  /** The number that the path is. */
  get #code(): number {
    return Number(this.path.slice(1));
  }
}

/** Says what it has been asked. */
export class EchoHandler extends BaseHTTPRequestHandler {
  async do_GET(): Promise<void> {
    if (this.path === "/rejected") return this.sendError(417);
    const content = this.path === "/unread" ? null : await this.text();
    const { requestLine, method, path, requestVersion, headers } = this;
    this.sendJson({ requestLine, method, path, requestVersion, headers: [...headers], content });
  }
}

/** Serves over TCP, until it is closed. */
export async function serve(Handler: RequestHandlerClass, log: (line: string) => void): Promise<HTTPServer> {
  const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log });
  await httpd.serverActivate();
  return httpd;
}
