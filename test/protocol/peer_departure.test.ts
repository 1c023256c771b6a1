/** A peer that ends its side, and one that is gone. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Driver, echo } from "../support/driver.ts";
import { readResponses } from "../support/responses.ts";
import { announce, chunked, GET, post } from "../support/requests.ts";

describe("a peer that ends its side", () => {
  test("without a request gets our end, and nothing else", () => {
    for (const before of ["", "\r\n", "\r", GET]) {
      const driver = new Driver({}, (call) => call.response()).feed(before);
      driver.take();
      driver.end();
      assert.deepEqual([driver.connection.closing, driver.take(), driver.overload], ["end", "", []]);
      assert.equal(driver.connection.wantsRead, false);
    }
  });

  test("while its request runs still gets its response, and then our end", () => {
    const driver = new Driver().feed(GET).end();
    assert.deepEqual(driver.call.heard, ["gone: half-closed"]);
    assert.equal(driver.connection.closing, null);
    assert.equal(driver.connection.wantsRead, false);
    driver.end();
    assert.deepEqual(driver.call.heard, ["gone: half-closed"], "said once");
    driver.call.response("yes");
    assert.equal(readResponses(driver.take(), ["GET"])[0].body, "yes");
    assert.equal(driver.connection.closing, "end");
  });

  test("while its response waits for room is still told when there is some", () => {
    const driver = new Driver().feed(GET);
    driver.call.respond(200, -1);
    assert.equal(driver.call.write("x".repeat(100_000)), false);
    driver.end();
    driver.take();
    assert.deepEqual(driver.call.heard, ["gone: half-closed", "writable"]);
  });

  test("before a request of its is dispatched that fails at once: one reason is enough", () => {
    const driver = new Driver({}, echo).feed(GET + announce(5) + "he").end();
    assert.deepEqual(driver.calls.at(-1)?.heard, ["readable", "gone: malformed (BODY_INCOMPLETE)"]);
    const waiting = new Driver().feed(GET + announce(5) + "he").end();
    waiting.call.response();
    assert.equal(waiting.call.readAll(), 0);
    assert.deepEqual(waiting.call.heard, ["gone: half-closed", "gone: malformed (BODY_INCOMPLETE)"]);
    const settled = new Driver({}, (call) => call.response()).feed(GET + GET);
    settled.end();
    assert.deepEqual(settled.call.heard, []);
  });

  test("behind all of its content can still be read to the end", () => {
    for (const data of [post("hello"), chunked("5\r\nhello\r\n0\r\n\r\n")]) {
      const driver = new Driver().feed(data).end();
      assert.equal(driver.call.readAll(), -1);
      assert.equal(driver.call.body, "hello");
      driver.call.response();
      assert.equal(driver.connection.closing, "end");
      assert.deepEqual(driver.overload, []);
    }
  });

  test("gets the responses to every request that it sent before", () => {
    const driver = new Driver().feed(GET + GET + post("x")).end();
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(driver.call.heard, ["gone: half-closed"], "each hears of it");
      driver.call.response();
    }
    assert.equal(readResponses(driver.take(), ["GET", "GET", "POST"]).length, 3);
    assert.equal(driver.connection.closing, "end");
  });

  test("inside its content is refused once the handler comes to that place", () => {
    for (const data of [announce(5) + "he", chunked("5\r\nhe")]) {
      const driver = new Driver().feed(data).end();
      assert.deepEqual(driver.call.heard, ["gone: half-closed"]);
      assert.equal(driver.call.readAll(), 0);
      assert.equal(driver.call.body, "he");
      assert.deepEqual(driver.call.heard, ["gone: half-closed", "gone: malformed (BODY_INCOMPLETE)"]);
      assert.equal(readResponses(driver.take(), ["POST"])[0].status, 400);
      assert.equal(driver.connection.closing, "end");
    }
  });

  test("inside content that a handler waits for is told to it as the others are", () => {
    const driver = new Driver({}, echo).feed(announce(5) + "he");
    driver.end();
    assert.deepEqual(driver.call.heard, ["readable", "gone: malformed (BODY_INCOMPLETE)"]);
    assert.equal(readResponses(driver.take(), ["POST"])[0].status, 400);
    assert.equal(driver.connection.closing, "end");
  });

  test("inside a head is refused", () => {
    for (const begun of ["G", "GET / HTTP/1.1\r\n", "\r\n\r\nGET", GET.slice(0, -1)]) {
      for (const split of ["whole", "bytes"] as const) {
        const driver = new Driver().feed(begun, split).end();
        assert.deepEqual(
          driver.overload.map(({ code }) => code),
          ["HEAD_INCOMPLETE"],
        );
        assert.equal(readResponses(driver.take(), ["GET"])[0].status, 400);
        assert.equal(driver.connection.closing, "end");
      }
    }
  });
});

describe("a connection that is lost", () => {
  test("is told to the exchange, last of all, and everything vanishes", () => {
    const driver = new Driver().feed(announce(5) + "hello" + GET);
    const { call } = driver;
    call.read(1);
    call.respond(200, -1);
    driver.connection.lost({ kind: "closed" });
    assert.deepEqual(call.heard, ["gone: closed"]);
    assert.equal(call.read(), 0);
    assert.equal(call.write("x".repeat(1_000_000)), true);
    call.demand();
    call.flush();
    assert.equal(call.retract(), false);
    call.end([["A", "b"]]);
    call.abort();
    call.release();
    call.release();
    assert.deepEqual([driver.take(), driver.calls.length, driver.connection.wantsRead], ["", 1, false]);
    assert.equal(driver.connection.deadline, Infinity);
    assert.deepEqual(call.heard, ["gone: closed"]);
  });

  test("before the response: it may be given all the same", () => {
    const driver = new Driver().feed(GET + GET);
    driver.connection.lost({ kind: "shutdown" });
    driver.call.inform(103);
    driver.call.response("unheard");
    assert.deepEqual([driver.take(), driver.calls.length], ["", 1]);
    assert.deepEqual(driver.call.heard, ["gone: shutdown"]);
  });

  test("while content is waited for: not readable, but gone", () => {
    const driver = new Driver({}, echo).feed(announce(5));
    driver.connection.lost({ kind: "closed" });
    assert.deepEqual(driver.call.heard, ["gone: closed"]);
  });

  test("while room is waited for: not writable, but gone", () => {
    const driver = new Driver().feed(GET);
    driver.call.respond(200, -1);
    assert.equal(driver.call.write("x".repeat(100_000)), false);
    driver.connection.lost({ kind: "closed" });
    assert.equal(driver.pull(), null);
    assert.deepEqual(driver.call.heard, ["gone: closed"]);
  });

  test("after half of it was: both are told", () => {
    const driver = new Driver().feed(GET).end();
    driver.connection.lost({ kind: "closed" });
    assert.deepEqual(driver.call.heard, ["gone: half-closed", "gone: closed"]);
  });

  test("between requests, or behind a handler that has settled, is told to nobody", () => {
    const driver = new Driver({}, (call) => call.response()).feed(GET);
    driver.connection.lost({ kind: "closed" });
    assert.deepEqual(driver.call.heard, []);
    const draining = new Driver({}, (call) => call.response()).feed(announce(5));
    draining.connection.lost({ kind: "closed" });
    assert.deepEqual(draining.call.heard, []);
    new Driver().connection.lost({ kind: "closed" });
  });

  test("from inside the handler that is being started dispatches nothing more", () => {
    const driver: Driver = new Driver({}, (call) => {
      driver.connection.lost({ kind: "shutdown" });
      call.response();
    });
    driver.feed(GET + GET);
    assert.deepEqual([driver.calls.length, driver.take()], [1, ""]);
  });
});
