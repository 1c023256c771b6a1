/** What goes out for an exchange, byte for byte, and what a handler may not do (RFC 9110 §6.4, §15; RFC 9112 §6). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Call, Driver, fieldList, type Pairs } from "../support/driver.ts";
import { FieldLines } from "../../src/protocol/http1/field_writer.ts";
import { readResponses } from "../support/responses.ts";
import { announce, GET, request } from "../support/requests.ts";

const OLD = request("GET / HTTP/1.0");
const OLD_KEPT = request("GET / HTTP/1.0", "Connection: keep-alive");
const HEAD = request("HEAD / HTTP/1.1", "Host: a");
const OLD_HEAD = request("HEAD / HTTP/1.0", "Connection: keep-alive");
const CONNECT = request("CONNECT a:80 HTTP/1.1", "Host: a:80");

interface ReceivedResponse {
  status?: number;
  reason?: string;
  fields?: Pairs;
  length: number;
  writes?: string[];
  trailers?: Pairs;
}

/** Each response, what leaves for it, and whether the connection goes on. */
const table: [what: string, request: string, response: ReceivedResponse, output: string, goesOn: boolean][] = [
  ["of a known length", GET, { length: 2, writes: ["ab"] }, "200 OK\r\nContent-Length: 2\r\n\r\nab", true],
  ["in pieces", GET, { length: 4, writes: ["a", "", "bc", "d"] }, "200 OK\r\nContent-Length: 4\r\n\r\nabcd", true],
  ["without content", GET, { length: 0 }, "200 OK\r\nContent-Length: 0\r\n\r\n", true],
  [
    "of a length not known",
    GET,
    { length: -1, writes: ["a", "", "0123456789abcdef"] },
    "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
    true,
  ],
  ["of a length not known, empty", GET, { length: -1 }, "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true],
  [
    "with trailers",
    GET,
    {
      length: -1,
      writes: ["a"],
      trailers: [
        ["T", "1"],
        ["t", "2"],
      ],
    },
    "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nT: 1\r\nt: 2\r\n\r\n",
    true,
  ],
  [
    "with no trailers in their list",
    GET,
    { length: -1, trailers: [] },
    "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    true,
  ],
  [
    "with trailers that have no place",
    GET,
    { length: 1, writes: ["a"], trailers: [["T", "1"]] },
    "200 OK\r\nContent-Length: 1\r\n\r\na",
    true,
  ],
  [
    "with fields",
    GET,
    {
      length: 0,
      fields: [
        ["X-A", "1"],
        ["x-a", "\xe9\t2"],
      ],
    },
    "200 OK\r\nX-A: 1\r\nx-a: \xe9\t2\r\nContent-Length: 0\r\n\r\n",
    true,
  ],
  ["with another reason", GET, { length: 0, reason: "F\xefne" }, "200 F\xefne\r\nContent-Length: 0\r\n\r\n", true],
  ["without a reason", GET, { length: 0, reason: "" }, "200 \r\nContent-Length: 0\r\n\r\n", true],
  ["with a status of its own", GET, { status: 599, length: 0, reason: "" }, "599 \r\nContent-Length: 0\r\n\r\n", true],
  [
    "with 404",
    GET,
    { status: 404, reason: "Not Found", length: 1, writes: ["x"] },
    "404 Not Found\r\nContent-Length: 1\r\n\r\nx",
    true,
  ],

  // HTTP/1.0 knows no chunks: the close ends the content
  ["to 1.0", OLD, { length: 1, writes: ["a"] }, "200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\na", false],
  [
    "to 1.0, kept",
    OLD_KEPT,
    { length: 1, writes: ["a"] },
    "200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\na",
    true,
  ],
  [
    "to 1.0, of a length not known",
    OLD_KEPT,
    { length: -1, writes: ["a", "b"], trailers: [["T", "1"]] },
    "200 OK\r\nConnection: close\r\n\r\nab",
    false,
  ],

  // HEAD: the head of the response to GET, and no content (RFC 9110 §9.3.2)
  ["to HEAD", HEAD, { length: 5, writes: ["hello"] }, "200 OK\r\nContent-Length: 5\r\n\r\n", true],
  ["to HEAD, nothing written", HEAD, { length: 5 }, "200 OK\r\nContent-Length: 5\r\n\r\n", true],
  [
    "to HEAD, of a length not known",
    HEAD,
    { length: -1, writes: ["hello"], trailers: [["T", "1"]] },
    "200 OK\r\n\r\n",
    true,
  ],
  ["to HEAD of 1.0", OLD_HEAD, { length: -1, writes: ["x"] }, "200 OK\r\nConnection: keep-alive\r\n\r\n", true],
  [
    "to HEAD, 404",
    HEAD,
    { status: 404, reason: "Not Found", length: 5 },
    "404 Not Found\r\nContent-Length: 5\r\n\r\n",
    true,
  ],

  // "A server MUST NOT send a Content-Length header field in any response with a status code of … 204" (RFC 9110 §8.6)
  ["204", GET, { status: 204, reason: "No Content", length: 0 }, "204 No Content\r\n\r\n", true],
  [
    "204 with content",
    GET,
    { status: 204, reason: "No Content", length: 5, writes: ["hello"] },
    "204 No Content\r\n\r\n",
    true,
  ],
  [
    "204, length not known",
    GET,
    { status: 204, reason: "No Content", length: -1, writes: ["x"] },
    "204 No Content\r\n\r\n",
    true,
  ],
  [
    "204 to 1.0",
    OLD_KEPT,
    { status: 204, reason: "No Content", length: -1 },
    "204 No Content\r\nConnection: keep-alive\r\n\r\n",
    true,
  ],
  // "a server MUST NOT generate content in a 205 response" (RFC 9110 §15.3.6)
  [
    "205",
    GET,
    { status: 205, reason: "Reset Content", length: 0 },
    "205 Reset Content\r\nContent-Length: 0\r\n\r\n",
    true,
  ],
  [
    "205 with content",
    GET,
    { status: 205, reason: "Reset Content", length: 5, writes: ["hello"] },
    "205 Reset Content\r\nContent-Length: 0\r\n\r\n",
    true,
  ],
  [
    "205, length not known",
    GET,
    { status: 205, reason: "Reset Content", length: -1, writes: ["x"] },
    "205 Reset Content\r\nContent-Length: 0\r\n\r\n",
    true,
  ],
  // 304 may say the length of what it stands for, and has none of it (RFC 9110 §15.4.5)
  [
    "304",
    GET,
    { status: 304, reason: "Not Modified", length: 5 },
    "304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    true,
  ],
  [
    "304 with content",
    GET,
    { status: 304, reason: "Not Modified", length: 5, writes: ["hello"] },
    "304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    true,
  ],
  [
    "304, length not known",
    GET,
    { status: 304, reason: "Not Modified", length: -1, writes: ["x"] },
    "304 Not Modified\r\n\r\n",
    true,
  ],
  [
    "304 to 1.0",
    OLD_KEPT,
    { status: 304, reason: "Not Modified", length: -1 },
    "304 Not Modified\r\nConnection: keep-alive\r\n\r\n",
    true,
  ],

  // CONNECT refused is a response like others
  [
    "405 to CONNECT",
    CONNECT,
    { status: 405, reason: "", length: 1, writes: ["x"] },
    "405 \r\nContent-Length: 1\r\n\r\nx",
    true,
  ],
  [
    "300 to CONNECT",
    CONNECT,
    { status: 300, reason: "", length: -1 },
    "300 \r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    true,
  ],
];

describe("a response", () => {
  for (const [
    what,
    request,
    { status = 200, reason = "OK", fields = [], length, writes = [], trailers },
    output,
    goesOn,
  ] of table) {
    test(what, () => {
      const driver = new Driver().feed(request + GET);
      const { call } = driver;
      call.respond(status, length, fields, reason);
      for (const piece of writes) assert.equal(call.write(piece), true);
      call.end(trailers);
      call.release();
      assert.equal(driver.take(), `HTTP/1.1 ${output}`);
      assert.deepEqual([driver.calls.length, driver.connection.closing], goesOn ? [2, null] : [1, "end"]);
      assert.deepEqual(call.heard, []);
    });
  }

  test("leaves as far as it has been given, whenever it is pulled", () => {
    const driver = new Driver().feed(GET);
    const { call } = driver;
    call.respond(200, -1);
    assert.equal(driver.take(), "HTTP/1.1 200 Test\r\nTransfer-Encoding: chunked\r\n\r\n");
    call.write("ab");
    assert.equal(driver.take(), "2\r\nab\r\n");
    call.write("c");
    call.end();
    assert.equal(driver.take(), "1\r\nc\r\n0\r\n\r\n");
  });

  test("leaves in one batch, head and content together", () => {
    const driver = new Driver().feed(GET);
    driver.call.response("hello");
    assert.match(driver.pull()!, /^HTTP.*hello$/s);
    assert.equal(driver.pull(), null);
  });

  test("wakes the host: at the end of the turn, or at once where there is much, or where asked", () => {
    const driver = new Driver().feed(GET);
    const { call } = driver;
    driver.wakes.length = 0;
    call.respond(200, -1);
    assert.deepEqual(driver.wakes, [false]);
    call.write("x");
    assert.deepEqual(driver.wakes, [false, false]);
    driver.wakes.length = 0;
    call.flush();
    assert.deepEqual(driver.wakes, [true]);
    driver.take();
    driver.wakes.length = 0;
    call.write("x".repeat(16 * 1024 - "3ff8\r\n\r\n".length - 1));
    assert.deepEqual(driver.wakes, [false]);
    driver.take();
    driver.wakes.length = 0;
    call.write("x".repeat(16 * 1024 - "3ff8\r\n\r\n".length));
    assert.deepEqual(driver.wakes, [true]);
    driver.take();
    driver.wakes.length = 0;
    call.end();
    assert.deepEqual(driver.wakes, [false]);
  });

  test("may come before the content has been read, which can then still be read", () => {
    const driver = new Driver().feed("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    const { call } = driver;
    call.demand();
    call.respond(200, -1);
    assert.equal(call.readAll(), 0);
    call.write(call.body);
    driver.feed("56789");
    assert.equal(call.readAll(), -1);
    call.write(call.body.slice(5));
    call.end();
    call.release();
    assert.deepEqual(
      readResponses(driver.take(), ["POST"]).map(({ body, fields }) => [body, fields]),
      [["0123456789", [["Transfer-Encoding", "chunked"]]]],
    );
    assert.equal(driver.connection.closing, null);
  });

  test("copies what it is given: the bytes may be used again", () => {
    const driver = new Driver().feed(GET);
    driver.call.respond(200, 3 * 20_000);
    const buffer = new Uint8Array(20_000);
    for (const letter of "abc") {
      buffer.fill(letter.charCodeAt(0));
      driver.call.exchange.write(buffer);
    }
    buffer.fill(0);
    driver.call.end();
    const [{ body }] = readResponses(driver.take(), ["GET"]);
    assert.equal(body, "a".repeat(20_000) + "b".repeat(20_000) + "c".repeat(20_000));
  });
});

test("the lines of the connection are in each final response, also in one to a malformed request", () => {
  const lines = ["Strict-Transport-Security: max-age=5", "X-B: b"];
  const ownLines = lines.map((line) => line + "\r\n").join("");
  const driver = new Driver({}, () => {}, { ownLines: lines });
  driver.feed(GET);
  driver.call.inform(103);
  driver.call.respond(200, 3, [["A", "a"]]);
  driver.call.retract();
  driver.call.respond(200, 3, [["A", "a"]]);
  driver.call.write("sum");
  driver.call.end();
  driver.call.release();
  const sent = driver.take();
  assert.ok(sent.startsWith("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 Test\r\nA: a\r\n" + ownLines), sent);
  assert.ok(sent.endsWith("\r\n\r\nsum"), sent);
  assert.ok(driver.feed("nonsense\r\n\r\n").take().includes(`\r\n${ownLines}`));
});

test("but for those that the response has itself, whatever their case, from a thread as well", () => {
  const own = "strict-Transport-security: max-age=0\r\nNot-X-B: x-b: x\r\n";
  for (const fields of [new FieldLines(own), fieldList([...new FieldLines(own)])]) {
    const driver = new Driver({}, () => {}, { ownLines: ["Strict-Transport-Security: max-age=5", "X-B: b"] });
    driver.feed(GET);
    driver.call.exchange.respond(200, "Test", fields, 0);
    driver.call.end();
    assert.equal(driver.take(), `HTTP/1.1 200 Test\r\n${own}X-B: b\r\nContent-Length: 0\r\n\r\n`);
  }
});

describe("interim responses (RFC 9110 §15.2)", () => {
  test("leave at once, with their fields, as many as there are", () => {
    const driver = new Driver().feed(GET);
    driver.wakes.length = 0;
    driver.call.inform(103, [["Link", "</a>"]]);
    assert.deepEqual(driver.wakes, [true]);
    assert.equal(driver.take(), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    driver.call.inform(102);
    driver.call.inform(199);
    driver.call.response("x");
    const batches = [driver.pull()!, driver.pull()!, driver.pull()!];
    assert.deepEqual(
      batches.map((batch) => batch.split(" ")[1]),
      ["102", "199", "200"],
      "a batch each",
    );
    const [{ interim, status, body }] = readResponses(batches.join(""), ["GET"]);
    assert.deepEqual([interim.map((it) => it.status), status, body], [[102, 199], 200, "x"]);
  });

  test("leave alone, also behind another response, and leave that which follows to be taken back", () => {
    const driver = new Driver({}, (call) => {
      if (call.exchange.head.target === "/1") call.response("first");
    });
    driver.feed(GET.replace("/", "/1") + GET);
    driver.call.inform(103);
    driver.call.respond(200, 5);
    driver.call.write("wrong");
    assert.equal(driver.call.retract(), true);
    driver.call.response("right");
    const [first, hint, final, nothing] = [driver.pull(), driver.pull(), driver.pull(), driver.pull()];
    assert.ok(first!.endsWith("first"));
    assert.equal(hint, "HTTP/1.1 103 Early Hints\r\n\r\n");
    assert.ok(final!.startsWith("HTTP/1.1 200 Test") && final!.endsWith("right"));
    assert.equal(nothing, null);
  });

  test("are not sent where the connection sends none, but for the 100 that is waited for", () => {
    for (const [request, expected] of [
      [GET, ""],
      [announce(5, "Expect: 100-continue"), "HTTP/1.1 100 Continue\r\n\r\n"],
    ]) {
      const driver = new Driver({}, () => {}, { sendsInformational: false }).feed(request);
      driver.call.inform(103, [["Link", "</a>"]]);
      driver.call.inform(100);
      driver.call.inform(100);
      driver.call.demand();
      assert.equal(driver.take(), expected);
      driver.call.response("x");
      assert.equal(readResponses(driver.take(), ["GET"])[0].status, 200);
    }
  });

  test('are not sent to HTTP/1.0: "a server MUST NOT send a 1xx response to an HTTP/1.0 client"', () => {
    const driver = new Driver().feed(OLD);
    driver.call.inform(103, [["Link", "</a>"]]);
    driver.call.inform(100);
    assert.equal(driver.take(), "");
  });

  test("have a status from 100 to 199, but not 101, and come before the final one", () => {
    const driver = new Driver().feed(GET);
    for (const status of [99, 101, 200, 0, -1, 100.5, NaN, Infinity]) {
      assert.throws(() => driver.call.inform(status), RangeError, String(status));
    }
    assert.equal(driver.take(), "");
    driver.call.respond(200, 0);
    assert.throws(() => driver.call.inform(103), /final/);
    driver.call.end();
    assert.throws(() => driver.call.inform(103), /final/);
    assert.equal(readResponses(driver.take(), ["GET"]).length, 1);
  });
});

describe("a mistake of the handler's throws at the call, and sends nothing", () => {
  const mistakes: [
    what: string,
    make: (call: Call) => void,
    wrong: (call: Call) => void,
    error: RegExp | typeof RangeError,
  ][] = [
    ["content before the head", () => {}, (call) => call.write("x"), /before the head/],
    ["no content before the head", () => {}, (call) => call.write(""), /before the head/],
    ["an end before the head", () => {}, (call) => call.end(), /not begun/],
    ["two heads", (call) => call.respond(200, 0), (call) => call.respond(200, 0), /begun already/],
    [
      "a head behind the end",
      (call) => (call.respond(200, 0), call.end()),
      (call) => call.respond(200, 0),
      /begun already/,
    ],
    ["two ends", (call) => (call.respond(200, 0), call.end()), (call) => call.end(), /twice/],
    [
      "content behind the end",
      (call) => (call.respond(200, -1), call.end()),
      (call) => call.write("x"),
      /after the end/,
    ],
    ["more than was announced", (call) => call.respond(200, 3), (call) => call.write("1234"), /only 3/],
    ["more than is left", (call) => (call.respond(200, 3), call.write("12")), (call) => call.write("34"), /only 1/],
    ["something where nothing was announced", (call) => call.respond(200, 0), (call) => call.write("x"), /only 0/],
    [
      "less than was announced",
      (call) => (call.respond(200, 3), call.write("12")),
      (call) => call.end(),
      /1 bytes are missing/,
    ],
    ["nothing of what was announced", (call) => call.respond(200, 3), (call) => call.end(), /3 bytes are missing/],
    ["a reason with a line break", () => {}, (call) => call.respond(200, 0, [], "a\r\nb"), /reason/],
    ["a reason with a character of two bytes", () => {}, (call) => call.respond(200, 0, [], "€"), /reason/],
    ["a status that is no final one", () => {}, (call) => call.respond(199, 0), RangeError],
    ["a status that is none", () => {}, (call) => call.respond(600, 0), RangeError],
    ["a status that is no number", () => {}, (call) => call.respond(NaN, 0), RangeError],
    ["a status with a fraction", () => {}, (call) => call.respond(200.5, 0), RangeError],
    ["a negative length", () => {}, (call) => call.respond(200, -2), RangeError],
    ["a length with a fraction", () => {}, (call) => call.respond(200, 1.5), RangeError],
    ["a length that is no number", () => {}, (call) => call.respond(200, NaN), RangeError],
    ["a length without an end", () => {}, (call) => call.respond(200, Infinity), RangeError],
    ["a length that is not exact", () => {}, (call) => call.respond(200, 2 ** 53), RangeError],
  ];
  for (const [what, make, wrong, error] of mistakes) {
    test(what, () => {
      const driver = new Driver().feed(GET);
      make(driver.call);
      driver.take();
      assert.throws(() => wrong(driver.call), error);
      assert.equal(driver.take(), "");
      assert.throws(() => wrong(driver.call), error, "it stays wrong");
    });
    test(`${what}: also where the peer is gone`, () => {
      const driver = new Driver().feed(GET);
      driver.connection.lost({ kind: "closed" });
      make(driver.call);
      assert.throws(() => wrong(driver.call), error);
    });
  }

  test("and can be mended", () => {
    const driver = new Driver().feed(GET);
    assert.throws(() => driver.call.respond(200, 0, [], "\n"));
    driver.call.respond(200, 3);
    assert.throws(() => driver.call.write("1234"));
    driver.call.write("12");
    assert.throws(() => driver.call.end());
    driver.call.write("3");
    driver.call.end();
    driver.call.release();
    assert.equal(driver.take(), "HTTP/1.1 200 Test\r\nContent-Length: 3\r\n\r\n123");
  });
});
