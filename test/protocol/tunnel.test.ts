/** CONNECT with a 2xx response: from then on both sides say what they like (RFC 9110 §9.3.6). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Call, Driver } from "../support/driver.ts";
import { GET, request } from "../support/requests.ts";

const CONNECT = request("CONNECT a:80 HTTP/1.1", "Host: a:80");

describe("CONNECT (RFC 9110 §9.3.6)", () => {
  /** A tunnel, and what has come through it so far. */
  function open(behind = ""): { driver: Driver; call: Call } {
    const driver = new Driver().feed(CONNECT + behind);
    const { call } = driver;
    call.demand();
    call.respond(200, 5, [["X", "y"]]);
    assert.equal(driver.take(), "HTTP/1.1 200 Test\r\nX: y\r\n\r\n", "neither length nor coding nor Connection");
    return { driver, call };
  }

  test("a 2xx response makes a tunnel: what comes is content, however it looks, until the peer ends it", () => {
    const { driver, call } = open("early" + GET);
    assert.equal(call.exchange.bodyLength, -1);
    assert.equal(call.readAll(), 0);
    driver.feed("\0\r\n" + GET, "bytes");
    assert.deepEqual(call.heard, ["readable"]);
    assert.equal(call.readAll(), 0);
    assert.equal(call.body, "early" + GET + "\0\r\n" + GET);
    assert.equal(call.write("one"), true);
    assert.equal(driver.take(), "one");
    assert.equal(call.write("two"), true);
    driver.end();
    assert.deepEqual(call.heard, ["readable", "readable"]);
    assert.equal(call.readAll(), -1);
    call.write("three");
    call.end();
    call.release();
    assert.equal(driver.take(), "twothree");
    assert.deepEqual([driver.connection.closing, driver.calls.length, driver.overload], ["end", 1, []]);
  });

  test("every 2xx does so, 204 and 205 too", () => {
    for (const status of [200, 201, 204, 205, 299]) {
      const driver = new Driver().feed(CONNECT);
      driver.call.respond(status, -1);
      driver.call.write("through");
      assert.equal(driver.take(), `HTTP/1.1 ${status} Test\r\n\r\nthrough`);
    }
  });

  test("a tunnel may be silent for as long as its ends like", () => {
    const { driver, call } = open();
    assert.equal(call.readAll(), 0);
    assert.equal(driver.connection.deadline, Infinity);
    driver.later(10 * 24 * 3600 * 1000).feed("still here");
    assert.equal(call.readAll(), 0);
    assert.equal(call.body, "still here");
    assert.deepEqual([driver.overload, driver.connection.closing], [[], null]);
  });

  test("a tunnel is read ahead within the usual bound", () => {
    const { driver, call } = open();
    let fed = 0;
    while (driver.connection.wantsRead) {
      driver.feed("x".repeat(1000));
      fed += 1000;
      assert.ok(fed < 20_000);
    }
    call.readAll();
    assert.equal(call.body.length, fed);
    assert.equal(driver.connection.wantsRead, true);
  });

  test("a tunnel that its handler leaves is reset, unless it has ended it", () => {
    const { driver, call } = open();
    call.release();
    assert.equal(driver.connection.closing, "reset");
    const other = open();
    other.call.end();
    other.call.release();
    assert.equal(other.driver.connection.closing, "end");
  });

  test("a tunnel cannot be taken back", () => {
    const driver = new Driver().feed(CONNECT);
    driver.call.respond(200, -1);
    assert.equal(driver.call.retract(), false);
  });

  test("with content: it is read as content, and the tunnel begins behind it", () => {
    for (const [fields, content] of [
      ["Content-Length: 5", "hello"],
      ["Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"],
    ]) {
      const driver = new Driver().feed(`CONNECT a:80 HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n${content}tunnel`);
      const { call } = driver;
      assert.equal(call.read(3), 3);
      // Otherwise the rest of the content, or of its coding, would come out of the tunnel.
      assert.throws(() => call.respond(200, -1), /content/);
      assert.equal(call.readAll(), -1);
      assert.equal(call.body, "hello");
      call.respond(200, -1);
      assert.equal(call.readAll(), 0);
      assert.equal(call.body, "hellotunnel");
    }
  });

  test("with content, refused: it is dropped like any other", () => {
    const driver = new Driver({}, (call) => call.response("", 405));
    driver.feed("CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + GET);
    assert.equal(driver.calls.length, 2);
  });
});
