import { BaseHTTPRequestHandler } from "plinth";
import { respond } from "./respond.ts";

/** In a file of its own, which is all that a thread imports. */
export class Handler extends BaseHTTPRequestHandler {
  static module = import.meta.url;

  async do_GET(): Promise<void> {
    this.sendText(await respond(this.method, this.path, () => this.json()));
  }

  do_RICKROLL(): Promise<void> {
    return this.do_GET();
  }
}
