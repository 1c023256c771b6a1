/** How long a peer may take, by a clock that the test holds (RFC 9110 §15.5.9, RFC 9112 §9.5). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Driver, echo } from "../support/driver.ts";
import { readResponses } from "../support/responses.ts";
import { announce, chunked, GET } from "../support/requests.ts";

const POST = announce(100_000);
const LIMITS = {
  headTimeout: 20_000,
  keepAliveTimeout: 75_000,
  bodyTimeout: 10_000,
  minBodyRate: 500,
  drainTimeout: 2_000,
};

const codes = (driver: Driver): string[] => driver.overload.map(({ code }) => code);

/** The connection does nothing one millisecond before, and what is expected then. */
function expectAt(
  driver: Driver,
  milliseconds: number,
  then: { closing: "end" | "cut" | "reset"; code?: string; output?: RegExp },
): void {
  assert.equal(driver.remaining, milliseconds);
  driver.later(milliseconds - 1);
  assert.deepEqual([driver.connection.closing, codes(driver)], [null, []], "too early");
  driver.connection.tick();
  assert.deepEqual([driver.connection.closing, codes(driver)], [null, []], "a tick before the deadline is harmless");
  driver.later(1);
  assert.deepEqual(
    [driver.connection.closing, codes(driver)],
    [then.closing, then.code === undefined ? [] : [then.code]],
  );
  assert.match(driver.take(), then.output ?? /^$/);
  assert.equal(driver.connection.deadline, Infinity);
  driver.connection.tick();
  assert.equal(driver.connection.closing, then.closing);
}

describe("a head", () => {
  const refused = { closing: "end", code: "HEAD_TIMEOUT", output: /^HTTP\/1\.1 408 Request Timeout\r\n/ } as const;

  test("must be complete in time, counted from the opening of the connection", () => {
    for (let begun = 1; begun < GET.length; begun++) {
      for (const split of ["whole", "bytes"] as const) {
        expectAt(new Driver(LIMITS).later(5_000).feed(GET.slice(0, begun), split), 15_000, refused);
      }
    }
  });

  test("that does not come at all closes the connection without a word", () => {
    for (const before of ["", "\r\n", "\r"]) expectAt(new Driver(LIMITS).feed(before), 20_000, { closing: "end" });
  });

  test("is not given more time by dripping", () => {
    const driver = new Driver(LIMITS);
    const drip = `${GET.slice(0, -2)}X: ${"x".repeat(1000)}`;
    for (let i = 0; i < 19; i++) driver.feed(drip[i]).later(1_000);
    expectAt(driver.feed(drip.slice(19)), 1_000, refused);
  });

  test("of a later request counts from its first byte, also when that is an empty line's", () => {
    for (const begin of ["G", "\r", "\r\nG"]) {
      const driver = new Driver(LIMITS, (call) => call.response()).later(15_000).feed(GET);
      driver.take();
      driver.later(50_000);
      assert.equal(driver.remaining, 25_000);
      driver.feed(begin);
      assert.equal(driver.remaining, 20_000);
      driver.later(7_000);
      if (begin === "\r") driver.feed("\n").feed("\r\n");
      driver.feed(begin.includes("G") ? "ET" : "");
      expectAt(driver, 13_000, begin.includes("G") ? refused : { closing: "end" });
    }
  });

  test("that came with the request before it counts from that one's end", () => {
    const driver = new Driver(LIMITS).feed(GET + "GET /").later(60_000);
    assert.equal(driver.connection.deadline, Infinity, "a handler runs, and nobody waits for the peer");
    driver.call.response();
    driver.take();
    expectAt(driver, 20_000, refused);
  });

  test("that is complete in time has none any more", () => {
    const driver = new Driver(LIMITS).later(19_999).feed(GET);
    assert.equal(driver.connection.deadline, Infinity);
    driver.later(1_000_000);
    assert.equal(driver.connection.closing, null);
  });
});

