/** Handlers that take a while, in which nobody calls them away. */
import { execFileSync } from "node:child_process";
import { BaseHTTPRequestHandler } from "plinth";

export class Stuck extends BaseHTTPRequestHandler {
  static module = import.meta.url;

  do_GET(): void {
    const [, what, argument] = this.pathname.split("/");
    if (what === "sleeps") execFileSync("sleep", [String(Number(argument) / 1000)]);
    if (what === "computes") {
      const end = performance.now() + Number(argument);
      while (performance.now() < end);
    }
    this.sendText(what === "echo" ? argument : what);
  }
}
