/** The oracle that tests and benchmarks read responses with: what it reads however the bytes come, and what it refuses. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import {
  type FieldLines,
  type Framing,
  IncompleteResponse,
  MalformedResponse,
  ResponseOracle,
  type Sender,
  takeResponses,
  valueOf,
  valuesOf,
} from "./response_oracle.ts";
import { readResponses } from "./responses.ts";

interface Read {
  readonly status: number;
  readonly reason: string;
  readonly fields: FieldLines;
  readonly framing: Framing;
  readonly closes: boolean;
  readonly body: string;
  readonly trailers: FieldLines;
  /** How many bytes the response took. */
  readonly size: number;
  /** What has come behind it. */
  readonly rest: string;
}

interface How {
  readonly method?: string;
  readonly sender?: Sender;
  /** Where the bytes are cut; null for one by one. */
  readonly cuts?: readonly number[] | null;
  /** Whether the connection ends behind the bytes. True when left out. */
  readonly ends?: boolean;
}

/** Reads one response, from memory that is overwritten once it may be. @returns null where it is not all there */
function read(text: string, { method = "GET", sender = "Plinth", cuts = [], ends = true }: How = {}): Read | null {
  const oracle = new ResponseOracle(sender);
  const bytes = Buffer.from(text, "latin1");
  const places = cuts ?? Array.from(bytes.keys());
  const inside = places.filter((at) => at > 0 && at < bytes.length).sort((a, b) => a - b);
  const shared = Buffer.alloc(bytes.length);
  let head: ReturnType<ResponseOracle["readHead"]> = null;
  let [body, at] = ["", 0];
  const go = (): boolean => {
    head ??= oracle.readHead(method);
    if (head === null) return false;
    for (let piece; (piece = oracle.readContent()) !== null;) {
      assert.ok(piece.length > 0);
      body += piece.toString("latin1");
    }
    return oracle.isWhole;
  };
  let rest = "";
  let isWhole = false;
  for (const end of [...inside, bytes.length]) {
    if (isWhole) {
      rest += text.slice(at, end);
      at = end;
      continue;
    }
    oracle.feed(shared.subarray(0, bytes.copy(shared, 0, at, end)));
    isWhole = go();
    if (isWhole) rest = oracle.rest.toString("latin1");
    shared.fill("!");
    at = end;
  }
  if (!isWhole) {
    if (!ends) return null;
    oracle.end();
    assert.ok(go());
  }
  const { status, reason, fields, framing, closes } = head!;
  return { status, reason, fields, framing, closes, body, trailers: oracle.trailers, size: oracle.bytesRead, rest };
}

