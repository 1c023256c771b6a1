/** A request's head, and what its parts say together (RFC 9112 §3, §6, §9): whole, byte by byte, with bytes behind it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HeadReader, type Http1Head } from "../../src/protocol/http1/request_head.ts";
import { type Limits, limitsFrom } from "../../src/protocol/limits.ts";
import { bytes, readPieces, type Split } from "../support/bytes.ts";

interface Seen {
  method: string;
  target: string;
  authority: string | null;
  version: string;
  fields: [string, string][];
  contentLength: number;
  chunked: boolean;
  persistent: boolean;
  expectsContinue: boolean;
}

function seen(head: Http1Head): Seen {
  const { method, target, authority, version, contentLength, chunked, persistent, expectsContinue } = head;
  return {
    method,
    target,
    authority,
    version,
    fields: [...head.fields],
    contentLength,
    chunked,
    persistent,
    expectsContinue,
  };
}

/** The head, the code of an error, or null when more is wanted. */
function read(data: string, split: Split = "whole", limits: Partial<Limits> = {}): Seen | string | null {
  const reader = new HeadReader(limitsFrom(limits));
  const length = readPieces(bytes(data), split, (...where) => reader.read(...where));
  if (length === 0) return null;
  if (length < 0) {
    assert.ok(reader.error !== null);
    return reader.error.code;
  }
  assert.equal(length, data.indexOf("\r\n\r\n", 4) + 4);
  return seen(reader.take(bytes(data), 0, length));
}

const SPLITS: Split[] = ["whole", "bytes", [16], [20, 30], [3, 25, 26, 27]];
const TRAILING = ["", "body", "\r\n", "GET / HTTP/1.1\r\n\r\n", "\0"];

/** In one line of the table: lines joined by CR LF. */
const head = (...lines: string[]): string => lines.join("\r\n") + "\r\n\r\n";

const plain: Seen = {
  method: "GET",
  target: "/",
  authority: "a",
  version: "HTTP/1.1",
  fields: [["Host", "a"]],
  contentLength: -1,
  chunked: false,
  persistent: true,
  expectsContinue: false,
};

/** Of heads with these lines behind "GET / HTTP/1.1" and "Host: a", what is other than `plain`. */
const right: [lines: string[], different: Partial<Seen>][] = [
  [[], {}],
  [["Content-Length: 0"], { contentLength: 0 }],
  [["content-length:5"], { contentLength: 5 }],
  [["CONTENT-LENGTH: \t0005\t "], { contentLength: 5 }],
  [["Content-Length: 16777216"], { contentLength: 16_777_216 }],
  [["Transfer-Encoding: chunked"], { chunked: true }],
  [["transfer-encoding:CHUNKED"], { chunked: true }],
  // "empty list elements do not contribute" (RFC 9110 §5.6.1.2)
  [["Transfer-Encoding: ,chunked , ,"], { chunked: true }],
  [["Transfer-Encoding:", "Transfer-Encoding: chunked", "Transfer-Encoding: ,"], { chunked: true }],
  [["Connection: close"], { persistent: false }],
  [["Connection: CLOSE"], { persistent: false }],
  [["connection: x, close,y"], { persistent: false }],
  [["Connection: keep-alive", "Connection: close"], { persistent: false }],
  [["Connection: close", "Connection: keep-alive"], { persistent: false }],
  [["Connection: close, keep-alive"], { persistent: false }],
  [["Connection: keep-alive"], {}],
  [["Connection: Upgrade, HTTP2-Settings"], {}],
  [["Connection: not-close"], {}],
  [["Connection: ,, ,"], {}],
  [["Connection:"], {}],
  [["Proxy-Connection: close"], {}],
  [["Expect: 100-continue"], { expectsContinue: true }],
  [["EXPECT: 100-CONTINUE"], { expectsContinue: true }],
  // Expect = #expectation (RFC 9110 §10.1.1): a list, hence also these
  [["Expect: 100-continue, 100-continue"], { expectsContinue: true }],
  [["Expect: , 100-continue ,"], { expectsContinue: true }],
  [["Expect:"], {}],
  // Names that are as long as those that matter, and do not
  [["Hist: a", "Expert: 1", "Connectiom: close", "Content-Lengtn: x", "Transfer-Encodinh: x"], {}],
  [["X: \xe9"], {}],
];

