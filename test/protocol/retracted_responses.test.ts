/** A response that is taken back, and one that is given up. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Call, Driver } from "../support/driver.ts";
import { readResponses } from "../support/responses.ts";
import { GET, request } from "../support/requests.ts";

const OLD = request("GET / HTTP/1.0");
const OLD_KEPT = request("GET / HTTP/1.0", "Connection: keep-alive");
const HEAD = request("HEAD / HTTP/1.1", "Host: a");
const CONNECT = request("CONNECT a:80 HTTP/1.1", "Host: a:80");

describe("retract", () => {
  test("takes a response back, head and all, and another may be given", () => {
    const given: [what: string, give: (call: Call) => void][] = [
      ["a head", (call) => call.respond(200, 5)],
      ["a part", (call) => (call.respond(200, 5), call.write("he"))],
      ["all of it", (call) => (call.respond(200, 5), call.write("hello"), call.end())],
      ["chunks", (call) => (call.respond(200, -1), call.write("hello"), call.end([["A", "b"]]))],
      ["nothing", () => {}],
      ["one without content", (call) => (call.respond(204, 0), call.end())],
    ];
    for (const [what, give] of given) {
      for (const request of [GET, HEAD, OLD_KEPT]) {
        const driver = new Driver().feed(request + GET);
        give(driver.call);
        assert.equal(driver.call.retract(), true, what);
        assert.equal(driver.take(), "", what);
        driver.call.response("other", 500);
        assert.equal(driver.calls.length, 2, "a response of a length not known would have closed: it is forgotten");
        assert.match(driver.take(), /^HTTP\/1\.1 500 Test\r\nContent-Length: 5\r\n/);
      }
    }
  });

  test("forgets how the response was framed", () => {
    const framings: [status: number, length: number, output: RegExp][] = [
      [200, 3, /^[^]*\r\nContent-Length: 3\r\n\r\nabc$/],
      [200, -1, /^[^]*\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/],
      [204, 3, /^[^:]*\r\n\r\n$/],
      [205, 3, /^[^]*\r\nContent-Length: 0\r\n\r\n$/],
      [304, 3, /^[^]*\r\nContent-Length: 3\r\n\r\n$/],
    ];
    for (const [status, length] of framings) {
      for (const [otherStatus, otherLength, output] of framings) {
        const driver = new Driver().feed(GET);
        driver.call.respond(status, length);
        driver.call.write("a");
        assert.equal(driver.call.retract(), true);
        driver.call.respond(otherStatus, otherLength);
        driver.call.write("abc");
        driver.call.end();
        driver.call.release();
        assert.match(driver.take(), output, `${otherStatus} behind ${status}`);
      }
    }
  });

  test("takes back nothing of the responses before it, nor of interim ones", () => {
    const driver = new Driver().feed(GET + GET);
    driver.call.response("first");
    driver.call.inform(103);
    driver.call.respond(200, 6);
    driver.call.write("second");
    assert.equal(driver.call.retract(), true);
    driver.call.response("other");
    const [first, second] = readResponses(driver.take(), ["GET", "GET"]);
    assert.deepEqual([first.body, second.interim.length, second.body], ["first", 1, "other"]);
  });

  test("is too late once a byte has left", () => {
    const driver = new Driver().feed(GET);
    driver.call.respond(200, 5);
    driver.take();
    assert.equal(driver.call.retract(), false);
    driver.call.write("hello");
    assert.equal(driver.call.retract(), false);
    driver.call.end();
    driver.call.release();
    assert.equal(driver.take(), "hello");
  });

  test("takes all or nothing, however much there is", () => {
    for (const size of [100, 16_000, 16_384, 20_000, 65_000, 70_000, 200_000]) {
      const driver = new Driver().feed(GET);
      driver.call.respond(200, size);
      driver.call.write("x".repeat(size));
      driver.call.end();
      const taken = driver.call.retract();
      if (taken) driver.call.respond(500, 0);
      assert.equal(taken || size > 16_000, true, "a small response can be taken back");
      assert.equal(readResponses(driver.take(), ["GET"])[0].body.length, taken ? 0 : size);
    }
  });

  test("forgets nothing of what the handler wanted of the connection", () => {
    const driver = new Driver().feed(GET);
    driver.call.exchange.closeConnection();
    driver.call.respond(200, 0);
    assert.equal(driver.call.retract(), true);
    driver.call.response("", 500);
    assert.match(driver.take(), /\r\nConnection: close\r\n/);
    assert.equal(driver.connection.closing, "end");
  });

  test("is too late once the handler has given up, or the peer is gone", () => {
    const driver = new Driver().feed(GET);
    driver.call.respond(200, 5);
    driver.call.abort();
    assert.equal(driver.call.retract(), false);
    const lost = new Driver().feed(GET);
    lost.call.respond(200, 5);
    lost.connection.lost({ kind: "closed" });
    assert.equal(lost.call.retract(), false);
  });
});

describe("abort", () => {
  const states: [what: string, request: string, give: (call: Call) => void, closing: "cut" | "reset" | null][] = [
    ["before the head", GET, () => {}, "cut"],
    ["behind an interim response", GET, (call) => call.inform(103), "cut"],
    ["behind the head", GET, (call) => call.respond(200, 5), "cut"],
    ["inside the content", GET, (call) => (call.respond(200, 5), call.write("he")), "cut"],
    ["inside chunks", GET, (call) => (call.respond(200, -1), call.write("he")), "cut"],
    ["of a response to HEAD", HEAD, (call) => call.respond(200, 5), "cut"],
    ["of a 204", GET, (call) => call.respond(204, 0), "cut"],
    ["of counted content to 1.0", OLD, (call) => (call.respond(200, 5), call.write("he")), "cut"],
    // Where only the close ends the content, an orderly one would make it look complete (RFC 9112 §8).
    ["of content that the close ends", OLD, (call) => (call.respond(200, -1), call.write("he")), "reset"],
    ["of such content, empty", OLD, (call) => call.respond(200, -1), "reset"],
    ["of a tunnel", CONNECT, (call) => call.respond(200, -1), "reset"],
    ["behind the end", GET, (call) => (call.respond(200, 0), call.end()), null],
    ["behind the end of what the close ends", OLD, (call) => (call.respond(200, -1), call.end()), null],
  ];
  for (const [what, request, give, closing] of states) {
    test(`${what}: ${closing ?? "does nothing"}`, () => {
      const driver = new Driver().feed(request + GET);
      const { call } = driver;
      give(call);
      driver.wakes.length = 0;
      call.abort();
      assert.equal(driver.connection.closing, closing);
      assert.deepEqual(driver.wakes, closing === null ? [] : [true]);
      call.abort();
      assert.equal(driver.connection.closing, closing);
      call.release();
      if (closing !== null) {
        driver.feed(GET);
        assert.equal(driver.calls.length, 1, "nothing more is dispatched");
        assert.equal(driver.connection.closing, closing);
        assert.equal(driver.connection.deadline, Infinity);
      }
      assert.deepEqual(call.heard, []);
    });
    test(`a handler that settles ${what} has ${closing === null ? "responded" : "given up"}`, () => {
      const driver = new Driver().feed(request);
      give(driver.call);
      driver.call.release();
      assert.equal(driver.connection.closing, closing ?? (request === OLD ? "end" : null));
    });
  }

  test("leaves nothing to read or to response, and lays nothing to the peer's charge", () => {
    const driver = new Driver().feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    const { call } = driver;
    call.abort();
    assert.equal(call.read(), 0);
    driver.end();
    assert.equal(call.read(), 0);
    assert.throws(() => call.respond(200, 0));
    assert.throws(() => call.write("x"));
    driver.connection.lost({ kind: "closed" });
    call.release();
    assert.deepEqual([driver.overload, driver.take()], [[], ""]);
    assert.deepEqual(call.heard, ["gone: half-closed", "gone: closed"]);
  });

  test("what was given before it still leaves", () => {
    const driver = new Driver().feed(GET + GET);
    driver.call.response("whole");
    driver.call.respond(200, 5);
    driver.call.write("par");
    driver.call.abort();
    assert.match(driver.take(), /whole.*Content-Length: 5\r\n\r\npar$/s);
  });
});