const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const length = (n: number | string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${n}\r\n\r\n`;
const BEHIND = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";

const OK = { status: 200, reason: "OK", closes: false, body: "", trailers: [] };
const FIVE: FieldLines = [["Content-Length", "5"]];
const IN_CHUNKS: FieldLines = [["Transfer-Encoding", "chunked"]];

type Case = [what: string, text: string, expected: Omit<Read, "size" | "rest">, method?: string, sender?: Sender];

const cases: Case[] = [
  ["counted", length(5) + "hello", { ...OK, fields: FIVE, framing: "counted", body: "hello" }],
  ["counted, and empty", length(0), { ...OK, fields: [["Content-Length", "0"]], framing: "counted" }],
  [
    "chunked",
    CHUNKED + "3\r\nhel\r\n00002\r\nlo\r\n0\r\n\r\n",
    { ...OK, fields: IN_CHUNKS, framing: "chunked", body: "hello" },
  ],
  ["chunked, and empty", CHUNKED + "0\r\n\r\n", { ...OK, fields: IN_CHUNKS, framing: "chunked" }],
  [
    "chunks that hold line ends, chunks and responses",
    CHUNKED + `a\r\n\r\n0\r\n\r\n0\r\n\r\n${BEHIND.length.toString(16)}\r\n${BEHIND}\r\n0\r\n\r\n`,
    { ...OK, fields: IN_CHUNKS, framing: "chunked", body: `\r\n0\r\n\r\n0\r\n${BEHIND}` },
  ],
  [
    "chunked, with trailers",
    CHUNKED + "a\r\n0123456789\r\n0\r\nX-A: 1\r\nx-a:\r\n\r\n",
    {
      ...OK,
      fields: IN_CHUNKS,
      framing: "chunked",
      body: "0123456789",
      trailers: [
        ["X-A", "1"],
        ["x-a", ""],
      ],
    },
  ],
  ["HEAD", length(5), { ...OK, fields: FIVE, framing: "none" }, "HEAD"],
  ["HEAD, of what would be chunked", CHUNKED, { ...OK, fields: IN_CHUNKS, framing: "none" }, "HEAD"],
  ["HEAD, without a length", "HTTP/1.1 200 OK\r\n\r\n", { ...OK, fields: [], framing: "none" }, "HEAD"],
  [
    "304",
    "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n",
    { ...OK, status: 304, reason: "", fields: FIVE, framing: "none" },
  ],
  ["204", "HTTP/1.1 204 No Content\r\n\r\n", { ...OK, status: 204, reason: "No Content", fields: [], framing: "none" }],
  [
    "205",
    "HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n",
    { ...OK, status: 205, reason: "Reset", fields: [["Content-Length", "0"]], framing: "counted" },
  ],
  [
    "interim",
    "HTTP/1.1 103 Early Hints\r\nA: \t b c \r\n\r\n",
    { ...OK, status: 103, reason: "Early Hints", fields: [["A", "b c"]], framing: "none" },
  ],
  [
    "a refused CONNECT",
    "HTTP/1.1 405 No\r\nContent-Length: 5\r\n\r\nhello",
    { ...OK, status: 405, reason: "No", fields: FIVE, framing: "counted", body: "hello" },
    "CONNECT",
  ],
  [
    "of bytes and spaces that may stand there",
    "HTTP/1.1 200 \t\x80\xff ~\r\nA:\x80 \t\xff\r\n!#$%&'*+-.^_`|~0Zz:\r\nContent-Length:5\r\n\r\n\0\r\n\xff!",
    {
      ...OK,
      reason: "\t\x80\xff ~",
      fields: [["A", "\x80 \t\xff"], ["!#$%&'*+-.^_`|~0Zz", ""], ...FIVE],
      framing: "counted",
      body: "\0\r\n\xff!",
    },
  ],
  [
    "HTTP/1.0 that stays, of any server",
    "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello",
    { ...OK, fields: [["Connection", "Keep-Alive"], ...FIVE], framing: "counted", body: "hello" },
    "GET",
    "any server",
  ],
  [
    "extensions of chunks, and capital letters, of any server",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n" +
      '1;a\r\nx\r\n00A ; b = "c;\\"\xff" ;d=e\r\n0123456789\r\n0;f\r\nT: 1\r\n\r\n',
    {
      ...OK,
      fields: [["Transfer-Encoding", "Chunked"]],
      framing: "chunked",
      body: "x0123456789",
      trailers: [["T", "1"]],
    },
    "GET",
    "any server",
  ],
];

const closing: Case[] = [
  [
    "Connection: close",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: a , CLOSE\r\n\r\nhello",
    { ...OK, closes: true, fields: [...FIVE, ["Connection", "a , CLOSE"]], framing: "counted", body: "hello" },
  ],
  [
    "HTTP/1.0, of any server",
    "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    { ...OK, closes: true, fields: FIVE, framing: "counted", body: "hello" },
    "GET",
    "any server",
  ],
];

const untilClose: Case[] = [
  [
    "without a length",
    "HTTP/1.1 200 OK\r\n\r\nhel\r\nlo\r\n\r\n" + BEHIND,
    { ...OK, closes: true, fields: [], framing: "until-close", body: "hel\r\nlo\r\n\r\n" + BEHIND },
  ],
  [
    "without a length, and empty",
    "HTTP/1.1 200 OK\r\n\r\n",
    { ...OK, closes: true, fields: [], framing: "until-close" },
  ],
  [
    "a tunnel",
    "HTTP/1.1 200 OK\r\n\r\ntunnel",
    { ...OK, closes: true, fields: [], framing: "tunnel", body: "tunnel" },
    "CONNECT",
  ],
];