describe("an idle connection", () => {
  test("is closed without a word", () => {
    const driver = new Driver(LIMITS, (call) => call.response()).feed(GET);
    driver.take();
    expectAt(driver, 75_000, { closing: "end" });
  });

  test("is idle from the end of the request before on", () => {
    const driver = new Driver(LIMITS).feed(GET).later(50_000);
    driver.call.respond(200, 0);
    driver.call.end();
    assert.equal(driver.connection.deadline, Infinity);
    driver.later(50_000);
    driver.call.release();
    driver.take();
    driver.later(74_000).feed(GET);
    driver.call.response();
    driver.take();
    expectAt(driver, 75_000, { closing: "end" });
  });

  test("is not idle while its response leaves, and is from then on", () => {
    const driver = new Driver(LIMITS, (call) => call.response("hello")).feed(GET);
    const batch = driver.connection.pull();
    assert.ok(batch !== null);
    for (let i = 0; i < 100; i++) {
      driver.later(10_000);
      assert.equal(driver.connection.closing, null);
    }
    driver.connection.recycle(batch);
    expectAt(driver, 75_000, { closing: "end" });
  });

  test("is not idle while its response waits to leave, but the next head has its deadline", () => {
    const driver = new Driver(LIMITS, (call) => call.response("hello")).feed(GET).later(80_000);
    assert.equal(driver.connection.closing, null);
    expectAt(driver.feed("GET /"), 20_000, {
      closing: "end",
      code: "HEAD_TIMEOUT",
      output: /^HTTP\/1\.1 200 [^]*\r\n\r\nhelloHTTP\/1\.1 408 /,
    });
  });

  test("may have no deadline", () => {
    const driver = new Driver({ ...LIMITS, keepAliveTimeout: Infinity, headTimeout: Infinity }, (call) =>
      call.response(),
    );
    assert.equal(driver.connection.deadline, Infinity);
    driver.feed(GET);
    assert.equal(driver.connection.deadline, Infinity);
    driver.feed("G");
    assert.equal(driver.connection.deadline, Infinity);
  });
});

