/** The addition over HTTP: a JSON body in, a JSON body out. */
/// <reference types="node" preserve="true" />
import { BaseHTTPRequestHandler, HTTPError } from "../../src/mod.ts";
import { add, type Complaint } from "./addition.ts";

/** No two numbers worth adding take more. */
export const MAX_BODY_SIZE = 64 * 1024;

/** Bytes that are no UTF-8 are no JSON (RFC 8259 §8.1), and neither is a byte order mark. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class AdditionHandler extends BaseHTTPRequestHandler {
  async do_GET(): Promise<void> {
    await this.#add();
  }

  async do_POST(): Promise<void> {
    await this.#add();
  }

  async do_QUERY(): Promise<void> {
    // "A server MUST fail the request if the Content-Type request field is missing" (RFC 10008)
    if (!this.headers.has("Content-Type")) {
      throw new HTTPError(400, undefined, {
        detail: "A QUERY must say what its content is: Content-Type: application/json",
      });
    }
    await this.#add();
  }

  do_RICKROLL(): void {
    this.#send(200, "text/plain; charset=utf-8", "Never gonna give you up, never gonna let you down.\n");
  }

  async #add(): Promise<void> {
    const type = this.headers.get("Content-Type");
    if (type !== null && !/^application\/json[ \t]*(;|$)/i.test(type)) {
      throw new HTTPError(415, undefined, {
        detail: `The content must be application/json, not ${type}.`,
        headers: { "Accept-Query": "application/json" },
      });
    }
    const coding = this.headers.get("Content-Encoding");
    if (coding !== null && !/^identity$/i.test(coding)) {
      throw new HTTPError(415, undefined, {
        detail: `The content must not be encoded, as with ${coding}.`,
        headers: { "Accept-Encoding": "identity" },
      });
    }
    const content = await this.rfile.read();
    let input: unknown;
    try {
      input = JSON.parse(UTF8.decode(content));
    } catch (error) {
      throw new HTTPError(400, undefined, {
        detail: `The content must be JSON, such as {"val_a": 3, "val_b": 4}: ${(error as Error).message}`,
      });
    }
    const result = add(input);
    if ("complaints" in result) this.#complain(result.complaints);
    else this.#send(200, "application/json", JSON.stringify(result) + "\n");
  }

  #complain(errors: Complaint[]): void {
    const problem = { title: "Unprocessable Content", status: 422, detail: "The values cannot be added.", errors };
    this.#send(422, "application/problem+json", JSON.stringify(problem) + "\n");
  }

  #send(status: number, type: string, text: string): void {
    const content = Buffer.from(text);
    this.sendResponse(status);
    this.sendHeader("Content-Type", type);
    this.sendHeader("Content-Length", content.length);
    if (this.method !== "POST" && this.method !== "RICKROLL") this.sendHeader("Cache-Control", "no-store");
    this.endHeaders();
    this.wfile.write(content);
  }
}
