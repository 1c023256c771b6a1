/** Which protocol a connection has: by ALPN, and by its first bytes, however they come. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Connection, Host } from "../../src/protocol/connection.ts";
import type { ConnectionInfo, GoneReason } from "../../src/protocol/exchange.ts";
import { type Protocol, ProtocolSelector } from "../../src/protocol/protocol_selector.ts";
import { bytes, text } from "../support/bytes.ts";

/** A connection that writes down what it is told. */
class Recorder implements Connection {
  readonly calls: string[] = [];
  received = "";
  readonly wantsRead = true;
  deadline = 5;
  closing: Connection["closing"] = null;
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  receive(lent: Uint8Array, length: number = lent.length): void {
    this.received += text(lent.subarray(0, length));
    lent.fill(0); // what is lent may be overwritten
  }

  receiveEnd(): void {
    this.calls.push("receiveEnd");
  }

  lost({ kind }: GoneReason): void {
    this.calls.push(`lost ${kind}`);
  }

  pull(): Uint8Array | null {
    this.calls.push("pull");
    return bytes(this.name);
  }

  recycle(batch: Uint8Array): void {
    this.calls.push(`recycle ${text(batch)}`);
  }

  tick(): void {
    this.calls.push("tick");
  }

  stop(): void {
    this.calls.push("stop");
  }

  shutdown(grace?: number): void {
    this.calls.push(`shutdown ${grace}`);
  }
}

/** A server that speaks one protocol without a preface and others with one. */
class Server {
  readonly made: Recorder[] = [];
  readonly host = { now: 0 } as { now: number } & Host;
  readonly selector: ProtocolSelector;

  constructor(...prefaces: string[]) {
    const protocol = (alpn: string, preface: string | null): Protocol => ({
      alpn,
      preface: preface === null ? null : bytes(preface),
      connect: () => {
        const made = new Recorder(alpn);
        this.made.push(made);
        return made;
      },
    });
    this.selector = new ProtocolSelector([
      ...prefaces.map((preface) => protocol(preface.toLowerCase().trim(), preface)),
      protocol("usual", null),
    ]);
  }

  connect(alpn: string | null = null): Connection {
    const info: ConnectionInfo = { clientAddress: ["", 0], alpn, secure: null };
    return this.selector.connect(Object.assign(this.host, { info }));
  }

  /** The last connection that was made, which is the one that is used. */
  get used(): Recorder {
    return this.made.at(-1)!;
  }
}

describe("ALPN decides where TLS has agreed on something", () => {
  for (const [alpn, expected] of [
    ["two", "two"],
    ["usual", "usual"],
    ["unheard-of", "usual"],
  ]) {
    test(`${alpn}: ${expected}`, () => {
      const server = new Server("ONE ", "TWO ");
      server.connect(alpn).receive(bytes("ONE first bytes do not count"));
      assert.deepEqual(
        server.made.map(({ name, received }) => [name, received]),
        [[expected, "ONE first bytes do not count"]],
      );
    });
  }
});

describe("otherwise the first bytes do", () => {
  for (const [sent, expected] of [
    ["ONE hello", "one"],
    ["ONE ", "one"],
    ["ONLY this", "only"],
    ["ONLx this", "usual"],
    ["OTHER", "usual"],
    ["GET / HTTP/1.1", "usual"],
    ["\r\nONE ", "usual"],
    ["one hello", "usual"],
  ]) {
    for (const [how, size] of [
      ["whole", Infinity],
      ["byte by byte", 1],
      ["three at a time", 3],
    ] as const) {
      test(`${JSON.stringify(sent)}, ${how}: ${expected}`, () => {
        const server = new Server("ONE ", "ONLY");
        const connection = server.connect();
        const memory = new Uint8Array(100);
        const all = bytes(sent);
        for (let at = 0; at < all.length; at += size) {
          const piece = all.subarray(at, at + size);
          memory.set(piece);
          connection.receive(memory, piece.length);
        }
        assert.deepEqual([server.used.name, server.used.received], [expected, sent]);
        connection.receive(bytes(", and more"));
        assert.equal(server.used.received, `${sent}, and more`);
      });
    }
  }

  test("a preface that does not come whole is the usual protocol's to refuse", () => {
    const server = new Server("ONE ");
    const connection = server.connect();
    connection.receive(bytes("ON"));
    assert.equal(server.used.received, "");
    connection.receiveEnd();
    assert.deepEqual([server.used.name, server.used.received, server.used.calls], ["usual", "ON", ["receiveEnd"]]);
  });

  test("until then, deadlines and the end are those of the usual protocol", () => {
    const server = new Server("ONE ");
    const connection = server.connect();
    connection.receive(bytes("ON"));
    assert.deepEqual([connection.deadline, connection.wantsRead, connection.closing], [5, true, null]);
    connection.tick();
    connection.shutdown(3);
    assert.deepEqual(server.used.calls, ["tick", "shutdown 3"]);
    server.used.closing = "end";
    connection.receive(bytes("E "));
    assert.deepEqual(
      [server.made.length, server.used.received],
      [1, "E "],
      "it has ended, and chooses nothing any more",
    );
  });

  test("at the deadline, a part of a preface is the usual protocol's to refuse", () => {
    const server = new Server("ONE ");
    const connection = server.connect();
    connection.receive(bytes("ON"));
    server.host.now = 4;
    connection.tick();
    assert.deepEqual([server.used.received, server.used.calls], ["", ["tick"]]);
    server.host.now = 5;
    connection.tick();
    assert.deepEqual([server.used.name, server.used.received, server.used.calls], ["usual", "ON", ["tick", "tick"]]);
  });

  test("a server that stops meanwhile stops the one that is chosen", () => {
    const server = new Server("ONE ");
    const connection = server.connect();
    connection.stop!();
    connection.receive(bytes("ONE "));
    assert.deepEqual([server.used.name, server.used.calls], ["one", ["stop"]]);
    assert.equal(text(connection.pull()!), "one");
    connection.recycle(bytes("batch"));
    connection.lost({ kind: "closed" });
    assert.deepEqual(server.used.calls, ["stop", "pull", "recycle batch", "lost closed"]);
  });

  test("a server of one protocol looks at nothing", () => {
    const server = new Server();
    assert.equal(server.connect(), server.used);
  });
});
