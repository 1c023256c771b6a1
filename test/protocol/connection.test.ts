/** One HTTP/1 connection: what it dispatches, in which order, and when it goes on (RFC 9112 §9). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bytes } from "../support/bytes.ts";
import { Driver, echo, exchangesOf } from "../support/driver.ts";
import { readResponses } from "../support/responses.ts";
import { announce, chunked, GET, post, request } from "../support/requests.ts";

const targets = (driver: Driver): string[] => driver.calls.map((call) => call.exchange.head.target);

describe("persistence (RFC 9112 §9.3)", () => {
  const table: [what: string, lines: string[], persists: boolean, says: string | null][] = [
    ["1.1", ["GET / HTTP/1.1", "Host: a"], true, null],
    ["1.1, close", ["GET / HTTP/1.1", "Host: a", "Connection: close"], false, "close"],
    ["1.1, Close among others", ["GET / HTTP/1.1", "Host: a", "Connection: x, Close"], false, "close"],
    ["1.1, keep-alive", ["GET / HTTP/1.1", "Host: a", "Connection: keep-alive"], true, null],
    ["1.1, both", ["GET / HTTP/1.1", "Host: a", "Connection: keep-alive, close"], false, "close"],
    ["1.0", ["GET / HTTP/1.0"], false, "close"],
    ["1.0, keep-alive", ["GET / HTTP/1.0", "Connection: Keep-Alive"], true, "keep-alive"],
    ["1.0, keep-alive among others", ["GET / HTTP/1.0", "Connection: x , keep-alive, y"], true, "keep-alive"],
    ["1.0, both", ["GET / HTTP/1.0", "Connection: keep-alive", "Connection: close"], false, "close"],
  ];
  for (const [what, lines, persists, says] of table) {
    test(`${what}: ${persists ? "persists" : "closes"}`, () => {
      for (const split of ["whole", "bytes"] as const) {
        const driver = new Driver({}, (call) => call.response("x"));
        driver.feed(request(...lines) + GET, split);
        assert.equal(driver.calls.length, persists ? 2 : 1);
        assert.equal(driver.connection.closing, persists ? null : "end");
        const [first] = readResponses(driver.take(), persists ? ["GET", "GET"] : ["GET"]);
        assert.deepEqual(first.fields, [["Content-Length", "1"], ...(says === null ? [] : [["Connection", says]])]);
      }
    });
  }

  test("a handler may close it", () => {
    for (const late of [false, true]) {
      const driver = new Driver().feed(GET + GET);
      if (!late) driver.call.exchange.closeConnection();
      driver.call.respond(200, 0);
      if (late) driver.call.exchange.closeConnection();
      driver.call.end();
      assert.equal(driver.connection.closing, null, "not before it gets a response and settled");
      driver.call.release();
      assert.equal(driver.connection.closing, "end");
      assert.equal(driver.calls.length, 1);
      assert.equal(driver.take().includes("Connection: close\r\n"), !late);
    }
  });

  test("what comes behind the last request is read, dropped and never dispatched", () => {
    const driver = new Driver({}, (call) => call.response());
    driver.feed(request("GET / HTTP/1.1", "Host: a", "Connection: close"));
    assert.equal(driver.connection.closing, "end");
    driver.take();
    // so that a reset does not overtake the last response (§9.6)
    assert.equal(driver.connection.wantsRead, true);
    driver.feed(GET + "\0\0\0".repeat(100_000)).end();
    assert.deepEqual([driver.calls.length, driver.overload, driver.take()], [1, [], ""]);
    assert.equal(driver.connection.deadline, Infinity);
    assert.equal(driver.connection.closing, "end");
  });
});

describe("pipelining", () => {
  const three = ["/1", "/2", "/3"].map((target) => request(`GET ${target} HTTP/1.1`, "Host: a")).join("");

  test("one request is dispatched at a time, and the next when its handler has settled", () => {
    const driver = new Driver().feed(three);
    assert.deepEqual(targets(driver), ["/1"]);
    driver.call.respond(200, 1);
    driver.call.write("1");
    driver.call.end();
    assert.deepEqual(targets(driver), ["/1"], "a response that is complete is not a handler that has settled");
    driver.call.release();
    assert.deepEqual(targets(driver), ["/1", "/2"]);
    driver.call.response("2");
    driver.call.response("3");
    const responses = readResponses(driver.take(), ["GET", "GET", "GET"]);
    assert.deepEqual(
      responses.map(({ body }) => body),
      ["1", "2", "3"],
    );
    assert.equal(driver.connection.closing, null);
  });

  test("content and requests in one piece are told apart", () => {
    const { exchanges, output, error } = exchangesOf(
      post("hello") + GET + chunked("3\r\nGET\r\n2\r\n /\r\n0\r\n\r\n") + post("", "X: y") + post(GET) + GET,
    );
    assert.deepEqual(
      exchanges.map(({ method, body }) => [method, body]),
      [
        ["POST", "hello"],
        ["GET", ""],
        ["POST", "GET /"],
        ["POST", ""],
        ["POST", GET],
        ["GET", ""],
      ],
    );
    assert.equal(error, null);
    const responses = readResponses(output, ["POST", "GET", "POST", "POST", "POST", "GET"]);
    assert.deepEqual(
      responses.map(({ body }) => body),
      ["hello", "", "GET /", "", GET, ""],
    );
  });

  test("empty lines between requests are ignored (RFC 9112 §2.2)", () => {
    const { exchanges, error } = exchangesOf("\r\n" + GET + "\r\n\r\n" + post("x") + "\r\n" + GET + "\r\n", "bytes", {
      end: true,
    });
    assert.deepEqual([exchanges.length, error], [3, null]);
  });

  test("how much is read ahead of a handler is bounded", () => {
    const driver = new Driver().feed(GET);
    const piece = GET.repeat(40);
    let ahead = 0;
    while (driver.connection.wantsRead) {
      driver.feed(piece);
      ahead += piece.length;
      assert.ok(ahead < 20_000, `${ahead} bytes read ahead`);
    }
    assert.equal(driver.calls.length, 1);
    assert.equal(driver.connection.deadline, Infinity, "nobody waits for the peer");
    // Every one of them is served, and reading goes on.
    for (let i = 0; i < ahead / GET.length; i++) {
      driver.call.response();
      assert.equal(driver.calls.length, i + 2);
    }
    assert.equal(driver.connection.wantsRead, true);
  });

  test("content is read ahead within the same bound, and reading it makes room", () => {
    const driver = new Driver().feed(announce(100000));
    let fed = 0;
    while (driver.connection.wantsRead) {
      driver.feed("x".repeat(1000));
      fed += 1000;
      assert.ok(fed <= 20_000);
    }
    driver.wakes.length = 0;
    assert.equal(driver.call.read(fed - 16_383), fed - 16_383);
    assert.deepEqual(driver.wakes, [false], "the host is told, once, that there is room");
    assert.equal(driver.connection.wantsRead, true);
    driver.call.read(100);
    assert.deepEqual(driver.wakes, [false]);
    driver.feed("x".repeat(100_000 - fed));
    assert.equal(driver.call.readAll(), -1);
    assert.equal(driver.call.body.length, 100_000);
  });

  test("for who wants to hear of the peer's end, 64 KiB are read ahead", () => {
    for (const asked of [0, 16_384, 20_000]) {
      const driver = new Driver().feed(announce(200_000));
      let fed = 0;
      const feed = (): void => {
        while (driver.connection.wantsRead && fed < 100_000) {
          driver.feed("x".repeat(1024));
          fed += 1024;
        }
      };
      if (asked > 0) feed();
      assert.equal(fed, asked === 0 ? 0 : 16_384);
      if (asked === 20_000) driver.feed("x".repeat(4096)); // what one read brings
      driver.wakes.length = 0;
      driver.call.exchange.watch!();
      driver.call.exchange.watch!();
      assert.deepEqual(driver.wakes, asked === 0 ? [] : [false], "the host is told, once, that there is room");
      feed();
      assert.equal(fed + (asked === 20_000 ? 4096 : 0), 65_536);
      driver.wakes.length = 0;
      driver.call.read(1);
      assert.deepEqual([driver.wakes, driver.connection.wantsRead], [[false], true]);
      feed();
      assert.equal(driver.connection.wantsRead, false);
      driver.end();
      assert.deepEqual(driver.call.heard, ["gone: half-closed"]);
      driver.call.exchange.watch!();
    }
  });

  test("while the peer does not read its responses, no further request is dispatched", () => {
    const big = "x".repeat(40_000);
    const driver = new Driver({}, (call) => call.response(big));
    driver.feed(GET.repeat(5));
    assert.equal(driver.calls.length, 2);
    assert.equal(driver.connection.wantsRead, false);
    assert.equal(driver.connection.deadline, Infinity, "it is not the requests that are late");
    driver.feed(GET); // a host that had it already
    assert.equal(driver.calls.length, 2);
    driver.later(1_000_000);
    assert.equal(driver.connection.closing, null);
    let output = "";
    while (driver.calls.length === 2) output += driver.pull();
    assert.equal(driver.calls.length, 3);
    output += driver.take();
    assert.equal(driver.calls.length, 6);
    assert.equal(driver.connection.wantsRead, true);
    assert.equal(readResponses(output, Array<string>(6).fill("GET")).length, 6);
  });

  test("64 KiB of responses are enough to wait for, and one byte less is not", () => {
    const head = "HTTP/1.1 200 Test\r\nContent-Length: 65000\r\n\r\n".length;
    for (const size of [64 * 1024 - 1, 64 * 1024]) {
      const driver = new Driver({}, (call) => call.response("x".repeat(size - head))).feed(GET + GET);
      assert.equal(driver.connection.output.length, size < 64 * 1024 ? 2 * size : size);
      assert.equal(driver.calls.length, size < 64 * 1024 ? 2 : 1);
    }
  });

  test("a stalled peer that has ended its side gets all its responses, and then the end", () => {
    const driver = new Driver({}, (call) => call.response("x".repeat(40_000)));
    driver.feed(GET.repeat(5)).end();
    assert.equal(driver.connection.closing, null);
    assert.equal(readResponses(driver.take(), Array<string>(5).fill("GET")).length, 5);
    assert.equal(driver.connection.closing, "end");
  });

  test("a fault behind a good request gets a response behind its response", () => {
    const driver = new Driver().feed(GET + "GET / HTTP/9\r\n" + GET);
    assert.deepEqual([driver.calls.length, driver.overload.length], [1, 0]);
    driver.call.response("good");
    const [good, bad] = readResponses(driver.take(), ["GET", "GET"]);
    assert.deepEqual([good.status, good.body, bad.status], [200, "good", 400]);
    assert.deepEqual([driver.calls.length, driver.connection.closing], [1, "end"]);
  });

  test("a response leaves at once, but for one that another request of the same batch follows", () => {
    const driver = new Driver().feed(GET + GET);
    driver.wakes.length = 0;
    driver.call.response();
    assert.equal(driver.wakes.includes(true), false);
    assert.ok(driver.wakes.includes(false));
    driver.wakes.length = 0;
    driver.call.response();
    assert.equal(driver.wakes.at(-1), true);
  });
});

describe("100-continue (RFC 9110 §10.1.1)", () => {
  const expecting = announce(5, "Expect: 100-continue");
  const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

  test("is sent when somebody wants the content, at once and once", () => {
    const driver = new Driver().feed(expecting);
    assert.equal(driver.take(), "");
    driver.wakes.length = 0;
    driver.call.demand();
    assert.deepEqual(driver.wakes, [true]);
    assert.equal(driver.take(), CONTINUE);
    driver.call.demand();
    assert.equal(driver.call.readAll(), 0);
    driver.call.demand();
    assert.equal(driver.take(), "");
    driver.feed("hello" + GET);
    assert.equal(driver.call.readAll(), -1);
    driver.call.response();
    assert.equal(driver.take(), "HTTP/1.1 200 Test\r\nContent-Length: 0\r\n\r\n");
    assert.equal(driver.calls.length, 2, "the connection goes on");
  });

  test("is sent for chunked content as well, and for each request that asks", () => {
    const driver = new Driver({}, echo);
    const lines = ["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", "Expect: 100-continue"];
    for (let i = 0; i < 2; i++) {
      driver.feed(request(...lines));
      assert.equal(driver.take(), CONTINUE);
      driver.feed("1\r\nx\r\n0\r\n\r\n");
      assert.match(driver.take(), /^HTTP\/1\.1 200/);
    }
  });

  test("is not sent where nobody asked for it, nor to HTTP/1.0, nor without content", () => {
    for (const lines of [
      ["POST / HTTP/1.1", "Host: a", "Content-Length: 5"],
      ["POST / HTTP/1.0", "Content-Length: 5", "Expect: 100-continue"],
      ["POST / HTTP/1.1", "Host: a", "Content-Length: 0", "Expect: 100-continue"],
      ["POST / HTTP/1.1", "Host: a", "Expect: 100-continue"],
    ]) {
      const driver = new Driver().feed(request(...lines));
      driver.call.demand();
      assert.equal(driver.take(), "", lines.join());
    }
  });

  test("is not sent behind the response's head, nor a second time behind one that the handler sent", () => {
    const late = new Driver().feed(expecting);
    late.call.respond(200, 0);
    late.call.demand();
    late.call.end();
    late.call.demand();
    assert.equal(late.take(), "HTTP/1.1 200 Test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");

    const informed = new Driver().feed(expecting);
    informed.call.inform(100);
    informed.call.demand();
    assert.equal(informed.take(), CONTINUE);
  });

  test("is not sent to a peer that is gone", () => {
    const driver = new Driver().feed(expecting);
    driver.connection.lost({ kind: "closed" });
    driver.call.demand();
    assert.equal(driver.take(), "");
  });

  test("without it, what follows the response may be content or a request: the connection closes", () => {
    const driver = new Driver().feed(expecting);
    driver.call.response("no", 403);
    assert.match(driver.take(), /\r\nConnection: close\r\n/);
    assert.equal(driver.connection.closing, "end");
    driver.feed(GET);
    assert.equal(driver.calls.length, 1);
  });

  test("without it, but with all of the content here already, the connection goes on", () => {
    const driver = new Driver().feed(expecting + "hello" + GET);
    driver.call.response("no", 403);
    assert.deepEqual([driver.calls.length, driver.connection.closing], [2, null]);
    assert.doesNotMatch(driver.take(), /Connection/);
    // a part of it is not enough
    const part = new Driver().feed(expecting + "hell");
    part.call.response("no", 403);
    assert.match(part.take(), /\r\nConnection: close\r\n/);
  });

  test("another expectation is refused with 417", () => {
    const { output, error, exchanges } = exchangesOf(expecting.replace("100-continue", "a-pony") + "hello");
    assert.deepEqual([error, exchanges.length], ["EXPECTATION_FAILED", 0]);
    assert.match(output, /^HTTP\/1\.1 417 Expectation Failed\r\n/);
  });
});

describe("shutdown", () => {
  test("of an idle connection closes it at once", () => {
    for (const before of ["", GET, "\r\n"]) {
      const driver = new Driver({}, (call) => call.response()).feed(before);
      driver.take();
      driver.wakes.length = 0;
      driver.connection.shutdown();
      assert.deepEqual([driver.connection.closing, driver.take(), driver.wakes], ["end", "", [true]]);
    }
  });

  test("lets the request that runs finish, says that it is the last, and drops the others", () => {
    const driver = new Driver().feed(GET + GET);
    driver.connection.shutdown();
    driver.connection.shutdown();
    assert.deepEqual([driver.connection.closing, driver.call.heard], [null, []]);
    driver.call.response("last");
    assert.equal(driver.take(), "HTTP/1.1 200 Test\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlast");
    assert.deepEqual([driver.calls.length, driver.connection.closing], [1, "end"]);
  });

  test("behind a response's head comes too late to say so, and closes all the same", () => {
    const driver = new Driver().feed(GET + GET);
    driver.call.respond(200, 0);
    driver.connection.shutdown();
    driver.call.end();
    driver.call.release();
    assert.doesNotMatch(driver.take(), /Connection/);
    assert.deepEqual([driver.calls.length, driver.connection.closing], [1, "end"]);
  });

  test("lets a request whose head has begun come in, and responds to it", () => {
    for (let begun = 1; begun < GET.length; begun++) {
      for (const split of ["whole", "bytes"] as const) {
        const driver = new Driver({}, (call) => call.response("last"));
        driver.feed(GET.slice(0, begun), split);
        driver.connection.shutdown();
        assert.equal(driver.connection.closing, null);
        driver.feed(GET.slice(begun) + GET, split);
        assert.match(driver.take(), /\r\nConnection: close\r\n\r\nlast$/);
        assert.deepEqual([driver.calls.length, driver.connection.closing], [1, "end"]);
      }
    }
  });

  test("does not wait long for the rest of a head", () => {
    const driver = new Driver({ drainTimeout: 100 }).feed("GET / HT");
    driver.connection.shutdown();
    driver.now += 99;
    driver.connection.tick();
    assert.equal(driver.connection.closing, null);
    driver.now += 1;
    driver.connection.tick();
    assert.match(driver.take(), /^HTTP\/1\.1 408 /);
    assert.equal(driver.connection.closing, "end");
  });

  test("lets content that is still to come be read", () => {
    const driver = new Driver({}, echo).feed(announce(5) + "he");
    driver.connection.shutdown();
    driver.feed("llo");
    assert.match(driver.take(), /\r\nConnection: close\r\n\r\nhello$/);
    assert.equal(driver.connection.closing, "end");
  });

  test("does not wait for content that nobody reads", () => {
    const driver = new Driver({}, (call) => call.response()).feed(announce(5));
    assert.equal(driver.connection.closing, null);
    driver.connection.shutdown();
    assert.equal(driver.connection.closing, "end");
  });
});

describe("shutdown with a grace", () => {
  const GRACE = 500;
  const CLOSES = /^HTTP\/1\.1 200 Test\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlast$/;
  const responding = (limits = {}): Driver => new Driver(limits, (call) => call.response("last"));

  for (const [what, before] of [
    ["new", ""],
    ["new, with an empty line of a head", "\r\n"],
    ["just used", GET],
    ["just used, with an empty line of the next head", GET + "\r\n"],
  ] as const) {
    test(`a connection that is ${what} is read on: its request gets a response as the last one`, () => {
      for (const split of ["whole", "bytes"] as const) {
        const driver = responding().feed(before);
        driver.take();
        driver.connection.shutdown(GRACE);
        driver.later(GRACE - 1);
        assert.deepEqual([driver.connection.closing, driver.connection.wantsRead], [null, true]);
        driver.feed(GET + GET, split);
        assert.match(driver.take(), CLOSES);
        assert.deepEqual([driver.calls.length, driver.connection.closing], [before.startsWith("GET") ? 2 : 1, "end"]);
      }
    });

    test(`where none comes to one that is ${what}, it is closed when the grace is over, without a word`, () => {
      const driver = responding().feed(before);
      driver.take();
      driver.connection.shutdown(GRACE);
      assert.equal(driver.remaining, GRACE);
      driver.later(GRACE);
      assert.deepEqual([driver.connection.closing, driver.take(), driver.overload], ["end", "", []]);
    });
  }

  test("one that has been idle for long is read on as well: its client may be sending in this very moment", () => {
    for (const before of ["", GET]) {
      const driver = responding().feed(before);
      driver.take();
      driver.later(10 * GRACE);
      driver.connection.shutdown(GRACE);
      assert.deepEqual([driver.connection.closing, driver.remaining], [null, GRACE]);
      driver.later(GRACE - 1).feed(GET);
      assert.match(driver.take(), CLOSES);
    }
  });

  test("content that nobody reads has drainTimeout to come in, however steadily it comes", () => {
    for (const early of [true, false]) {
      const driver = new Driver({ drainTimeout: 2000 }).feed(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
      );
      driver.call.respond(200, 0);
      if (early) {
        driver.call.end();
        driver.call.release();
      }
      driver.connection.shutdown(GRACE);
      if (!early) {
        driver.call.end();
        driver.call.release();
      }
      assert.doesNotMatch(driver.take(), /Connection/);
      assert.equal(driver.remaining, 2000);
      driver.later(1000).feed("3\r\nabc\r\n");
      assert.equal(driver.remaining, 1000);
      driver.later(1000);
      assert.notEqual(driver.connection.closing, null);
    }
  });

  test("no deadline of another kind is put off by it", () => {
    for (const [keepAliveTimeout, remaining] of [
      [100, 100],
      [Infinity, GRACE],
    ]) {
      const driver = responding({ keepAliveTimeout, headTimeout: Infinity }).feed(GET);
      driver.take();
      driver.connection.shutdown(GRACE);
      assert.equal(driver.remaining, remaining);
      const leaving = responding({ keepAliveTimeout, headTimeout: Infinity }).feed(GET);
      leaving.connection.shutdown(GRACE);
      leaving.take();
      assert.equal(leaving.remaining, remaining);
    }
  });

  test("a head that begins in the grace has drainTimeout to come in", () => {
    const driver = responding({ drainTimeout: 2000 });
    driver.connection.shutdown(GRACE);
    driver.later(GRACE - 1).feed("GET / HT");
    assert.equal(driver.remaining, 2000);
    driver.later(1999).feed(GET.slice("GET / HT".length));
    assert.match(driver.take(), CLOSES);
    const slow = responding({ drainTimeout: 2000 });
    slow.connection.shutdown(GRACE);
    slow.feed("GET").later(2000);
    assert.match(slow.take(), /^HTTP\/1\.1 408 /);
  });

  test("a request behind a response that did not say that it is the last gets a response: it waits already, or comes later", () => {
    for (const early of [true, false]) {
      const driver = new Driver().feed(early ? GET + GET : GET);
      driver.call.respond(200, 0);
      driver.connection.shutdown(GRACE);
      driver.call.end();
      driver.call.release();
      assert.doesNotMatch(driver.take(), /Connection/);
      if (!early) {
        assert.deepEqual([driver.connection.closing, driver.remaining], [null, GRACE]);
        driver.feed(GET);
      }
      driver.call.response("last");
      assert.match(driver.take(), CLOSES);
      assert.deepEqual([driver.calls.length, driver.connection.closing], [2, "end"]);
    }
  });

  test("so is one that waits for earlier responses to leave", () => {
    const driver = new Driver().feed(GET + GET);
    driver.call.response("x".repeat(100_000));
    assert.equal(driver.calls.length, 1);
    driver.connection.shutdown(GRACE);
    driver.later(10 * GRACE);
    driver.take();
    driver.call.response("last");
    assert.match(driver.take(), CLOSES);
    assert.equal(driver.connection.closing, "end");
  });

  test("content that nobody has read is dropped, where the response did not say that it is the last", () => {
    const driver = responding().feed(announce(5) + "he");
    assert.doesNotMatch(driver.take(), /Connection/);
    driver.connection.shutdown(GRACE);
    driver.feed("llo" + GET);
    assert.match(driver.take(), CLOSES);
    assert.equal(driver.calls.length, 2);
  });

  test("it begins when the last response has left", () => {
    const driver = new Driver().feed(GET);
    driver.call.response("slow");
    const batch = driver.connection.pull()!; // and the client takes its time
    driver.connection.shutdown(GRACE);
    driver.later(GRACE).later(GRACE);
    assert.equal(driver.connection.closing, null);
    driver.later(GRACE / 2);
    driver.connection.recycle(batch);
    assert.equal(driver.remaining, GRACE);
    driver.later(GRACE - 1).feed(GET);
    driver.call.response("last");
    assert.match(driver.take(), CLOSES);
  });

  test("before it, responses may be the last already, and nothing is closed for it", () => {
    const driver = responding();
    driver.connection.stop();
    driver.later(100);
    assert.equal(driver.connection.closing, null);
    driver.feed(GET);
    assert.match(driver.take(), CLOSES);
    assert.equal(driver.connection.closing, "end");

    const idle = new Driver().feed(GET);
    idle.call.respond(200, 0);
    idle.connection.stop();
    idle.call.end();
    idle.call.release();
    assert.equal(idle.connection.closing, null);
    assert.doesNotMatch(idle.take(), /Connection/);
    idle.connection.shutdown(GRACE);
    assert.equal(idle.remaining, GRACE);
  });

  test("without one, behind one, it closes at once", () => {
    const driver = new Driver({}, (call) => call.response()).feed(GET);
    driver.connection.shutdown(GRACE);
    driver.connection.shutdown();
    assert.equal(driver.connection.closing, "end");
  });
});

test("pieces of no length change nothing", () => {
  const driver = new Driver({}, echo);
  const data = post("hello") + GET;
  for (const byte of bytes(data)) {
    driver.connection.receive(new Uint8Array(0));
    driver.feed(Uint8Array.of(byte));
    driver.connection.receive(new Uint8Array(0));
  }
  assert.deepEqual(
    driver.calls.map(({ body }) => body),
    ["hello", ""],
  );
});
