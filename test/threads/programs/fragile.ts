/** A file of a handler that can be imported only while the environment says so. */
import process from "node:process";
import { BaseHTTPRequestHandler } from "plinth";

export const SWITCH = "PLINTH_TEST_FRAGILE";

if (process.env[SWITCH] !== undefined) throw new Error(`${SWITCH} is set`);

export class Fragile extends BaseHTTPRequestHandler {
  static module = import.meta.url;

  do_GET(): void {
    if (this.path === "/exit") process.exit(1);
    this.sendText("fine");
  }
}
