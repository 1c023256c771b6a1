/** What bytes cost is in proportion to their number, however they are cut up: counted, not timed. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ChunkPool, type Exchange, FieldList, Http1Connection, limitsFrom } from "plinth/protocol";
import { HeadReader } from "../../src/protocol/http1/request_head.ts";
import { bytes } from "../support/bytes.ts";
import { type Call, DATE, Driver } from "../support/driver.ts";
import { bytesMoved, WatchedBytes } from "../support/byte_counters.ts";

describe("work is in proportion to what comes", () => {
  const heads: [what: string, make: (size: number) => string][] = [
    ["a long target", (size) => `GET /${"x".repeat(size)} HTTP/1.1\r\nHost: a\r\n\r\n`],
    ["a long value", (size) => `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(size)}\r\n\r\n`],
    ["many fields", (size) => `GET / HTTP/1.1\r\nHost: a\r\n${"X: y\r\n".repeat(size / 6)}\r\n`],
    ["white space behind a value", (size) => `GET / HTTP/1.1\r\nHost: a\r\nX: x${" ".repeat(size)}\r\n\r\n`],
    ["white space before a value", (size) => `GET / HTTP/1.1\r\nHost: a\r\nX:${" ".repeat(size)}x\r\n\r\n`],
    ["white space inside a value", (size) => `GET / HTTP/1.1\r\nHost: a\r\nX: ${" x".repeat(size / 2)}\r\n\r\n`],
    ["empty lines", (size) => `${"\r\n".repeat(size / 2)}GET / HTTP/1.1\r\nHost: a\r\n\r\n`],
    [
      "many codings",
      (size) =>
        `GET / HTTP/1.1\r\nHost: a\r\n${"Transfer-Encoding: ,\r\n".repeat(size / 22)}Transfer-Encoding: chunked\r\n\r\n`,
    ],
  ];
  const limits = { maxHeadSize: Infinity, maxTargetSize: Infinity, maxFields: Infinity, maxBodySize: Infinity };

  for (const [what, make] of heads) {
    test(`a head byte by byte: ${what}`, () => {
      const cost = (size: number): number => {
        const data = make(size);
        const watched = new WatchedBytes(bytes(data));
        const reader = new HeadReader(limitsFrom(limits));
        const decoded = bytesMoved(() => {
          for (let end = 1; end < data.length; end++) assert.equal(reader.read(watched.bytes, 0, end), 0);
          assert.equal(reader.read(watched.bytes, 0, data.length), data.length);
        });
        // and through a connection, which has to keep what has come so far
        const driver = new Driver(limits, (call) => call.response());
        const kept = bytesMoved(() => driver.feed(data, "bytes"));
        assert.equal(driver.calls.length, 1);
        assert.ok(
          watched.looks + decoded + kept <= 20 * data.length + 20_000,
          `${watched.looks} looks, ${decoded} decoded, ${kept} kept`,
        );
        return watched.looks + decoded + kept;
      };
      assert.ok(cost(64 * 1024) <= 2.5 * cost(32 * 1024));
    });
  }

  /** A connection with nothing around it, and a handler that reads and counts. */
  function countContent(): { connection: Http1Connection; read: () => number; sinks: () => number } {
    let [read, sinks] = [0, 0];
    const to = new Uint8Array(1024);
    const connection = new Http1Connection(
      {
        info: { clientAddress: ["", 0], alpn: null, secure: null },
        now: 0,
        date: DATE,
        wake() {},
        responseComplete() {},
        refused: (error) => assert.fail(error.code),
        start(exchange: Exchange) {
          const go = (): void => {
            sinks++;
            for (;;) {
              const n = exchange.readInto(to, 0, to.length);
              if (n === 0) return;
              if (n > 0) read += n;
              else {
                exchange.respond(200, "OK", new FieldList(), 0);
                exchange.end();
                return exchange.release();
              }
            }
          };
          exchange.sink = { onReadable: go, onWritable() {}, onGone() {} };
          go();
        },
      },
      {
        limits: limitsFrom({
          maxBodySize: Infinity,
          maxChunkExtensionSize: Infinity,
          maxTrailerSize: Infinity,
          maxTrailers: Infinity,
        }),
        pool: new ChunkPool(),
        sendsInformational: true,
        ownLines: [],
      },
    );
    return { connection, read: () => read, sinks: () => sinks };
  }

  const coded: [what: string, size: number, chunk: string, tail?: string][] = [
    ["chunks of one byte", 1024 * 1024, "1\r\nx\r\n"],
    ["chunks of one byte with extensions", 128 * 1024, '1;a="b"\r\nx\r\n'],
    ["trailers", 1, "1\r\nx\r\n", "A: b\r\n".repeat(5_000)],
  ];
  for (const [what, count, chunk, tail = ""] of coded) {
    test(`a chunked body byte by byte: ${what}`, () => {
      const cost = (count: number): number => {
        const { connection, read, sinks } = countContent();
        const one = new Uint8Array(1);
        const feed = (data: string): number => {
          for (let i = 0; i < data.length; i++) {
            one[0] = data.charCodeAt(i);
            connection.receive(one);
          }
          return data.length;
        };
        let fed = feed("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        const moved = bytesMoved(() => {
          for (let i = 0; i < count; i++) fed += feed(chunk);
          fed += feed(`0\r\n${tail}\r\n`);
        });
        assert.deepEqual([read(), connection.output.length > 0], [count, true]);
        assert.ok(sinks() <= fed);
        assert.ok(moved <= 8 * (tail.length + 1000), `${moved} bytes moved for ${fed}`);
        return moved + sinks();
      };
      assert.ok(cost(count) <= 2.5 * cost(Math.ceil(count / 2)) + 40_000);
    });
  }

  test("many requests in one piece are taken one after the other, without a stack or a copy each", () => {
    const data = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20_000);
    const calls: Call[] = [];
    const driver = new Driver({}, (call) => {
      calls.push(call);
      call.response();
    });
    const moved = bytesMoved(() => {
      driver.feed(data);
      // Responses wait to be read: then the rest is kept, and goes on when they have left.
      while (driver.pull() !== null);
    });
    assert.equal(calls.length, 20_000);
    assert.ok(moved <= 12 * data.length, `${moved} bytes moved for ${data.length}`);
  });
});
