// Many exchanges at once on one connection, behind the real byte pump, executor and handlers: does the seam carry them?
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { BaseHTTPRequestHandler, HTTPServer, MemoryTransport, type PeerGoneError } from "plinth";
import type { Protocol } from "../../src/protocol/protocol_selector.ts";
import { MAKE_PROTOCOLS } from "../../src/server/internal_members.ts";
import type { MemoryClient } from "../../src/transport/memory.ts";
import * as mux from "./multiplex.ts";
import { limited, startPatience, turn } from "./turn.ts";

/** What tests and handlers tell each other, by the request's target. */
class Stage {
  readonly begun: string[] = [];
  readonly gone: string[] = [];
  readonly #gates = new Map<string, { promise: Promise<void>; open: () => void }>();
  written = 0;

  wait(target: string): Promise<void> {
    return this.#gate(target).promise;
  }

  open(target: string): void {
    this.#gate(target).open();
  }

  #gate(target: string): { promise: Promise<void>; open: () => void } {
    let gate = this.#gates.get(target);
    if (gate === undefined) {
      let open!: () => void;
      const promise = new Promise<void>((resolve) => (open = resolve));
      this.#gates.set(target, (gate = { promise, open }));
    }
    return gate;
  }
}

class Handler extends BaseHTTPRequestHandler {
  override setup(): void {
    stage.begun.push(this.path);
    this.signal.addEventListener("abort", () => {
      stage.gone.push(`${this.path} ${(this.signal.reason as PeerGoneError).reason}`);
    });
  }

  /** Responses when the test says so. */
  async do_WAIT(): Promise<void> {
    await stage.wait(this.path);
    this.#response(`response to ${this.path}`);
  }

  async do_ECHO(): Promise<void> {
    this.sendResponseOnly(200);
    this.endHeaders();
    for (;;) {
      const bytes = await this.rfile.read(3000);
      if (bytes.length === 0) return;
      await this.wfile.write(bytes);
    }
  }

  async do_STREAM(): Promise<void> {
    this.sendResponseOnly(200);
    this.sendHeader("Content-Length", 100_000);
    this.endHeaders();
    for (let i = 0; i < 100; i++) {
      stage.written += 1000;
      await this.wfile.write(Buffer.alloc(1000, i));
    }
  }

  /** Has responded in full when it throws: nothing has left yet. */
  do_EARLY(): void {
    this.#response("all is well");
    throw new Error("it is not");
  }

  async do_LATE(): Promise<void> {
    this.sendResponseOnly(200);
    this.endHeaders();
    this.wfile.write("all is w");
    await stage.wait(this.path);
    throw new Error("it is not");
  }

  #response(text: string): void {
    this.sendResponseOnly(200);
    this.sendHeader("Content-Length", text.length);
    this.endHeaders();
    this.wfile.write(text);
  }
}

class MuxServer extends HTTPServer {
  override [MAKE_PROTOCOLS](): readonly Protocol[] {
    return [mux.protocol, ...super[MAKE_PROTOCOLS]()];
  }
}

interface Stream {
  head: string;
  content: Buffer[];
  /** Bytes of content that came, and that may come. */
  came: number;
  given: number;
  ended: boolean;
  reset: boolean;
  upload: Buffer;
  /** Bytes of the upload that may be sent. */
  credit: number;
}

/** The other end of the protocol. Holds the server to its windows. */
class Client {
  readonly streams: Stream[] = [];
  /** The streams in the order in which they ended. */
  readonly over: number[] = [];
  goingAway = false;
  /** Gives credit for what it takes. */
  hungry = true;
  readonly wire: MemoryClient;
  #input: Buffer = Buffer.alloc(0);
  #output: Buffer[] = [];

  constructor(wire: MemoryClient) {
    this.wire = wire;
  }

  frame(type: number, stream: number, payload: Uint8Array | string = ""): void {
    const bytes = Buffer.from(payload);
    this.#output.push(Buffer.from([type, stream, bytes.length >> 8, bytes.length & 255]), bytes);
  }

  /** Opens a stream; what is uploaded follows as credit comes. */
  request(id: number, method: string, target: string, upload = Buffer.alloc(0)): Stream {
    const stream = (this.streams[id] = {
      head: "",
      content: [],
      came: 0,
      given: mux.WINDOW,
      ended: false,
      reset: false,
      upload,
      credit: 0,
    });
    this.frame(mux.REQUEST, id, `${method} ${target}`);
    if (upload.length === 0) this.frame(mux.END, id);
    return stream;
  }

  give(id: number, bytes: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(bytes);
    this.streams[id].given += bytes;
    this.frame(mux.CREDIT, id, payload);
  }

