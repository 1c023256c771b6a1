/** Content on a connection: how it reaches a handler, and what becomes of it where none reads it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Fields } from "plinth/protocol";
import { type Call, Driver, echo, pairsOf, readFully } from "../support/driver.ts";
import { readResponses } from "../support/responses.ts";
import { announce, chunked, GET, post, request } from "../support/requests.ts";

const targets = (driver: Driver): string[] => driver.calls.map((call) => call.exchange.head.target);

describe("what was read", () => {
  test("a kept head, its fields, names and trailers never show another request's bytes", () => {
    const driver = new Driver({}, echo);
    const kept: { head: Call["exchange"]["head"]; fields: Fields; call: Call }[] = [];
    for (let i = 0; i < 50; i++) {
      const mark = String.fromCharCode(0x61 + (i % 26)).repeat(1 + (i % 7)) + i;
      const data =
        request(
          `M-${mark} /${mark}?${mark} HTTP/1.1`,
          `Host: ${mark}`,
          `X-${mark}: ${mark}`,
          "Transfer-Encoding: chunked",
        ) + `${mark.length}\r\n${mark}\r\n0\r\nT-${mark}: ${mark}\r\n\r\n`;
      // one by one, several in one piece, cut in the middle of a head: whatever buffers there are, they are used again
      if (i % 3 === 0) driver.feed(data, "bytes");
      else driver.feed(data, [data.length >> 1, data.length - (i % 20)]);
      const { head } = driver.call.exchange;
      // Of every second one, nothing is looked at before the others have come.
      if (i % 2 === 0) void [head.target, head.fields.get(`x-${mark}`)];
      kept.push({ head, fields: head.fields, call: driver.call });
      driver.take();
    }
    for (let i = 0; i < 50; i++) {
      const mark = String.fromCharCode(0x61 + (i % 26)).repeat(1 + (i % 7)) + i;
      const { head, fields, call } = kept[i];
      assert.deepEqual(
        [head.method, head.target, head.authority, head.version],
        [`M-${mark}`, `/${mark}?${mark}`, mark, "HTTP/1.1"],
      );
      const expected = [
        ["Host", mark],
        [`X-${mark}`, mark],
        ["Transfer-Encoding", "chunked"],
      ];
      assert.deepEqual(pairsOf(fields), expected);
      assert.deepEqual(pairsOf(head.fields), expected);
      assert.equal(fields.get(`x-${mark.toUpperCase()}`), mark);
      assert.deepEqual(pairsOf(call.exchange.trailers!), [[`T-${mark}`, mark]]);
      assert.equal(call.body, mark);
    }
  });

  test("says where it came from, and how much content is to come", () => {
    const driver = new Driver({}, echo);
    driver.feed(GET + post("hello") + chunked("0\r\n\r\n") + post(""));
    assert.deepEqual(
      driver.calls.map(({ exchange }) => [exchange.connection, exchange.bodyLength]),
      [0, 5, -1, 0].map((length) => [driver.info, length]),
    );
  });

  test("has trailers only behind the end, and only where there were some", () => {
    const driver = new Driver().feed(chunked("1\r\nx\r\n0\r\nA: b\r\n\r\n"));
    assert.equal(driver.call.exchange.trailers, undefined);
    assert.equal(driver.call.read(), 1);
    assert.equal(driver.call.exchange.trailers, undefined);
    assert.equal(driver.call.read(), -1);
    assert.deepEqual(pairsOf(driver.call.exchange.trailers!), [["A", "b"]]);
    const without = new Driver({}, echo).feed(chunked("0\r\n\r\n"));
    assert.equal(without.call.exchange.trailers, undefined);
  });

  test("an exchange without content is at its end at once", () => {
    const driver = new Driver().feed(GET);
    assert.equal(driver.call.read(), -1);
    assert.equal(driver.call.read(), -1);
  });
});

describe("onReadable", () => {
  test("comes once after each 0, when there is something new: bytes, the end", () => {
    const driver = new Driver().feed(announce(6));
    driver.feed("a");
    assert.deepEqual(driver.call.heard, [], "nobody has asked yet");
    assert.equal(driver.call.readAll(), 0);
    assert.equal(driver.call.read(), 0);
    driver.feed("b");
    assert.deepEqual(driver.call.heard, ["readable"]);
    driver.feed("c");
    assert.deepEqual(driver.call.heard, ["readable"], "not again before the next 0");
    assert.equal(driver.call.readAll(), 0);
    driver.feed("d").feed("e");
    assert.equal(driver.call.readAll(), 0);
    driver.feed("f");
    assert.deepEqual(driver.call.heard, ["readable", "readable", "readable"]);
    assert.equal(driver.call.readAll(), -1);
    assert.equal(driver.call.body, "abcdef");
  });

  test("may response and settle: the next request of the same piece is dispatched", () => {
    const driver = new Driver({}, echo).feed(announce(5));
    driver.feed("hello" + GET + GET);
    assert.equal(driver.calls.length, 3);
  });

  test("may give up, or be where the connection is lost: nothing more is dispatched", () => {
    for (const leave of [
      (call: Call) => call.abort(),
      (call: Call) => call.release(),
      (_: Call, driver: Driver) => driver.connection.lost({ kind: "shutdown" }),
    ]) {
      const driver = new Driver().feed(announce(5));
      const { call } = driver;
      call.demand();
      assert.equal(call.read(), 0);
      call.whenReadable = () => leave(call, driver);
      driver.feed("hello" + GET);
      assert.equal(driver.calls.length, 1);
      assert.equal(call.read(), 0);
      call.release();
      driver.feed(GET);
      assert.deepEqual([driver.calls.length, driver.take(), driver.overload], [1, "", []]);
    }
  });

  test("reads at most what is asked for", () => {
    for (const max of [1, 2, 3, 1000]) {
      const driver = new Driver({}, (call) => readFully(call, () => call.response(), max));
      driver.feed(post("hello") + chunked("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), "bytes");
      assert.deepEqual(
        driver.calls.map(({ body }) => body),
        ["hello", "hello"],
      );
    }
  });
});

describe("content that no handler reads", () => {
  const settle = (call: Call): void => call.response();

  test("is dropped within the bound, and the connection goes on behind it", () => {
    for (const unread of [post("x".repeat(1000)), chunked("3\r\nabc\r\n0\r\nA: b\r\n\r\n"), post(GET), post("\0\n")]) {
      for (const split of ["whole", "bytes"] as const) {
        const driver = new Driver({}, settle);
        driver.feed(unread + GET.replace("/", "/next"), split);
        assert.deepEqual(targets(driver), ["/", "/next"]);
        assert.deepEqual([driver.overload, driver.connection.closing], [[], null]);
        assert.doesNotMatch(driver.take(), /Connection/);
      }
    }
  });

  test("is waited for: the next request is not what comes next", () => {
    const driver = new Driver({}, settle).feed(announce(GET.length * 2));
    driver.feed(GET, "bytes").feed(GET, "bytes");
    assert.equal(driver.calls.length, 1);
    driver.feed(GET, "bytes");
    assert.equal(driver.calls.length, 2);
  });

  test("that is known to be over the bound closes the connection, and the response says so", () => {
    const driver = new Driver({ maxDrainSize: 100 }, settle);
    driver.feed(announce(101) + GET.repeat(10));
    assert.deepEqual([driver.calls.length, driver.connection.closing], [1, "end"]);
    assert.match(driver.take(), /\r\nConnection: close\r\n/);
  });

  test("at the bound is dropped; one byte more closes; chunks, however many, are dropped. The response says which", () => {
    for (const maxDrainSize of [0, 1, 100, 65_536]) {
      const table: [body: string, goesOn: boolean][] = [
        [post("x".repeat(maxDrainSize)), true],
        [post("x".repeat(maxDrainSize + 1)), false],
        [chunked(coded(maxDrainSize)), true],
        [chunked(coded(maxDrainSize + 1)), true],
        [chunked(`3e8\r\n${"x".repeat(1000)}\r\n`.repeat(100) + coded(0)), true],
      ];
      for (const [data, goesOn] of table) {
        for (const split of ["whole", [100, 1000]] as const) {
          const driver = new Driver({ maxDrainSize }, settle).feed(data + GET, split);
          assert.equal(driver.calls.length, goesOn ? 2 : 1, `${maxDrainSize}: ${data.slice(0, 80)}`);
          assert.equal(driver.connection.closing, goesOn ? null : "end");
          assert.equal(/\r\nConnection: close\r\n/.test(driver.take()), !goesOn);
          assert.deepEqual(driver.overload, []);
        }
      }
    }
    function coded(size: number): string {
      return size === 0 ? "0\r\n\r\n" : `${size.toString(16)}\r\n${"x".repeat(size)}\r\n0\r\n\r\n`;
    }
  });

  test("that a handler has read a part of counts as well", () => {
    for (const [length, closes] of [
      [70_000, true],
      [65_541, false],
      [65_542, true],
    ] as const) {
      const driver = new Driver({}, (call) => {
        call.demand();
        call.read(5);
        call.response();
      });
      driver.feed(announce(length) + "x".repeat(10));
      assert.equal(/\r\nConnection: close\r\n/.test(driver.take()), closes, `${length}`);
      assert.equal(driver.connection.closing, closes ? "end" : null);
      if (!closes) assert.equal(driver.feed("x".repeat(length - 10) + GET).calls.length, 2);
    }
  });

  test("what a handler read does not count", () => {
    const driver = new Driver({ maxDrainSize: 10 }, (call) => {
      call.demand();
      assert.equal(call.read(90), 90);
      call.response();
    });
    driver.feed(post("x".repeat(100)) + post("x".repeat(100)) + post("x".repeat(101)) + GET);
    assert.equal(driver.calls.length, 3);
    assert.equal(driver.connection.closing, "end");
  });

  test("of which all but the end of the coding was read is nothing to drop", () => {
    const driver = new Driver({ maxDrainSize: 0 }, (call) => {
      call.demand();
      assert.equal(call.read(3), 3);
      call.response();
    });
    driver.feed(chunked("3\r\nabc\r\n0\r\nA: b\r\n\r\n").repeat(3));
    assert.deepEqual([driver.calls.length, driver.connection.closing], [3, null]);
  });

  test("and is malformed closes the connection behind the response, which stays whole", () => {
    const driver = new Driver({}, settle).feed(chunked("3\r\nabcX\r\n") + GET);
    assert.equal(readResponses(driver.take(), ["POST"])[0].status, 200);
    assert.deepEqual([driver.calls.length, driver.connection.closing], [1, "end"]);
    assert.deepEqual(
      driver.overload.map(({ code }) => code),
      ["CHUNK_END_INVALID"],
    );
  });

  test("and does not come to its end closes the connection", () => {
    const driver = new Driver({}, settle).feed(announce(5) + "he");
    assert.equal(driver.connection.closing, null);
    driver.end();
    assert.equal(driver.connection.closing, "end");
    assert.equal(readResponses(driver.take(), ["POST"]).length, 1);
  });

  test("is read on however much of it waits already", () => {
    const driver = new Driver().feed(announce(60000));
    while (driver.connection.wantsRead) driver.feed("x".repeat(1000));
    driver.call.response();
    assert.equal(driver.connection.wantsRead, true);
  });
});

describe("a section that needs more than is usually read ahead", () => {
  const size = 40_000;
  const limits = { maxTrailerSize: 2 * size, maxHeadSize: 2 * size, maxTargetSize: 2 * size };

  /** Feeds as long as it is wanted. */
  function feedWanted(driver: Driver, data: string): void {
    for (let at = 0; at < data.length && driver.connection.wantsRead; at += 1000)
      driver.feed(data.slice(at, at + 1000));
  }

  test("is read to its end where the limits allow it: trailers", () => {
    const driver = new Driver(limits, echo);
    feedWanted(driver, chunked(`0\r\nA: ${"x".repeat(size)}\r\n\r\n`));
    assert.equal(driver.call.complete, true);
    assert.equal(driver.call.exchange.trailers?.get("a")?.length, size);
  });

  test("is read to its end where the limits allow it: trailers that nobody reads", () => {
    const driver = new Driver(limits, (call) => call.response());
    feedWanted(driver, chunked(`0\r\nA: ${"x".repeat(size)}\r\n\r\n`) + GET);
    assert.equal(driver.calls.length, 2);
  });

  test("is read to its end where the limits allow it: a handler that begins to wait late", () => {
    const driver = new Driver(limits);
    const data = chunked(`0\r\nA: ${"x".repeat(size)}\r\n\r\n`);
    driver.feed(data.slice(0, 30_000));
    assert.equal(driver.connection.wantsRead, false);
    driver.wakes.length = 0;
    assert.equal(driver.call.read(), 0);
    assert.equal(driver.connection.wantsRead, true);
    assert.deepEqual(driver.wakes, [false], "the host is told");
    driver.feed(data.slice(30_000));
    assert.equal(driver.call.read(), -1);
  });

  test("is read to its end where the limits allow it: a head", () => {
    const driver = new Driver(limits, echo);
    feedWanted(driver, request(`GET /${"x".repeat(size)} HTTP/1.1`, "Host: a"));
    assert.equal(driver.calls.length, 1);
  });
});