describe("a response is read the same whole, byte by byte, in whatever pieces, and with other bytes behind it", () => {
  for (const [what, text, expected, method = "GET", sender = "Plinth"] of cases.concat(closing)) {
    test(what, () => {
      const how = { method, sender };
      const wanted = { ...expected, size: text.length };
      for (const behind of ["", BEHIND, text, "H"]) {
        for (const cuts of [[], null]) {
          assert.deepEqual(read(text + behind, { ...how, cuts }), { ...wanted, rest: behind });
          assert.deepEqual(read(text + behind, { ...how, cuts, ends: false }), { ...wanted, rest: behind });
        }
      }
      const places = Array.from(text.length === 0 ? "" : text + BEHIND, (_, i) => i);
      fc.assert(
        fc.property(fc.subarray(places), (cuts) => {
          assert.deepEqual(read(text + BEHIND, { ...how, cuts }), { ...wanted, rest: BEHIND });
        }),
      );
    });

    test(`${what}: what ends before its last byte is not whole`, () => {
      for (let end = 0; end < text.length; end++) {
        for (const cuts of [[], null]) {
          const part = text.slice(0, end);
          assert.equal(read(part, { method, sender, cuts, ends: false }), null, part);
          assert.throws(() => read(part, { method, sender, cuts }), IncompleteResponse, part);
        }
      }
    });
  }
});

describe("content ends with the connection", () => {
  for (const [what, text, expected, method = "GET"] of untilClose) {
    test(what, () => {
      for (const cuts of [[], null, [5, text.length - 3]]) {
        assert.deepEqual(read(text, { method, cuts }), { ...expected, size: text.length, rest: "" });
        assert.equal(read(text, { method, cuts, ends: false }), null, "not before");
      }
    });
  }
});

test("responses are taken one behind another, as far as they are whole", () => {
  const [, , , , , , head] = cases;
  const interim = "HTTP/1.1 100 Continue\r\n\r\n";
  const all = [interim, length(5) + "hello", head[1], interim, CHUNKED + "1\r\nx\r\n0\r\nT: 1\r\n\r\n", length(0)];
  const text = all.join("");
  const ends = all.map((_, i) => all.slice(0, i + 1).join("").length);
  for (let end = 0; end <= text.length; end++) {
    for (const ended of [false, true]) {
      const { responses, rest } = takeResponses(Buffer.from(text.slice(0, end)), { methods: ["GET", "HEAD"], ended });
      const whole = ends.filter((at) => at <= end).length;
      assert.deepEqual(
        responses.map(({ status, content, trailers, size }) => [status, content.toString(), trailers, size]),
        [
          [100, "", [], all[0].length],
          [200, "hello", [], all[1].length],
          [200, "", [], all[2].length],
          [100, "", [], all[3].length],
          [200, "x", [["T", "1"]], all[4].length],
          [200, "", [], all[5].length],
        ].slice(0, whole),
      );
      assert.equal(rest.toString(), text.slice(ends[whole - 1] ?? 0, end));
    }
  }
});

test("where all responses must be there, none is missing and nothing is left over", () => {
  const response = length(5) + "hello";
  const interim = "HTTP/1.1 100 Continue\r\n\r\n";
  const [first, second] = readResponses(interim + response + response, ["GET", "POST"]);
  assert.deepEqual([first.interim.map(({ status }) => status), first.body], [[100], "hello"]);
  assert.deepEqual([second.interim, second.get("content-LENGTH"), second.get("x")], [[], "5", null]);
  for (const [text, methods] of [
    [response, []],
    [response, ["GET", "GET"]],
    [response + interim, ["GET"]],
    [response + "HTTP", ["GET"]],
    [response + length(5) + "hell", ["GET", "GET"]],
    ["HTTP/1.1 200 OK\r\n\r\n", ["GET"]],
    ["", ["GET"]],
  ] as const)
    assert.throws(() => readResponses(text, methods), { name: "AssertionError" }, JSON.stringify(text));
  assert.throws(() => readResponses(response + "x", ["GET"]), MalformedResponse);
});

