// Drives one HTTP/1 connection in memory, without time, sockets or promises: bytes in, exchanges out, bytes out. On the way it
// holds both sides to what exchange.ts promises: nothing borrowed is kept, and a sink is called only when it may be.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { reasonOf } from "../../src/protocol/status.ts";
import {
  ChunkPool,
  type ConnectionInfo,
  type Exchange,
  FieldList,
  type Fields,
  type GoneReason,
  type Host,
  Http1Connection,
  type Limits,
  limitsFrom,
  type ProtocolError,
  type Sink,
} from "plinth/protocol";
import { bytes, ends, type Split, text } from "./bytes.ts";

export const DATE = "Sun, 06 Nov 1994 08:49:37 GMT";

/** Name and value of fields in order. */
export type Pairs = readonly (readonly [name: string, value: string])[];

export function fieldList(pairs: Pairs): FieldList {
  const list = new FieldList();
  for (const [name, value] of pairs) list.add(name, value);
  return list;
}

/** What exchanges read into, and what it looks like when they have written no more than they said. */
const UNTOUCHED = Buffer.alloc(8 * 1024, 0xee);
const target = Buffer.from(UNTOUCHED);

/** One exchange in the hands of a test: calls go through here, so that the sink's promises can be checked. */
export class Call implements Sink {
  readonly exchange: Exchange;
  /** What the sink heard, in order: "readable", "writable", "gone: closed". */
  readonly heard: string[] = [];
  /** The last reason for which the peer is gone, "half-closed" apart. */
  gone: GoneReason | null = null;
  /** What has been read of the content, one character a byte. */
  body = "";
  /** The content has been read to its end. */
  complete = false;
  /** The exchange was released. */
  settled = false;
  /** What to do when the sink hears of it. */
  whenReadable: () => void = () => {};
  whenWritable: () => void = () => {};
  whenGone: (why: GoneReason) => void = () => {};
  whenFault: (error: ProtocolError) => void = (error) => this.respondTo(error);
  readonly #calls: string[] = [];
  #owesReadable = false;
  #owesWritable = false;

  constructor(exchange: Exchange) {
    this.exchange = exchange;
    exchange.sink = this;
  }