  async send(): Promise<void> {
    const bytes = Buffer.concat(this.#output);
    this.#output = [];
    if (bytes.length > 0) await this.wire.send(bytes);
  }

  /** Takes part until something has come about. */
  async until(condition: () => boolean): Promise<void> {
    for (;;) {
      await this.send();
      this.#take();
      if (condition()) return;
      assert.ok(!this.wire.closed && !this.wire.ended, "the server has closed the connection");
      await turn();
    }
  }

  /** Takes part for so many turns that what can come has come. */
  async settle(): Promise<void> {
    let turns = 0;
    await this.until(() => ++turns > 50);
  }

  text(id: number): string {
    return Buffer.concat(this.streams[id].content).toString();
  }

  #take(): void {
    this.#input = Buffer.concat([this.#input, Buffer.from(this.wire.take(), "latin1")]);
    while (this.#input.length >= 4) {
      const end = 4 + this.#input.readUInt16BE(2);
      if (this.#input.length < end) break;
      this.#got(this.#input[0], this.#input[1], this.#input.subarray(4, end));
      this.#input = this.#input.subarray(end);
    }
  }

  #got(type: number, id: number, payload: Buffer): void {
    if (type === mux.GOAWAY) {
      this.goingAway = true;
      return;
    }
    const stream = this.streams[id];
    assert.ok(!stream.ended && !stream.reset, `a frame of type ${type} for stream ${id}, which is over`);
    if (type === mux.RESPONSE) stream.head += payload.toString("latin1");
    else if (type === mux.DATA) this.#gotData(id, stream, payload);
    else if (type === mux.CREDIT) this.#upload(id, stream, payload.readUInt32BE());
    else if (type === mux.RESET) stream.reset = true;
    else stream.ended = true;
    if (stream.ended || stream.reset) this.over.push(id);
  }

  #gotData(id: number, stream: Stream, payload: Buffer): void {
    stream.content.push(Buffer.from(payload));
    stream.came += payload.length;
    assert.ok(stream.came <= stream.given, `stream ${id} has sent more than it may`);
    if (this.hungry) this.give(id, payload.length);
  }

  #upload(id: number, stream: Stream, credit: number): void {
    stream.credit += credit;
    assert.ok(stream.credit <= mux.WINDOW, "the window is never larger than at first");
    const piece = stream.upload.subarray(0, stream.credit);
    if (piece.length === 0) return;
    this.frame(mux.DATA, id, piece);
    stream.credit -= piece.length;
    stream.upload = stream.upload.subarray(piece.length);
    if (stream.upload.length === 0) this.frame(mux.END, id);
  }
}

const all = Array.from({ length: mux.STREAMS }, (_, i) => i);
let stage: Stage;
let transport: MemoryTransport;
let server: MuxServer;
let log: string[];
let client: Client;

beforeEach(async () => {
  startPatience();
  stage = new Stage();
  log = [];
  transport = new MemoryTransport();
  server = new MuxServer(["memory", 0], Handler, { transport, log: (line) => log.push(line) });
  await server.serverActivate();
  client = new Client(transport.connect());
});

afterEach(() => server.serverClose());

test("32 requests at once get responses in the order that their handlers choose", limited, async () => {
  for (const id of all) client.request(id, "WAIT", `/${id}`);
  const { wire } = client;
  const send = wire.send.bind(wire);
  wire.send = async (data) => {
    for (const byte of data as Uint8Array) await send(Uint8Array.of(byte));
  };
  await client.until(() => stage.begun.length === mux.STREAMS);
  const reversed = all.toReversed();
  for (const id of reversed) {
    stage.open(`/${id}`);
    await client.until(() => client.streams[id].ended);
  }
  assert.deepEqual(client.over, reversed);
  for (const id of all) {
    const text = `response to /${id}`;
    assert.equal(client.streams[id].head, `200 ${text.length}\n`);
    assert.equal(client.text(id), text);
  }
});

test("32 contents of 200 KB each are echoed at once through windows of 4 KB", limited, async () => {
  const content = (id: number) => Buffer.alloc(200_000, `content ${id},`);
  for (const id of all) client.request(id, "ECHO", `/${id}`, content(id));
  await client.until(() => client.over.length === mux.STREAMS);
  for (const id of all) assert.ok(Buffer.concat(client.streams[id].content).equals(content(id)), `stream ${id}`);
});

test("content that nobody reads is not sent", limited, async () => {
  const unread = client.request(0, "WAIT", "/unread", Buffer.alloc(10_000));
  await client.settle();
  assert.equal(unread.upload.length, 10_000);
  stage.open("/unread");
  await client.until(() => unread.ended);
});

