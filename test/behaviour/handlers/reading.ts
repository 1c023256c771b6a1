/** Handlers that read content as they are told to. */
import { BaseHTTPRequestHandler, HTTPError } from "plinth";
import { begin, failureOf, nextTurn } from "./common.ts";

/** Takes one step, such as "read(3)", and says what it gave: content as one character a byte. */
async function take(handler: BaseHTTPRequestHandler, step: string): Promise<unknown> {
  const [, name, argument] = /^(\w+)(?:\((.*)\))?$/.exec(step) ?? [];
  const n = argument === undefined ? undefined : Number(argument);
  const { rfile } = handler;
  switch (name) {
    case "read":
      return (await rfile.read(n)).toString("latin1");
    case "read1":
      return (await rfile.read1(n)).toString("latin1");
    case "readInto1": {
      // In memory of which only the middle is to be touched.
      const memory = Buffer.alloc((n ?? 0) + 2, "#");
      const count = await rfile.readInto1(memory.subarray(1, -1));
      if (memory[0] !== 0x23 || memory.subarray(1 + count).some((byte) => byte !== 0x23))
        return "other memory was touched";
      return memory.toString("latin1", 1, 1 + count);
    }
    case "readLine":
      return (await rfile.readLine(n)).toString("latin1");
    case "lines": {
      let text = "";
      for (let line; (line = await rfile.readLine()).length > 0;) text += line.toString("latin1");
      return text;
    }
    case "first":
      for await (const piece of rfile) return piece.toString("latin1");
      return "";
    case "iterate":
    case "stream": {
      // The pieces are kept to the end, so that one that is overwritten is found out.
      const pieces: Uint8Array[] = [];
      for await (const piece of name === "stream" ? rfile.stream() : rfile) pieces.push(piece);
      return Buffer.concat(pieces).toString("latin1");
    }
    case "bytes":
      return (await handler.bytes()).toString("latin1");
    case "text":
      return handler.text();
    case "trailers":
      return handler.trailers === undefined ? null : [...handler.trailers];
    case "list":
      return handler.trailers?.list("x-sum");
    default:
      throw new TypeError(`no step is called ${step}`);
  }
}

export class Reading extends BaseHTTPRequestHandler {
  /** Takes the steps in the query, and then says what they gave, or the name of what they threw. */
  async do_POST(): Promise<void> {
    const given: unknown[] = [];
    for (const step of this.query.getAll("do")) {
      const failure = await failureOf(async () => given.push(await take(this, step)));
      if (failure !== "nothing") given.push({ failure });
    }
    this.sendJson(given);
  }

  do_GET(): Promise<void> {
    return this.do_POST();
  }

  /** Says after each step what it gave, a line each. */
  async do_STEP(): Promise<void> {
    begin(this);
    this.flushHeaders();
    for (const step of this.query.getAll("do")) {
      this.wfile.write(`${JSON.stringify(await take(this, step))}\n`);
      this.wfile.flush();
    }
  }

  /** Says each piece as it comes, a line each; the query says by which way. */
  async do_PIECES(): Promise<void> {
    begin(this);
    this.flushHeaders();
    for await (const piece of this.path === "/?stream" ? this.rfile.stream() : this.rfile) {
      this.wfile.write(`${JSON.stringify(Buffer.from(piece).toString("latin1"))}\n`);
      this.wfile.flush();
    }
  }

  /** Reads while another read waits. */
  async do_TWICE(): Promise<void> {
    begin(this);
    const first = this.rfile.read(5);
    const second = await failureOf(() => this.rfile.read(5));
    this.wfile.write(`${second}\n`);
    await nextTurn();
    this.wfile.write(`${(await first).toString("latin1")}\n`);
  }

  /** Reads a text, or JSON, as clients may send it wrong. */
  async do_TEXT(): Promise<void> {
    this.sendText(await this.text());
  }

  /** Responds without a look at the content. */
  do_IGNORE(): void {
    this.sendText("ignored");
  }

  /** Reads nothing until all of a large response has left, then counts what comes. */
  async do_LATE(): Promise<void> {
    begin(this);
    const piece = Buffer.alloc(64 * 1024);
    for (let i = 0; i < 512; i++) await this.wfile.write(piece);
    let count = 0;
    for await (const content of this.rfile) count += content.length;
    this.sendTrailer("X-Count", count);
  }
}

/** Its methods are called when the content is there, and need not be async. */
export class Buffered extends BaseHTTPRequestHandler {
  static bufferedBody = 16;

  do_POST(): void {
    const [two, line, rest] = [this.rfile.readSync(2), this.rfile.readLineSync(), this.rfile.readSync()];
    this.sendJson([...[two, line, rest, this.rfile.readSync()].map(String), this.trailers?.get("X-Sum") ?? null]);
  }

  /** Awaits all the same. */
  async do_AWAIT(): Promise<void> {
    const first = await this.rfile.read(3);
    this.sendJson([String(first), await this.text()]);
  }

  /** Says what it had heard of its client when it began, and responds without a look at the content. */
  do_IGNORE(): void {
    this.sendText(String(this.clientGone));
  }

  override logRequest(code?: number | string): void {
    if (code !== "-") this.logMessage("%s was called: %s", this.method, code);
  }
}

/** As `Buffered`, with a guard before it. */
export class GuardedBuffered extends Buffered {
  override setup(): void {
    if (this.headers.get("X-Key") !== "1") throw new HTTPError(403);
  }
}