  /** Reads once, at most `max` bytes. */
  read(max = Infinity): number {
    return this.#within("readInto", () => {
      const at = 3;
      const room = Math.min(max, target.length - 2 * at);
      const n = this.exchange.readInto(target, at, room);
      assert.ok(Number.isInteger(n) && n >= -1 && n <= room, `readInto returned ${n}`);
      if (n > 0) {
        this.body += text(target.subarray(at, at + n));
        target.fill(0xee, at, at + n);
      }
      if (target.compare(UNTOUCHED) !== 0) {
        target.set(UNTOUCHED);
        assert.fail("readInto wrote outside of what it returned");
      }
      if (n < 0) this.complete = true;
      if (n === 0 && this.gone === null) this.#owesReadable = true;
      return n;
    });
  }

  /** Reads what there is. @returns what `readInto` returned last: 0 or -1 */
  readAll(max?: number): number {
    for (;;) {
      const n = this.read(max);
      if (n <= 0) return n;
    }
  }

  demand(): void {
    this.#within("demand", () => this.exchange.demand());
  }

  inform(status: number, fields: Pairs = []): void {
    this.#within("inform", () => this.exchange.inform(status, fieldList(fields)));
  }

  respond(status: number, length: number, fields: Pairs = [], reason = "Test"): void {
    this.#within("respond", () => this.exchange.respond(status, reason, fieldList(fields), length));
  }

  /** Writes, and overwrites what it gave on return, as the promise allows. */
  write(data: string | Uint8Array): boolean {
    return this.#within("write", () => {
      const given = typeof data === "string" ? bytes(data) : data.slice();
      const more = this.exchange.write(given);
      given.fill(0xee);
      if (!more) this.#owesWritable = true;
      return more;
    });
  }

  end(trailers?: Pairs): void {
    this.#within("end", () => this.exchange.end(trailers === undefined ? undefined : fieldList(trailers)));
  }

  flush(): void {
    this.#within("flush", () => this.exchange.flush());
  }

  retract(): boolean {
    return this.#within("retract", () => this.exchange.retract());
  }

  abort(): void {
    this.#within("abort", () => this.exchange.abort());
  }

  release(): void {
    this.settled = true;
    this.#within("release", () => this.exchange.release());
  }

  /** A whole response, and the end of the exchange. */
  response(content = "", status = 200, fields: Pairs = []): void {
    this.respond(status, content.length, fields);
    if (content !== "") this.write(content);
    this.end();
    this.release();
  }

  // The sink

  onReadable(): void {
    this.#hear("readable", this.#owesReadable, "readInto has not said 0 since the last onReadable");
    this.#owesReadable = false;
    this.whenReadable();
  }

  onWritable(): void {
    this.#hear("writable", this.#owesWritable, "write has not said false since the last onWritable");
    this.#owesWritable = false;
    this.whenWritable();
  }

  onGone(why: GoneReason): void {
    const inside = this.#calls.at(-1);
    assert.ok(inside === undefined || inside === "readInto", `onGone from inside ${inside}`);
    assert.equal(this.gone, null, "onGone is said once");
    assert.equal(this.settled, false, "onGone after release");
    this.heard.push(`gone: ${why.kind}${why.error === undefined ? "" : ` (${why.error.code})`}`);
    if (why.kind !== "half-closed") this.gone = why;
    if (why.canRespond === true) this.whenFault(why.error!);
    this.whenGone(why);
  }

  /** Responds to a fault of the peer's, as executors do. */
  respondTo({ status, code, message }: ProtocolError): void {
    const title = reasonOf(status);
    const content = JSON.stringify({ title, status, detail: message, code }) + "\n";
    const fields: Pairs = [
      ["Date", DATE],
      ["Content-Type", "application/problem+json"],
      ["Cache-Control", "no-store"],
    ];
    this.exchange.respond(status, title, fieldList(fields), content.length);
    this.exchange.write(bytes(content));
    this.exchange.end();
    this.release();
  }

  #hear(what: string, owed: boolean, otherwise: string): void {
    assert.equal(this.#calls.at(-1), undefined, `${what} from inside a call on the same exchange`);
    assert.equal(this.gone, null, `${what} after onGone`);
    assert.equal(this.settled, false, `${what} after release`);
    assert.ok(owed, `${what}, but ${otherwise}`);
    this.heard.push(what);
  }

  #within<T>(name: string, call: () => T): T {
    this.#calls.push(name);
    try {
      return call();
    } finally {
      this.#calls.pop();
    }
  }
}

/** Who gets the exchanges of a driver. */
export type Handler = (call: Call) => void;

/** A connection, its host with a clock of its own, and what both have said. */
export class Driver implements Host {
  readonly info: ConnectionInfo = { clientAddress: ["192.0.2.7", 49_152], alpn: null, secure: null };
  readonly date = DATE;
  now = 1_000_000;
  readonly connection: Http1Connection;
  /** Every exchange started, in order. */
  readonly calls: Call[] = [];
  /** The errors that the peer was refused with. */
  readonly overload: ProtocolError[] = [];
  /** What `wake` was called with. */
  readonly wakes: boolean[] = [];
  /** What else to do when woken: a host may pull before it returns. */
  whenWoken: (now: boolean) => void = () => {};
  readonly #handler: Handler;
  /** What every receive borrows: the same memory each time, overwritten as soon as it is back. */
  #shared = new Uint8Array(256);
  #fed = 0;

  /**
   * @param handler called for each exchange; without one, exchanges wait for the test to act
   * @param settings as the connection's
   */
  constructor(
    limits: Partial<Limits> = {},
    handler: Handler = () => {},
    { sendsInformational = true, ownLines = [] }: { sendsInformational?: boolean; ownLines?: readonly string[] } = {},
  ) {
    this.#handler = handler;
    const settings = {
      limits: limitsFrom(limits),
      pool: new ChunkPool(),
      sendsInformational,
      ownLines: ownLines.map((line) => ({
        name: line.slice(0, line.indexOf(":")).toLowerCase(),
        bytes: bytes(line + "\r\n"),
      })),
    };
    this.connection = new Http1Connection(this, settings);
  }

  /** The exchange started last. */
  get call(): Call {
    const call = this.calls.at(-1);
    assert.ok(call !== undefined, "no exchange has been started");
    return call;
  }

  // The host

  start(exchange: Exchange): void {
    assert.equal(this.connection.closing, null, "an exchange is started on a connection that closes");
    const call = new Call(exchange);
    this.calls.push(call);
    this.#handler(call);
  }

  responseComplete(): void {
    this.wake(true);
  }