test("what is cancelled leaves the others alone, and its slot is free when its handler settles", limited, async () => {
  for (const id of all) client.request(id, "WAIT", `/${id}`);
  await client.until(() => stage.begun.length === mux.STREAMS);
  const refused = client.request(99, "WAIT", "/one-too-many");
  await client.until(() => refused.reset);

  client.frame(mux.CANCEL, 5);
  await client.until(() => stage.gone.length > 0);
  assert.deepEqual(stage.gone, ["/5 cancelled"]);

  // The peer may open another at once, under the same number: but it waits. One that is cancelled meanwhile never begins.
  client.frame(mux.CANCEL, 6);
  client.request(6, "WAIT", "/never");
  client.frame(mux.CANCEL, 6);
  client.request(5, "WAIT", "/next");
  await client.settle();
  assert.equal(stage.begun.length, mux.STREAMS);
  stage.open("/5");
  await client.until(() => stage.begun.length === mux.STREAMS + 1);
  assert.equal(stage.begun.at(-1), "/next");

  stage.open("/next");
  stage.open("/6");
  for (const id of all) stage.open(`/${id}`);
  await client.until(() => client.over.length === mux.STREAMS); // the refused one among them, the sixth not
  assert.equal(client.text(5), "response to /next");
  assert.equal(client.text(7), "response to /7");
  assert.deepEqual(stage.gone, ["/5 cancelled", "/6 cancelled"]);
});

test("a handler stops where its window is full, goes on with credit, and holds up no other", limited, async () => {
  client.hungry = false;
  client.request(0, "STREAM", "/");
  client.request(1, "WAIT", "/other");
  await client.settle();
  assert.equal(client.streams[0].came, mux.WINDOW);
  assert.equal(stage.written, 5000, "the write that the window could not take is the last");
  stage.open("/other");
  await client.until(() => client.streams[1].ended);

  client.give(0, mux.WINDOW);
  await client.settle();
  assert.equal(client.streams[0].came, 2 * mux.WINDOW);
  assert.equal(stage.written, 9000);
  client.give(0, 100_000);
  await client.until(() => client.streams[0].ended);
  assert.equal(client.streams[0].came, 100_000);
});

test("a handler that fails takes its response back, or resets its stream where that is too late", limited, async () => {
  client.request(0, "LATE", "/late");
  client.request(1, "WAIT", "/other");
  client.request(2, "EARLY", "/early");
  await client.until(() => client.streams[2].ended && client.text(0) === "all is w");
  assert.match(client.streams[2].head, /^500 /);
  stage.open("/late");
  await client.until(() => client.streams[0].reset);
  stage.open("/other");
  await client.until(() => client.streams[1].ended);
  assert.equal(client.text(1), "response to /other");
});

test("a peer that breaks the protocol, or goes away, is gone from all its streams", limited, async () => {
  const upload = client.request(0, "ECHO", "/upload", Buffer.alloc(10_000));
  client.request(1, "WAIT", "/other");
  await client.until(() => upload.credit > 0 || upload.came > 0);
  client.frame(mux.DATA, 0, Buffer.alloc(mux.WINDOW + 1));
  await client.send();
  while (!client.wire.closed) await turn();
  assert.deepEqual(stage.gone, ["/upload malformed", "/other malformed"]);
  assert.match(log.join("\n"), /WINDOW_EXCEEDED/);

  const leaving = new Client(transport.connect());
  leaving.request(0, "WAIT", "/left");
  leaving.request(1, "WAIT", "/left-too");
  await leaving.until(() => stage.begun.length === 4);
  leaving.wire.destroy();
  await turn();
  assert.deepEqual(stage.gone.slice(2), ["/left closed", "/left-too closed"]);
});

test("shutdown refuses what is new and lets what runs finish", limited, async () => {
  for (const id of [0, 1, 2]) client.request(id, "WAIT", `/${id}`);
  await client.until(() => stage.begun.length === 3);
  const stopped = server.shutdown();
  await client.until(() => client.goingAway);
  const late = client.request(3, "WAIT", "/late");
  await client.until(() => late.reset);
  for (const id of [0, 1, 2]) stage.open(`/${id}`);
  await client.until(() => client.over.length === 4);
  assert.deepEqual(
    [0, 1, 2].map((id) => client.text(id)),
    ["response to /0", "response to /1", "response to /2"],
  );
  while (!client.wire.ended) await turn();
  await client.wire.end();
  await stopped;
  assert.deepEqual(stage.gone, []);
});

test("HTTP/1.1 is spoken on the same port, by those who send no frame first", limited, async () => {
  const wire = transport.connect();
  await wire.send("WAIT /one HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  stage.open("/one");
  let text = "";
  while (!wire.ended) {
    for (const piece of wire.takeBytes()) text += Buffer.from(piece).toString("latin1");
    if (!wire.ended) await wire.change();
  }
  for (const piece of wire.takeBytes()) text += Buffer.from(piece).toString("latin1");
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nresponse to \/one$/);
  await wire.end();
});