/** What no server may send. */
const malformed: (string | readonly [text: string, method: string])[] = [
  "HTTP/1.2 200 OK\r\n\r\n",
  "HTTP/2.0 200 OK\r\n\r\n",
  "HTTP/1.1 2000 OK\r\n\r\n",
  "HTTP/1.1 20 OK\r\n\r\n",
  "HTTP/1.1 099 OK\r\n\r\n",
  "HTTP/1.1 600 OK\r\n\r\n",
  "HTTP/1.1 200\r\n\r\n",
  "HTTP/1.1  200 OK\r\n\r\n",
  "HTTP/1.1\t200 OK\r\n\r\n",
  "HTTP/1.1 200 O\0K\r\n\r\n",
  "HTTP/1.1 200 O\x7fK\r\n\r\n",
  "http/1.1 200 OK\r\n\r\n",
  " HTTP/1.1 200 OK\r\n\r\n",
  "\r\nHTTP/1.1 200 OK\r\n\r\n",
  "GET / HTTP/1.1\r\n\r\n",
  "hello",
  "HTTP/1.1 101 Switching Protocols\r\n\r\n",
  // Lines
  "\n",
  "HTTP/1.1 200 OK\n\n",
  "HTTP/1.1 200 OK\nA: b\r\n\r\n",
  "HTTP/1.1 200 OK\r\nA: b\n\r\n",
  "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
  "HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n",
  "HTTP/1.1 200 OK\r\n\n",
  `HTTP/1.1 200 ${"O".repeat(70_000)}`,
  // Fields
  "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
  "HTTP/1.1 200 OK\r\nA\r\n\r\n",
  "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
  "HTTP/1.1 200 OK\r\nA(): b\r\n\r\n",
  "HTTP/1.1 200 OK\r\n\xe9: b\r\n\r\n",
  "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
  "HTTP/1.1 200 OK\r\nA: \x1bb\r\n\r\n",
  "HTTP/1.1 200 OK\r\n B: c\r\n\r\n",
  "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
  // Lengths
  length(""),
  length("5x"),
  length("5 5"),
  length("5, 5") + "hello",
  length("-1"),
  length("+5") + "hello",
  length("0x5") + "hello",
  length("5.0") + "hello",
  length("9".repeat(16)),
  length("5\r\nContent-Length: 5") + "hello",
  length("5\r\ncontent-length: 6") + "hello",
  length("5\r\nTransfer-Encoding: chunked") + "0\r\n\r\n",
  [length("5\r\nContent-Length: 5"), "HEAD"],
  [length("x"), "HEAD"],
  "HTTP/1.1 304 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
  // Codings
  CHUNKED.replace("chunked", "gzip, chunked"),
  CHUNKED.replace("chunked", "chunked, chunked"),
  CHUNKED.replace("chunked", "chunked\r\nTransfer-Encoding: chunked"),
  CHUNKED.replace("chunked", "identity"),
  CHUNKED.replace("chunked", "gzip"),
  CHUNKED.replace("chunked", ""),
  "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  // Chunks
  CHUNKED + "\r\n",
  CHUNKED + "x\r\n",
  CHUNKED + "-3\r\nhel\r\n0\r\n\r\n",
  CHUNKED + "+3\r\nhel\r\n0\r\n\r\n",
  CHUNKED + "0x3\r\nhel\r\n0\r\n\r\n",
  CHUNKED + " 3\r\nhel\r\n0\r\n\r\n",
  CHUNKED + "3 \r\nhel\r\n0\r\n\r\n",
  CHUNKED + "3;\r\nhel\r\n0\r\n\r\n",
  CHUNKED + "3;a=\r\nhel\r\n0\r\n\r\n",
  CHUNKED + '3;a="\r\nhel\r\n0\r\n\r\n',
  CHUNKED + "3\nhel\r\n0\r\n\r\n",
  CHUNKED + "1" + "0".repeat(13) + "\r\n",
  CHUNKED + "3\r\nhello\r\n0\r\n\r\n",
  CHUNKED + "3\r\nhel\n0\r\n\r\n",
  CHUNKED + "3\r\nhel0\r\n\r\n",
  CHUNKED + "3\r\nhelxx0\r\n\r\n",
  CHUNKED + "3\r\nhel\n\n0\r\n\r\n",
  // Trailers
  CHUNKED + "0\r\n\n",
  CHUNKED + "0\r\nA\r\n\r\n",
  CHUNKED + "0\r\nContent-Length: 0\r\n\r\n",
  CHUNKED + "0\r\ntransfer-encoding: chunked\r\n\r\n",
  CHUNKED + "0\r\n" + BEHIND,
  // What has no content
  "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
  ["HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "HEAD"],
  "HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n",
  [length(5), "CONNECT"],
  [CHUNKED, "CONNECT"],
  "HTTP/1.1 205 Reset\r\nContent-Length: 1\r\n\r\nx",
  "HTTP/1.1 205 Reset\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
  "HTTP/1.1 205 Reset\r\n\r\nx",
];

/** What Plinth never sends, and others may. */
const foreign = [
  "HTTP/1.0 200 OK\r\n\r\n",
  CHUNKED.replace("chunked", "Chunked") + "0\r\n\r\n",
  CHUNKED + "3;a=b\r\nhel\r\n0\r\n\r\n",
  CHUNKED + "0;a\r\n\r\n",
  CHUNKED + "A\r\n0123456789\r\n0\r\n\r\n",
];

test("what is malformed is refused, and what no longer can be a response at once", () => {
  for (const one of malformed) {
    const [text, method] = typeof one === "string" ? [one, "GET"] : one;
    for (const sender of ["Plinth", "any server"] as const) {
      for (const cuts of [[], null]) {
        for (const ends of [true, false]) {
          if (cuts === null && text.length > 60_000) continue; // one by one it takes a second
          assert.throws(() => read(text, { method, sender, cuts, ends }), MalformedResponse, JSON.stringify(one));
        }
      }
    }
  }
});

test("what Plinth never sends is refused, unless another server may have sent it", () => {
  for (const text of foreign) {
    for (const cuts of [[], null]) {
      assert.throws(() => read(text, { cuts }), MalformedResponse, JSON.stringify(text));
      assert.equal(read(text, { cuts, sender: "any server" })?.status, 200, text);
    }
  }
});

test("nothing may come behind a response that ends the connection, nor what is no response behind another", () => {
  for (const [, text, , method, sender] of closing) {
    const how = { methods: [method ?? "GET"], sender: sender ?? "Plinth" };
    assert.equal(takeResponses(Buffer.from(text), how).responses.length, 1);
    for (const behind of [text, BEHIND, "H", "\r\n"])
      assert.throws(() => takeResponses(Buffer.from(text + behind), how), MalformedResponse);
  }
  for (const behind of ["hello", "\r\n", "\n", "HTTP/2", " ", "\0"])
    assert.throws(() => takeResponses(Buffer.from(length(5) + "hello" + behind)), MalformedResponse);
  // One byte of content too many.
  assert.throws(() => takeResponses(Buffer.from(length(5) + "hello!" + BEHIND)), MalformedResponse);
  assert.throws(() => takeResponses(Buffer.from(length(5) + "hell" + BEHIND)), MalformedResponse);
});

test("calls in another order are mistakes of the caller's", () => {
  const oracle = new ResponseOracle();
  oracle.feed(Buffer.from(length(5)));
  oracle.readHead("GET");
  assert.throws(() => oracle.readHead("GET"), TypeError);
  oracle.end();
  assert.throws(() => oracle.feed(Buffer.from("hello")), TypeError);
});

test("whatever comes is read or refused, the same however it is cut", () => {
  const line = ["HTTP/1.1 ", "200", "204", "100", " OK", "\r\n", "\r\n\r\n", "\n", "\r", ":", " ", "Content-Length: "];
  const more = ["5", "0", "Transfer-Encoding: chunked", "Connection: close", "hello", "1\r\nx\r\n0\r\n\r\n", "\0"];
  const piece = fc.constantFrom(...line, ...more, length(1), CHUNKED);
  const outcome = (text: string, how: How): unknown => {
    try {
      return read(text, how);
    } catch (error) {
      assert.ok(error instanceof MalformedResponse || error instanceof IncompleteResponse, String(error));
      return error instanceof MalformedResponse ? "malformed" : "incomplete";
    }
  };
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 12 }),
      fc.array(fc.nat(60)),
      fc.constantFrom("GET", "HEAD", "CONNECT"),
      (pieces, cuts, method) => {
        const text = pieces.join("");
        const whole = outcome(text, { method });
        assert.deepEqual(outcome(text, { method, cuts }), whole);
        assert.deepEqual(outcome(text, { method, cuts: null }), whole);
      },
    ),
    { numRuns: 1000 },
  );
});

test("fields are found by their names, whatever their letters' case", () => {
  const fields = [
    ["Set-Cookie", "a"],
    ["X", "1"],
    ["set-cookie", "b"],
  ] as const;
  assert.deepEqual(valuesOf(fields, "SET-cookie"), ["a", "b"]);
  assert.deepEqual([valueOf(fields, "x"), valueOf(fields, "y")], ["1", null]);
  assert.throws(() => valueOf(fields, "Set-Cookie"), MalformedResponse);
});