  wake(now: boolean): void {
    this.wakes.push(now);
    this.whenWoken(now);
  }

  refused(error: ProtocolError): void {
    this.overload.push(error);
  }

  // The test

  /** Gives the connection bytes; what it borrows is overwritten when it returns. */
  feed(data: Uint8Array | string, split: Split = "whole"): this {
    const all = typeof data === "string" ? bytes(data) : data;
    let start = 0;
    for (const end of ends(all.length, split)) {
      this.#lend(all, start, end);
      start = end;
    }
    return this;
  }

  #lend(all: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (this.#shared.length < size + 8) this.#shared = new Uint8Array(size + 8);
    const at = this.#fed++ % 8;
    const lent = this.#shared.subarray(at, at + size);
    lent.set(size === all.length ? all : all.subarray(start, end));
    this.connection.receive(lent);
    lent.fill(0x58);
  }

  /** The peer ends its side. */
  end(): this {
    this.connection.receiveEnd();
    return this;
  }

  /** Lets time pass, and ticks where the deadline has come, as a host would. */
  later(milliseconds: number): this {
    this.now += milliseconds;
    if (this.now >= this.connection.deadline) this.connection.tick();
    return this;
  }

  /** How long it is to the connection's deadline. */
  get remaining(): number {
    return this.connection.deadline - this.now;
  }

  /** Takes one batch, null when there is none. */
  pull(): string | null {
    const batch = this.connection.pull();
    if (batch === null) return null;
    assert.ok(batch.length > 0, "a batch is not empty");
    const copy = text(batch);
    batch.fill(0x58);
    this.connection.recycle(batch);
    return copy;
  }

  /** Takes everything that is ready to leave. */
  take(): string {
    let all = "";
    for (let batch = this.pull(); batch !== null; batch = this.pull()) all += batch;
    return all;
  }
}

/** Reads content to its end, as it comes, and then says so. */
export function readFully(call: Call, then: (call: Call) => void, max?: number): void {
  const go = (): void => {
    if (call.readAll(max) === -1) then(call);
  };
  call.whenReadable = go;
  call.whenGone = (why) => {
    if (why.kind !== "half-closed") call.release();
  };
  call.demand();
  go();
}

/** Reads everything and sends it back. */
export const echo: Handler = (call) => {
  // Not with 2xx to CONNECT, which would make the rest of the connection its content.
  const status = call.exchange.head.method === "CONNECT" ? 405 : 200;
  readFully(call, () => call.response(call.body, status));
};

/** One request as an executor saw it. */
export interface Message {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly fields: [name: string, value: string][];
  /** One character a byte. Where it is not complete, what there was of it. */
  readonly body: string;
  readonly complete: boolean;
  readonly trailers: [name: string, value: string][] | null;
}

export interface Outcome {
  readonly exchanges: Message[];
  /** The code of the error the peer was refused with. */
  readonly error: string | null;
  readonly output: string;
  readonly closing: "end" | "cut" | "reset" | null;
}

export interface OutcomeOptions {
  readonly limits?: Partial<Limits>;
  /** Whether the peer ends its side behind the bytes. */
  readonly end?: boolean;
  readonly handler?: Handler;
}

export function pairsOf(fields: Fields): [name: string, value: string][] {
  return [...fields];
}

/** What a connection makes of these bytes. Everything is asked of the exchanges after the last byte: nothing may have changed. */
export function exchangesOf(
  data: Uint8Array | string,
  split: Split = "whole",
  { limits = {}, end = false, handler = echo }: OutcomeOptions = {},
): Outcome {
  const driver = new Driver(limits, handler);
  const all = typeof data === "string" ? bytes(data) : data;
  let output = "";
  let start = 0;
  for (const stop of ends(all.length, split)) {
    driver.feed(all.subarray(start, stop));
    output += driver.take();
    start = stop;
  }
  if (end) driver.end();
  output += driver.take();
  assert.ok(driver.overload.length <= 1, "a connection is refused once");
  return {
    exchanges: driver.calls.map((call) => {
      const { head, trailers } = call.exchange;
      return {
        method: head.method,
        target: head.target,
        version: head.version,
        fields: pairsOf(head.fields),
        body: call.body,
        complete: call.complete,
        trailers: trailers === undefined ? null : pairsOf(trailers),
      };
    }),
    error: driver.overload[0]?.code ?? null,
    output,
    closing: driver.connection.closing,
  };
}