const wrong: [lines: string[], code: string][] = [
  [["Host: a"], "HOST_REPEATED"],
  [["host: b"], "HOST_REPEATED"],
  [["Host:"], "HOST_REPEATED"],
  [["Content-Length: 5", "Content-Length: 5"], "CONTENT_LENGTH_REPEATED"],
  [["Content-Length: 5", "content-length: 6"], "CONTENT_LENGTH_REPEATED"],
  [["Content-Length: 0", "Content-Length: 0"], "CONTENT_LENGTH_REPEATED"],
  [["Content-Length: 5, 5"], "CONTENT_LENGTH_INVALID"],
  [["Content-Length: 5,"], "CONTENT_LENGTH_INVALID"],
  [["Content-Length:"], "CONTENT_LENGTH_INVALID"],
  [["Content-Length: +5"], "CONTENT_LENGTH_INVALID"],
  [["Content-Length: -5"], "CONTENT_LENGTH_INVALID"],
  [["Content-Length: 0x5"], "CONTENT_LENGTH_INVALID"],
  [["Content-Length: 5 5"], "CONTENT_LENGTH_INVALID"],
  [["Content-Length: 5a"], "CONTENT_LENGTH_INVALID"],
  [["Content-Length: 5.0"], "CONTENT_LENGTH_INVALID"],
  [["Content-Length: 5e0"], "CONTENT_LENGTH_INVALID"],
  [["Content-Length: 1_0"], "CONTENT_LENGTH_INVALID"],
  [["Content-Length: \xb2"], "CONTENT_LENGTH_INVALID"],
  [['Content-Length: "5"'], "CONTENT_LENGTH_INVALID"],
  [["Content-Length: 9007199254740993"], "BODY_TOO_LARGE"],
  [["Content-Length: 18446744073709551621"], "BODY_TOO_LARGE"], // 2^64 + 5
  [[`Content-Length: ${"9".repeat(400)}`], "BODY_TOO_LARGE"],
  [["Transfer-Encoding: gzip"], "TRANSFER_ENCODING_INVALID"],
  [["Transfer-Encoding: identity"], "TRANSFER_ENCODING_INVALID"],
  [["Transfer-Encoding:"], "TRANSFER_ENCODING_INVALID"],
  [["Transfer-Encoding: ,"], "TRANSFER_ENCODING_INVALID"],
  [["Transfer-Encoding: chunked, gzip"], "TRANSFER_ENCODING_INVALID"],
  [["Transfer-Encoding: chunked, chunked"], "TRANSFER_ENCODING_INVALID"],
  [["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], "TRANSFER_ENCODING_INVALID"],
  [["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], "TRANSFER_ENCODING_INVALID"],
  [["Transfer-Encoding: chunked, gzip, chunked"], "TRANSFER_ENCODING_INVALID"],
  [["Transfer-Encoding: chunked;q=1"], "TRANSFER_ENCODING_INVALID"],
  [["Transfer-Encoding: xchunked"], "TRANSFER_ENCODING_INVALID"],
  [["Transfer-Encoding: chunkedx"], "TRANSFER_ENCODING_INVALID"],
  [["Transfer-Encoding: chunked\xa0"], "TRANSFER_ENCODING_INVALID"],
  [["Transfer-Encoding: \x85chunked"], "TRANSFER_ENCODING_INVALID"],
  [['Transfer-Encoding: "chunked"'], "TRANSFER_ENCODING_INVALID"],
  [["Transfer-Encoding: chunked chunked"], "TRANSFER_ENCODING_INVALID"],
  [['Transfer-Encoding: gzip;a="b, chunked"'], "TRANSFER_ENCODING_INVALID"],
  [["Transfer-Encoding: gzip, chunked"], "TRANSFER_CODING_UNKNOWN"],
  [["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"], "TRANSFER_CODING_UNKNOWN"],
  [["Transfer-Encoding: identity, chunked"], "TRANSFER_CODING_UNKNOWN"],
  [["Transfer-Encoding: chunked", "Content-Length: 5"], "TRANSFER_ENCODING_WITH_LENGTH"],
  [["Content-Length: 0", "Transfer-Encoding: chunked"], "TRANSFER_ENCODING_WITH_LENGTH"],
  [["Connection: close;"], "CONNECTION_INVALID"],
  [["Connection: a b"], "CONNECTION_INVALID"],
  [['Connection: "close"'], "CONNECTION_INVALID"],
  [["Connection: close, @"], "CONNECTION_INVALID"],
  [["Connection: cl\xf6se"], "CONNECTION_INVALID"],
  [["Expect: 200-ok"], "EXPECTATION_FAILED"],
  [["Expect: 100-continue; a=b"], "EXPECTATION_FAILED"],
  [["Expect: 100-continue, x"], "EXPECTATION_FAILED"],
  [["Expect: 100-continue=1"], "EXPECTATION_FAILED"],
  [["Expect: 100"], "EXPECTATION_FAILED"],
  [["Expect: 100-continue", "Expect: x"], "EXPECTATION_FAILED"],
  // what the readers below say is passed on
  [[" folded"], "FIELD_FOLDED"],
  [["A : b"], "FIELD_NAME_INVALID"],
  [["Transfer-Encoding : chunked"], "FIELD_NAME_INVALID"],
  [["Content-Length\t: 5"], "FIELD_NAME_INVALID"],
  [["A: \0"], "FIELD_VALUE_INVALID"],
  [["A: b\nTransfer-Encoding: chunked"], "LINE_ENDING_INVALID"],
  // What is wrong first is said, also when all of it comes at once.
  [["Expect: x", " folded"], "EXPECTATION_FAILED"],
  [["Content-Length: x", "A\0: b"], "CONTENT_LENGTH_INVALID"],
  [["Host: b", "A: \0"], "HOST_REPEATED"],
  [["A: \0", "Host: b"], "FIELD_VALUE_INVALID"],
];

/** Whole heads: other methods, targets, versions. */
const wholes: [data: string, different: Partial<Seen> | string][] = [
  [head("GET / HTTP/1.1"), "HOST_MISSING"],
  [head("GET / HTTP/1.1", "X: y", "Hosts: a"), "HOST_MISSING"],
  [head("GET http://a/ HTTP/1.1"), "HOST_MISSING"], // also where the target has one
  // "http" has no empty host (RFC 9110 §4.2.1): nobody says whom an origin-form target is for
  [head("GET / HTTP/1.1", "Host:"), "HOST_INVALID"],
  [head("GET / HTTP/1.1", "Host: \t "), "HOST_INVALID"],
  [head("OPTIONS /a?b HTTP/1.1", "X: y", "host:"), "HOST_INVALID"],
  [head("RICKROLL // HTTP/1.9", "Host:"), "HOST_INVALID"],
  // HTTP/1.0 needs no Host field, and an empty one says no more than none
  [
    head("GET / HTTP/1.0", "Host:"),
    { version: "HTTP/1.0", authority: null, fields: [["Host", ""]], persistent: false },
  ],
  [head("GET / HTTP/1.0", "Host:", "Host: a"), "HOST_REPEATED"],
  [head("GET / HTTP/1.1", "Host: a b"), "HOST_INVALID"],
  [head("GET / HTTP/1.1", "Host: a/"), "HOST_INVALID"],
  [head("GET / HTTP/1.1", "Host: b@a"), "HOST_INVALID"],
  [head("GET / HTTP/1.1", "Host: a, b"), "HOST_INVALID"],
  [head("GET / HTTP/1.0", "Host: a b"), "HOST_INVALID"],
  [head("GET / HTTP/1.0", "Host: a", "Host: a"), "HOST_REPEATED"],
  [head("GET / HTTP/1.1", "Host: [::1]:80"), { authority: "[::1]:80", fields: [["Host", "[::1]:80"]] }],
  [head("\r\n\r\nGET / HTTP/1.1", "Host: a"), {}],
  // HTTP/1.0 needs no Host, and closes unless told otherwise (RFC 9112 §9.3)
  [head("GET / HTTP/1.0"), { version: "HTTP/1.0", authority: null, fields: [], persistent: false }],
  [
    head("GET / HTTP/1.0", "Connection: Keep-Alive"),
    { version: "HTTP/1.0", authority: null, fields: [["Connection", "Keep-Alive"]] },
  ],
  [
    head("GET / HTTP/1.0", "Connection: keep-alive, close"),
    { version: "HTTP/1.0", authority: null, fields: [["Connection", "keep-alive, close"]], persistent: false },
  ],
  // "ignore that expectation" (RFC 9110 §10.1.1)
  [
    head("GET / HTTP/1.0", "Expect: 100-continue"),
    { version: "HTTP/1.0", authority: null, fields: [["Expect", "100-continue"]], persistent: false },
  ],
  [
    head("GET / HTTP/1.0", "Expect: x"),
    { version: "HTTP/1.0", authority: null, fields: [["Expect", "x"]], persistent: false },
  ],
  [head("POST / HTTP/1.0", "Transfer-Encoding: chunked"), "TRANSFER_ENCODING_TOO_EARLY"],
  [head("POST / HTTP/1.0", "Transfer-Encoding: chunked", "Content-Length: 5"), "TRANSFER_ENCODING_TOO_EARLY"],
  // "HTTP/1.2" is a 1.1 here
  [head("GET / HTTP/1.7", "Host: a"), {}],
  [head("GET / HTTP/1.7"), "HOST_MISSING"],
  // methods are case-sensitive, and any token is one
  [head("get / HTTP/1.1", "Host: a"), { method: "get" }],
  ...[
    "GE",
    "GETT",
    "PUTT",
    "PU",
    "Get",
    "POSX",
    "XOST",
    "POST",
    "PUT",
    "HEAD",
    "QUERY",
    "PATCH",
    "DELETE",
    "OPTION",
  ].map((method): [string, Partial<Seen>] => [head(`${method} / HTTP/1.1`, "Host: a"), { method }]),
  [head("RICKROLL /x?y HTTP/1.1", "Host: a"), { method: "RICKROLL", target: "/x?y" }],
  // absolute-form: its authority counts, not the Host field's (RFC 9112 §3.2.2)
  [head("GET http://b:81/c HTTP/1.1", "Host: a"), { target: "http://b:81/c", authority: "b:81" }],
  [head("OPTIONS http://b HTTP/1.1", "Host: a"), { method: "OPTIONS", target: "http://b", authority: "b" }],
  [head("GET http://b/ HTTP/1.1", "Host: b"), { target: "http://b/", authority: "b", fields: [["Host", "b"]] }],
  [head("GET http://b/ HTTP/1.1", "Host:"), { target: "http://b/", authority: "b", fields: [["Host", ""]] }],
  [
    head("GET http://b HTTP/1.0"),
    { target: "http://b", authority: "b", version: "HTTP/1.0", fields: [], persistent: false },
  ],
  // "… or a Host header field with an invalid field value" (§3.2) is refused with any target
  [head("GET http://b/ HTTP/1.1", "Host: a b"), "HOST_INVALID"],
  [head("GET http://b/ HTTP/1.1", "Host: b", "Host: b"), "HOST_REPEATED"],
  [head("OPTIONS * HTTP/1.1", "Host: a b"), "HOST_INVALID"],
  [head("GET http://user@b/ HTTP/1.1", "Host: a"), "TARGET_INVALID"],
  [head("GET ftp://b/ HTTP/1.1", "Host: a"), "TARGET_INVALID"],
  // asterisk-form is OPTIONS' (§3.2.4)
  [head("OPTIONS * HTTP/1.1", "Host: a"), { method: "OPTIONS", target: "*" }],
  [head("OPTIONS * HTTP/1.1", "Host:"), { method: "OPTIONS", target: "*", authority: null, fields: [["Host", ""]] }],
  [head("OPTIONS * HTTP/1.1"), "HOST_MISSING"],
  [head("GET * HTTP/1.1", "Host: a"), "TARGET_INVALID"],
  [head("options * HTTP/1.1", "Host: a"), "TARGET_INVALID"],
  [head("CONNECT * HTTP/1.1", "Host: a"), "TARGET_INVALID"],
  [head("OPTIONS ** HTTP/1.1", "Host: a"), "TARGET_INVALID"],
  // authority-form is CONNECT's (§3.2.3)
  [head("CONNECT b:443 HTTP/1.1", "Host: a"), { method: "CONNECT", target: "b:443", authority: "b:443" }],
  [
    head("CONNECT b:443 HTTP/1.1", "Host:"),
    { method: "CONNECT", target: "b:443", authority: "b:443", fields: [["Host", ""]] },
  ],
  [head("CONNECT b:443 HTTP/1.1"), "HOST_MISSING"],
  [head("GET b:443 HTTP/1.1", "Host: a"), "TARGET_INVALID"],
  [head("CONNECT / HTTP/1.1", "Host: a"), "TARGET_INVALID"],
  [head("CONNECT b HTTP/1.1", "Host: a"), "TARGET_INVALID"],
  [head("CONNECT [::1] HTTP/1.1", "Host: a"), "TARGET_INVALID"],
  [head("CONNECT http://b:443/ HTTP/1.1", "Host: a"), "TARGET_INVALID"],
  [head("GET b HTTP/1.1", "Host: a"), "TARGET_INVALID"],
  // The framing is judged first: nobody may be unsure where the request ends.
  [head("GET b HTTP/1.1", "Transfer-Encoding: chunked", "Content-Length: 1"), "TRANSFER_ENCODING_WITH_LENGTH"],
  // the request line's
  [head("GET / HTTP/2.0", "Host: a"), "VERSION_UNSUPPORTED"],
  [head("GET / HTTP/1.1 ", "Host: a"), "VERSION_INVALID"],
  [head("GET /# HTTP/1.1", "Host: a"), "TARGET_INVALID"],
  [head("GET(/ HTTP/1.1", "Host: a"), "METHOD_INVALID"],
];

function expectEverywhere(data: string, expected: Seen | string): void {
  for (const split of SPLITS) {
    for (const trailing of TRAILING) assert.deepEqual(read(data + trailing, split), expected);
  }
  if (typeof expected === "object") {
    for (let end = 0; end < data.length; end++) assert.equal(read(data.slice(0, end), [end >> 1]), null);
  }
}

describe("a head", () => {
  for (const [lines, different] of right) {
    test(`right: ${JSON.stringify(lines)}`, () => {
      const fields = ["Host: a", ...lines].map((line): [string, string] => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "")];
      });
      expectEverywhere(head("GET / HTTP/1.1", "Host: a", ...lines), { ...plain, fields, ...different });
    });
  }
  for (const [lines, code] of wrong) {
    test(`wrong: ${JSON.stringify(lines).slice(0, 80)} is ${code}`, () => {
      expectEverywhere(head("GET / HTTP/1.1", "Host: a", ...lines), code);
    });
  }
  for (const [data, result] of wholes) {
    test(`${JSON.stringify(data)}${typeof result === "string" ? ` is ${result}` : ""}`, () => {
      expectEverywhere(data, typeof result === "string" ? result : { ...plain, ...result });
    });
  }

  test("what is wrong with a line is said as soon as the line is there", () => {
    assert.equal(read("GET / HTTP/1.1\r\nHost: a b\r\n", "bytes"), "HOST_INVALID");
    assert.equal(read("GET / HTTP/1.1\r\nContent-Length: 9007199254740993\r\n", "bytes"), "BODY_TOO_LARGE");
    assert.equal(read("GET / HTTP/1.1\r\nExpect: x\r\n", "whole"), "EXPECTATION_FAILED");
  });

  test("any length is right where there is no limit, but none is a number that is not exact", () => {
    const none = { maxBodySize: Infinity };
    const largest = read(head("PUT / HTTP/1.1", "Host: a", "Content-Length: 9007199254740991"), "whole", none);
    assert.equal(typeof largest === "object" && largest?.contentLength, Number.MAX_SAFE_INTEGER);
    assert.equal(
      read(head("PUT / HTTP/1.1", "Host: a", "Content-Length: 9007199254740992"), "whole", none),
      "BODY_TOO_LARGE",
    );
  });

  test("a reader that was reset remembers nothing of the head before", () => {
    const reader = new HeadReader(limitsFrom({}));
    const first = head(
      "POST http://b/ HTTP/1.0",
      "Host: a",
      "Content-Length: 5",
      "Connection: close, keep-alive",
      "X: y",
    );
    assert.equal(reader.read(bytes(first), 0, first.length), first.length);
    const kept = reader.take(bytes(first), 0, first.length);
    const before = seen(kept);
    assert.equal(reader.started, false);

    const second = head("GET / HTTP/1.1", "Host: a");
    assert.equal(reader.read(bytes(second), 0, second.length), second.length);
    assert.deepEqual(seen(reader.take(bytes(second), 0, second.length)), plain);
    assert.deepEqual(seen(kept), before, "the first head has changed");

    for (const lines of [["Expect: 100-continue"], ["Transfer-Encoding: chunked"], ["Expect: x"], ["A\0"]]) {
      reader.reset();
      const other = head("GET / HTTP/1.1", "Host: a", ...lines);
      reader.read(bytes(other), 0, other.length);
    }
    reader.reset();
    assert.equal(reader.error, null);
    assert.equal(reader.read(bytes(second), 0, second.length), second.length);
    assert.deepEqual(seen(reader.take(bytes(second), 0, second.length)), plain);
  });

  test("the method is known as soon as it has come, for the response to a head that is wrong", () => {
    const reader = new HeadReader(limitsFrom({}));
    const methodAfter = (data: string): string => {
      reader.reset();
      reader.read(bytes(data), 0, data.length);
      return reader.method(bytes(data), 0);
    };
    assert.equal(methodAfter("HEAD /# HTTP/1.1\r\n"), "HEAD");
    assert.equal(methodAfter("\r\nHEAD / HTTP/1.1\r\nA\0"), "HEAD");
    assert.equal(methodAfter("HEAD"), "");
    assert.equal(methodAfter("HE\0AD / HTTP/1.1\r\n"), "");
    assert.equal(methodAfter("\r\n\r\n\r\nHE\0"), "");
  });

  test("a long run of white space inside a list is read in one pass", () => {
    const gap = " ".repeat(32_000);
    const data: [string, string | undefined][] = [
      [head("GET / HTTP/1.1", "Host: a", `Connection: a${gap}b`), "CONNECTION_INVALID"],
      [head("GET / HTTP/1.1", "Host: a", `Transfer-Encoding: a${gap}b`), "TRANSFER_ENCODING_INVALID"],
      [head("GET / HTTP/1.1", "Host: a", `Expect: a${gap}b`), "EXPECTATION_FAILED"],
      [head("GET / HTTP/1.1", "Host: a", `X: a${gap}b`), undefined],
    ];
    const before = process.cpuUsage();
    for (let i = 0; i < 50; i++) {
      for (const [text, code] of data) {
        const result = read(text);
        assert.equal(typeof result === "string" ? result : undefined, code);
      }
    }
    // Trying each space anew as the first of the last ones would take half a minute of the processor; one pass takes far
    // less than a second.
    assert.ok(process.cpuUsage(before).user < 10_000_000, "reading white space takes more than linear time");
  });
});
