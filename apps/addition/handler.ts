/** The addition over HTTP: two numbers come in content, path or query, and their sum leaves as JSON. */
/// <reference types="node" preserve="true" />
import type { Buffer } from "node:buffer";
import { BaseHTTPRequestHandler, decodeText, HTTPError } from "plinth";
import { DO_NOT_KEEP, entityTag, failedPrecondition, KEEP } from "./caching.ts";
import { MEDIA_TYPES, type Medium, mediumOf, readForm, readJson, refuseJsonInForm } from "./content.ts";
import { plainSum } from "./fast_path.ts";
import { type Given, isComplete, merge, missingFrom, readTarget, ROOT, type Target } from "./operands.ts";
import { sumOf } from "./sum.ts";

/** In bytes. Two numbers of 4,300 digits take less than 9,000. */
export const MAX_BODY_SIZE = 64 * 1024;

export class AdditionHandler extends BaseHTTPRequestHandler {
  /** Threads import this file, not the program. */
  static readonly module: string = import.meta.url;

  do_GET(): Promise<void> {
    return this.#add();
  }

  do_POST(): Promise<void> {
    return this.#add();
  }

  do_QUERY(): Promise<void> {
    // "A server MUST fail the request if the Content-Type request field is missing" (RFC 10008)
    if (!this.headers.has("Content-Type")) {
      throw new HTTPError(400, {
        detail: "A QUERY must say what its content is, with a Content-Type such as application/json.",
      });
    }
    return this.#add();
  }

  do_RICKROLL(): void {
    this.sendText("Never gonna give you up, never gonna let you down.\n");
  }

  do_OPTIONS(): void {
    this.sendResponse(204);
    this.sendHeader("Allow", "GET, POST, QUERY, RICKROLL, OPTIONS, HEAD");
    this.sendHeader("Accept-Query", MEDIA_TYPES);
    this.endHeaders();
  }

  async #add(): Promise<void> {
    const target = this.path === "/" ? ROOT : readTarget(this);
    // At "/", or where content is announced, its type is checked before it is read. Elsewhere the target alone may be enough.
    const medium = target === ROOT || this.#announcesContent() ? mediumOf(this.headers) : null;
    const content = await this.rfile.read();
    const plain = target === ROOT && medium === "json" ? plainSum(content) : null;
    this.#send(plain ?? (await sumOf(this.#read(target, medium, content))), target, content.length > 0);
  }

  #announcesContent(): boolean {
    return this.headers.has("Transfer-Encoding") || Number(this.headers.get("Content-Length")) > 0;
  }

  /** The client's input from target and content, which `Operands` has not checked yet. */
  #read(target: Target, medium: Medium | null, content: Buffer): unknown {
    if (content.length === 0) {
      if (target.hasOperands) return target.given;
      if (target.isElsewhere) {
        const detail = "There is nothing at this path: two numbers are added as in /?val_a=3&val_b=4.";
        throw new HTTPError(404, { detail });
      }
      const mayBeEmpty = this.method === "GET" || this.method === "HEAD";
      if (mayBeEmpty && !this.headers.has("Content-Type")) return target.given;
    }
    // Bytes that are not UTF-8 are not JSON (RFC 8259 §8.1). A byte order mark stays in the text, and `readJson` says why it is refused.
    const text = decodeText(content);
    if ((medium ?? mediumOf(this.headers)) === "form") {
      const given = merge(target.given, readForm(text));
      refuseJsonInForm(text, missingFrom(given));
      return given;
    }
    const value = readJson(text);
    return isObject(value) ? merge(target.given, value) : value;
  }

  /** @param hasContent whether the sum may depend on content */
  #send(sum: string, target: Target, hasContent: boolean): void {
    const { method, headers } = this;
    const content = `{"sum":${sum}}\n`;
    const isKept = !hasContent && (method === "GET" || method === "HEAD");
    const tag = isKept ? entityTag(content) : "";
    let isUnchanged = false;
    if (headers.has("If-None-Match") || headers.has("If-Match")) {
      // Only the sum that a GET of the target returns is a current representation of the target (RFC 9110 §3.2). A sum that depends on content
      // is no such representation, and no client has a tag for it.
      const isCurrent = isKept || (method === "POST" && isComplete(target.given));
      const current = isCurrent ? entityTag(content) : null;
      const failed = failedPrecondition(method, headers.getAll("If-Match"), headers.getAll("If-None-Match"), current);
      if (failed === 412) throw preconditionFailed();
      isUnchanged = failed === 304;
    }
    this.sendResponse(isUnchanged ? 304 : 200);
    if (!isUnchanged) {
      this.sendHeader("Content-Type", "application/json");
      this.sendHeader("Content-Length", content.length);
    }
    this.sendHeader("Cache-Control", isKept ? KEEP : DO_NOT_KEEP);
    if (isKept) this.sendHeader("ETag", tag);
    this.endHeaders();
    if (!isUnchanged) this.wfile.write(content);
  }
}

function preconditionFailed(): HTTPError {
  return new HTTPError(412, {
    detail: "If-Match names no current entity tag of this target, or If-None-Match names one.",
  });
}

function isObject(value: unknown): value is Given {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