describe("content that a handler waits for", () => {
  const refused = { closing: "end", code: "BODY_TIMEOUT", output: /^HTTP\/1\.1 408 / } as const;

  test("must come, and the handler is told when it does not", () => {
    const driver = new Driver(LIMITS, echo).feed(POST);
    expectAt(driver, 10_000, refused);
    assert.deepEqual(driver.call.heard, ["gone: timeout (BODY_TIMEOUT)"]);
    assert.deepEqual(driver.call.gone?.error?.status, 408);
  });

  test("has no deadline while nobody waits for it", () => {
    const driver = new Driver(LIMITS).feed(POST);
    assert.equal(driver.connection.deadline, Infinity);
    driver.call.demand();
    assert.equal(driver.connection.deadline, Infinity);
    driver.later(60_000).feed("xx");
    assert.equal(driver.call.read(1), 1);
    driver.later(60_000);
    assert.equal(driver.connection.deadline, Infinity);
    driver.call.readAll();
    assert.equal(driver.remaining, 10_000, "what it did not wait is not charged");
  });

  test("earns time by coming: at the least rate it may go on for ever", () => {
    const driver = new Driver(LIMITS, echo).feed(POST);
    for (let i = 0; i < 99; i++) driver.later(2_000).feed("x".repeat(1_000));
    assert.deepEqual([codes(driver), driver.remaining], [[], 10_000]);
    driver.later(2_000).feed("x".repeat(1_000));
    assert.match(driver.take(), /^HTTP\/1\.1 200/);
  });

  test("that drips slower than that is refused, in a time that is bounded by what it began with", () => {
    const driver = new Driver(LIMITS, echo).feed(POST);
    const start = driver.now;
    // 100 bytes a second: each second costs 1,000 ms and earns 200
    while (driver.connection.closing === null) driver.later(1_000).feed("x".repeat(100));
    assert.deepEqual(codes(driver), ["BODY_TIMEOUT"]);
    const took = driver.now - start;
    assert.ok(took >= 12_000 && took <= 14_000, `${took} ms`);
  });

  test("does not pay for a long silence by a fast start", () => {
    const driver = new Driver(LIMITS, echo).feed(POST + "x".repeat(90_000));
    expectAt(driver, 10_000, refused);
  });

  test("earns nothing by framing", () => {
    const driver = new Driver(LIMITS, echo).feed(chunked(""));
    for (let i = 0; i < 9; i++) driver.later(1_000).feed("0");
    expectAt(driver.feed("1;" + "a".repeat(5_000)), 1_000, refused);
  });

  test("and whose response has begun is cut, or reset where it would look complete", () => {
    for (const [version, length, closing] of [
      ["1.1", 5, "cut"],
      ["1.1", -1, "cut"],
      ["1.0", 5, "cut"],
      ["1.0", -1, "reset"],
    ] as const) {
      const driver = new Driver(LIMITS).feed(POST.replace("1.1", version));
      driver.call.demand();
      driver.call.respond(200, length);
      assert.equal(driver.call.read(), 0);
      driver.take();
      expectAt(driver, 10_000, { closing, code: "BODY_TIMEOUT" });
      assert.deepEqual(driver.call.heard, ["gone: timeout (BODY_TIMEOUT)"]);
    }
  });

  test("behind a complete response: that one still reaches the peer", () => {
    const driver = new Driver(LIMITS).feed(POST);
    driver.call.demand();
    driver.call.respond(200, 0);
    driver.call.end();
    assert.equal(driver.call.read(), 0);
    driver.later(10_000);
    assert.deepEqual([codes(driver), driver.connection.closing], [["BODY_TIMEOUT"], "end"]);
    assert.equal(readResponses(driver.take(), ["POST"])[0].status, 200);
  });

  test("no rate, no time: then there is no deadline", () => {
    const driver = new Driver({ bodyTimeout: Infinity }, echo).feed(POST + "x");
    assert.equal(driver.connection.deadline, Infinity);
    const free = new Driver({ ...LIMITS, minBodyRate: 0 }, echo).feed(POST);
    for (let i = 0; i < 50; i++) free.later(9_000).feed("x");
    assert.deepEqual([codes(free), free.remaining], [[], 10_000], "any byte is enough");
  });
});

describe("content that nobody reads", () => {
  test("has the time of content that a handler waits for; then the connection goes", () => {
    const driver = new Driver(LIMITS, (call) => call.response()).feed(POST.replace("100000", "60000"));
    assert.equal(readResponses(driver.take(), ["POST"])[0].status, 200);
    expectAt(driver, 10_000, { closing: "end", code: "BODY_TIMEOUT" });
  });

  test("at the least rate it is dropped to its end, and the connection goes on", () => {
    for (const head of [POST.replace("100000", "60000"), chunked("")]) {
      const driver = new Driver(LIMITS, (call) => call.response()).feed(head);
      const chunk = head.includes("chunked") ? `3e8\r\n${"x".repeat(1_000)}\r\n` : "x".repeat(1_000);
      for (let i = 0; i < 60; i++) driver.later(2_000).feed(chunk);
      if (head.includes("chunked")) driver.feed("0\r\n\r\n");
      assert.deepEqual([codes(driver), driver.connection.closing], [[], null]);
      assert.equal(driver.feed(GET).calls.length, 2);
    }
  });

  test("is not given more time by dripping", () => {
    const driver = new Driver(LIMITS, (call) => call.response()).feed(POST.replace("100000", "60000"));
    driver.take();
    // 100 bytes a second: each second costs 1,000 ms and earns 200
    for (let i = 0; i < 12; i++) driver.later(1_000).feed("x".repeat(100));
    expectAt(driver, 400, { closing: "end", code: "BODY_TIMEOUT" });
  });
});
