/** The addition over HTTP: two numbers in, by content, path or query; their sum out, as JSON. */
/// <reference types="node" preserve="true" />
import type { Buffer } from "node:buffer";
import { BaseHTTPRequestHandler, HTTPError } from "../../src/mod.ts";
import { CACHE_CONTROL, entityTag, isKnown } from "./caching.ts";
import { type Given, merge, readForm } from "./given.ts";
import { readJson } from "./json.ts";
import { MEDIA_TYPES, type Medium, mediumOf } from "./medium.ts";
import { plainSum } from "./shortcut.ts";
import { sumOf } from "./sum.ts";
import { readTarget, ROOT, type Target } from "./target.ts";

/** No two numbers worth adding take more, in bytes. */
export const MAX_BODY_SIZE = 64 * 1024;

/** Bytes that are not UTF-8 are not JSON (RFC 8259 §8.1), and neither is a byte order mark. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class AdditionHandler extends BaseHTTPRequestHandler {
  /** Threads need this file, and not the program. */
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
    // Where no content is announced it may not be needed either; else its type matters, and before it is read.
    const medium = target === ROOT || this.#announcesContent() ? mediumOf(this.headers) : null;
    const content = await this.rfile.read();
    const plain = target === ROOT && medium === "json" ? plainSum(content) : null;
    this.#send(plain ?? sumOf(this.#read(target, medium, content)), content.length === 0);
  }

  #announcesContent(): boolean {
    return this.headers.has("Transfer-Encoding") || Number(this.headers.get("Content-Length")) > 0;
  }

  /** All that came, for the contract to judge. */
  #read(target: Target, medium: Medium | null, content: Buffer): unknown {
    if (content.length === 0) {
      if (target.hasOperands) return target.given;
      if (target.isElsewhere) {
        const detail = "There is nothing at this path: two numbers are added as in /?val_a=3&val_b=4.";
        // With content there would be a sum, so no cache may answer with this for long.
        throw new HTTPError(404, { detail, headers: { "Cache-Control": "no-store" } });
      }
      const mayBeEmpty = this.method === "GET" || this.method === "HEAD";
      if (mayBeEmpty && !this.headers.has("Content-Type")) return target.given;
    }
    const text = decode(content);
    if ((medium ?? mediumOf(this.headers)) === "form") return merge(target.given, readForm(text));
    const value = readJson(text);
    return isObject(value) ? merge(target.given, value) : value;
  }

  /** @param byTarget the target alone has said what to add */
  #send(sum: string, byTarget: boolean): void {
    const { method } = this;
    const content = `{"sum":${sum}}\n`;
    const isCacheable = byTarget && (method === "GET" || method === "HEAD");
    const tag = isCacheable ? entityTag(content) : "";
    const isUnchanged = isCacheable && isKnown(this.headers, tag);
    this.sendResponse(isUnchanged ? 304 : 200);
    if (!isUnchanged) {
      this.sendHeader("Content-Type", "application/json");
      this.sendHeader("Content-Length", content.length);
    }
    if (isCacheable) {
      this.sendHeader("Cache-Control", CACHE_CONTROL);
      this.sendHeader("ETag", tag);
    } else if (method !== "POST") {
      // A cache knows an answer by its URL, which does not say what was added.
      this.sendHeader("Cache-Control", "no-store");
    }
    this.endHeaders();
    if (!isUnchanged) this.wfile.write(content);
  }
}

function decode(content: Buffer): string {
  try {
    return UTF8.decode(content);
  } catch {
    throw new HTTPError(400, { detail: "The content is not UTF-8." });
  }
}

function isObject(value: unknown): value is Given {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
