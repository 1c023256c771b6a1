/** What the engine read out of a case, held against what the corpus says that a parser reads. */
import { BaseHTTPRequestHandler } from "plinth";
import type { Case, Message } from "./cases.ts";

type Pairs = readonly (readonly [name: string, value: string])[];

/** A request as a handler saw it. */
export interface Seen {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly fields: Pairs;
  /** null until it has been read to its end. */
  body: string | null;
  trailers: Pairs;
}

/** What handlers have seen, by the connection's number. */
export const seen = new Map<number, Seen[]>();

/** Keeps what it is sent, and says that all is well. */
class RecordingHandler extends BaseHTTPRequestHandler {
  async record(): Promise<void> {
    const number = this.clientAddress[1];
    const request: Seen = {
      method: this.method,
      target: this.path,
      version: this.requestVersion,
      fields: [...this.headers],
      body: null,
      trailers: [],
    };
    seen.set(number, [...(seen.get(number) ?? []), request]);
    const content = await this.rfile.read();
    request.body = content.toString("latin1");
    request.trailers = [...(this.trailers ?? [])];
    this.sendResponse(200);
    this.sendHeader("Content-Length", 0);
    this.endHeaders();
  }
}

/** A recording handler for every method that occurs in the cases. */
export function recorderFor(cases: readonly Case[]): typeof BaseHTTPRequestHandler {
  class Handler extends RecordingHandler {}
  const methods = new Set(cases.flatMap(({ messages }) => messages.map(({ method }) => method)));
  for (const method of methods) {
    if (method !== "CONNECT")
      Object.defineProperty(Handler.prototype, `do_${method}`, { value: Handler.prototype.record });
  }
  return Handler;
}

/**
 * Cases that are read otherwise here than by the parser whose messages the corpus has, and rightly (README.md argues).
 * What is left of the parser's messages, then.
 */
const OTHERWISE: Readonly<Record<string, (messages: readonly Message[]) => readonly Message[]>> = {
  // The asterisk is for OPTIONS alone.
  "llhttp/request/method/05": () => [],
  // gunicorn leaves fields with an underscore in their name out.
  "gunicorn/valid/040": ([message]) => [
    {
      ...message,
      fields: [["TRANSFER_ENCODING", "tricked"], ...message.fields, ["CONTENT_LENGTH", "-1E23"]],
    },
  ],
};

/** What is wrong with what was read; null when all is as it should be. */
export function compare(asked: Case, requests: readonly Seen[]): string | null {
  const messages = OTHERWISE[asked.id]?.(asked.messages) ?? asked.messages;
  // A parser does not mind when there is no Host; a server must.
  const sent = requestsIn(asked.sent);
  const refused = messages.findIndex(
    ({ version }, i) => version === "HTTP/1.1" && !/\r\nHost:/i.test(sent[i]?.head ?? ""),
  );
  const wanted = refused < 0 ? messages : messages.slice(0, refused);
  const all = asked.label === "accept" || asked.label === "parses";
  if (all && requests.length !== wanted.length) return `${requests.length} requests were read, not ${wanted.length}`;
  if (requests.length > messages.length) return `${requests.length} requests were read, not at most ${messages.length}`;
  for (const [i, request] of requests.entries()) {
    const message = messages[i];
    const body = message.body ?? sent[i]?.body ?? null;
    for (const [what, got, want] of [
      ["method", request.method, message.method],
      ["target", request.target, message.target],
      ["version", request.version, message.version],
      ["fields", shown(request, message), shown(message, message)],
      ["body", all ? request.body : null, all ? body : null],
    ] as const) {
      if (got !== want) return `${what} of request ${i + 1}: ${JSON.stringify(got)}, not ${JSON.stringify(want)}`;
    }
  }
  return null;
}

/** Fields and trailers as one text. The corpora added a Host where there was none, and did not write it down. */
function shown({ fields, trailers }: { fields: Pairs; trailers: Pairs | null }, message: Message): string {
  const withHost = message.fields.some(([name]) => name.toLowerCase() === "host");
  const text = (pairs: Pairs) =>
    pairs
      .filter(([name, value]) => withHost || name !== "Host" || value !== "a")
      .map(([name, value]) => `${message.exactNames ? name : name.toUpperCase()}: ${value}`);
  // llhttp's fixtures have the trailers among the fields.
  const apart = message.trailers === null ? [] : ["trailers:"];
  return [...text(fields), ...apart, ...text(trailers ?? [])].join("\n");
}

/** The requests that stand in these bytes, where they are well-formed: llhttp's fixtures come without bodies. */
function requestsIn(sent: string): { head: string; body: string }[] {
  const found: { head: string; body: string }[] = [];
  for (let at = 0; at < sent.length;) {
    while (sent.startsWith("\r\n", at)) at += 2;
    const end = sent.indexOf("\r\n\r\n", at);
    if (end < 0) break;
    const head = sent.slice(at, end + 2);
    at = end + 4;
    const length = Number(/\r\nContent-Length:[ \t]*([0-9]+)[ \t]*\r\n/i.exec(head)?.[1] ?? 0);
    let body = sent.slice(at, at + length);
    at += length;
    if (/\r\nTransfer-Encoding:[ \t]*chunked[ \t]*\r\n/i.test(head)) {
      for (let size = -1; size !== 0;) {
        const lineEnd = sent.indexOf("\r\n", at);
        size = Number.parseInt(sent.slice(at, lineEnd), 16);
        if (lineEnd < 0 || !(size >= 0)) return found; // not well-formed
        body += sent.slice(lineEnd + 2, lineEnd + 2 + size);
        at = size === 0 ? lineEnd + 2 : lineEnd + 2 + size + 2;
      }
      const trailersEnd = sent.indexOf("\r\n\r\n", at);
      at = sent.startsWith("\r\n", at) ? at + 2 : trailersEnd < 0 ? sent.length : trailersEnd + 4;
    }
    found.push({ head, body });
  }
  return found;
}
