/** The request line by itself (RFC 9112 §3): whole, byte by byte, and with other bytes behind it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RequestLineReader } from "../../src/protocol/http1/request_line.ts";
import { bytes, readPieces, type Split } from "../support/bytes.ts";

interface Line {
  readonly method: string;
  readonly target: string;
  readonly minor: number;
  readonly originForm: boolean;
}

/** What a reader makes of `data`: the line and its length, the code of an error, or null when it wants more. */
function read(data: string, split: Split, maxTargetSize = 100): (Line & { length: number }) | string | null {
  const reader = new RequestLineReader(maxTargetSize);
  const length = readPieces(bytes(data), split, (...where) => reader.read(...where));
  if (length === 0) return null;
  if (length < 0) {
    assert.ok(reader.error !== null);
    return reader.error.code;
  }
  assert.equal(reader.error, null);
  return {
    method: data.slice(reader.methodStart, reader.methodEnd),
    target: data.slice(reader.targetStart, reader.targetEnd),
    minor: reader.minor,
    originForm: reader.originForm,
    length,
  };
}

const SPLITS: Split[] = ["whole", "bytes", [1], [4], [5], [2, 3, 9]];
const TRAILING = ["", "\r\n", "Host: a\r\n\r\n", "\n", " ", "\0", "GET / HTTP/1.1\r\n"];

const origin = (method: string, target: string, minor = 1): Line => ({ method, target, minor, originForm: true });
const other = (method: string, target: string, minor = 1): Line => ({ method, target, minor, originForm: false });

const right: [data: string, line: Line][] = [
  ["GET / HTTP/1.1\r\n", origin("GET", "/")],
  ["GET / HTTP/1.0\r\n", origin("GET", "/", 0)],
  // "HTTP/1.2" gets a response as the highest minor version known (RFC 9110 §2.5)
  ["GET / HTTP/1.2\r\n", origin("GET", "/")],
  ["GET / HTTP/1.9\r\n", origin("GET", "/")],
  // any token is a method (RFC 9110 §9.1), letter for letter
  ["get / HTTP/1.1\r\n", origin("get", "/")],
  ["RICKROLL / HTTP/1.1\r\n", origin("RICKROLL", "/")],
  ["M-SEARCH * HTTP/1.1\r\n", other("M-SEARCH", "*")],
  ["!#$%&'*+-.^_`|~0aZ / HTTP/1.1\r\n", origin("!#$%&'*+-.^_`|~0aZ", "/")],
  [`${"M".repeat(5000)} / HTTP/1.1\r\n`, origin("M".repeat(5000), "/")],
  // every character of a path and of a query (RFC 3986 §3.3, §3.4)
  ["GET /aZ09-._~!$&'()*+,;=:@%20// HTTP/1.1\r\n", origin("GET", "/aZ09-._~!$&'()*+,;=:@%20//")],
  ["GET /?aZ09-._~!$&'()*+,;=:@%20/? HTTP/1.1\r\n", origin("GET", "/?aZ09-._~!$&'()*+,;=:@%20/?")],
  // and those that browsers send as they are
  ["GET /[]|^ HTTP/1.1\r\n", origin("GET", "/[]|^")],
  ["GET /?[]|^\\`{} HTTP/1.1\r\n", origin("GET", "/?[]|^\\`{}")],
  ["GET //x HTTP/1.1\r\n", origin("GET", "//x")],
  // the other forms; what they hold is looked at later
  ["OPTIONS * HTTP/1.1\r\n", other("OPTIONS", "*")],
  ["GET http://a/?b HTTP/1.1\r\n", other("GET", "http://a/?b")],
  ["CONNECT a:80 HTTP/1.1\r\n", other("CONNECT", "a:80")],
  ["GET ?a HTTP/1.1\r\n", other("GET", "?a")],
  // empty lines before it (§2.2)
  ["\r\nGET / HTTP/1.1\r\n", origin("GET", "/")],
  ["\r\n\r\n\r\nGET / HTTP/1.1\r\n", origin("GET", "/")],
];

const wrong: [data: string, code: string][] = [
  [" GET / HTTP/1.1\r\n", "METHOD_INVALID"],
  ["\tGET / HTTP/1.1\r\n", "METHOD_INVALID"],
  ["\nGET / HTTP/1.1\r\n", "METHOD_INVALID"],
  ["\r\n\nGET / HTTP/1.1\r\n", "METHOD_INVALID"],
  ["\0", "METHOD_INVALID"],
  ["G\xc9T / HTTP/1.1\r\n", "METHOD_INVALID"],
  ["GET\t/ HTTP/1.1\r\n", "METHOD_INVALID"],
  ["GET\r\n", "METHOD_INVALID"],
  ["GET\n", "METHOD_INVALID"],
  ["GET: / HTTP/1.1\r\n", "METHOD_INVALID"],
  ["(GET) / HTTP/1.1\r\n", "METHOD_INVALID"],
  ["\x16\x03\x01\x02\x00", "METHOD_INVALID"], // a TLS handshake
  ["GET  / HTTP/1.1\r\n", "TARGET_INVALID"],
  ["GET \t/ HTTP/1.1\r\n", "TARGET_INVALID"],
  ["GET /\t HTTP/1.1\r\n", "TARGET_INVALID"],
  ["GET /# HTTP/1.1\r\n", "TARGET_INVALID"],
  ["GET /?# HTTP/1.1\r\n", "TARGET_INVALID"],
  ["GET http://a/# HTTP/1.1\r\n", "TARGET_INVALID"],
  ['GET /" HTTP/1.1\r\n', "TARGET_INVALID"],
  ["GET /< HTTP/1.1\r\n", "TARGET_INVALID"],
  ["GET /> HTTP/1.1\r\n", "TARGET_INVALID"],
  ["GET /\\ HTTP/1.1\r\n", "TARGET_INVALID"],
  ["GET /{ HTTP/1.1\r\n", "TARGET_INVALID"],
  ["GET /` HTTP/1.1\r\n", "TARGET_INVALID"],
  ['GET /?" HTTP/1.1\r\n', "TARGET_INVALID"],
  ["GET /?< HTTP/1.1\r\n", "TARGET_INVALID"],
  ["GET /\0 HTTP/1.1\r\n", "TARGET_INVALID"],
  ["GET /\x7f HTTP/1.1\r\n", "TARGET_INVALID"],
  ["GET /\x80 HTTP/1.1\r\n", "TARGET_INVALID"],
  ["GET /?\xff HTTP/1.1\r\n", "TARGET_INVALID"],
  // HTTP/0.9, and a line that ends too early
  ["GET /\r\n", "VERSION_INVALID"],
  ["GET /\n", "VERSION_INVALID"],
  ["GET /?\r", "VERSION_INVALID"],
  ["GET / \r\n", "VERSION_INVALID"],
  ["GET /  HTTP/1.1\r\n", "VERSION_INVALID"],
  ["GET / http/1.1\r\n", "VERSION_INVALID"],
  ["GET / IHTP/1.1\r\n", "VERSION_INVALID"],
  ["GET / HXTP/1.1\r\n", "VERSION_INVALID"],
  ["GET / HTXP/1.1\r\n", "VERSION_INVALID"],
  ["GET / HTTQ/1.1\r\n", "VERSION_INVALID"],
  ["GET / HTTP\\1.1\r\n", "VERSION_INVALID"],
  ["GET / HTTP 1.1\r\n", "VERSION_INVALID"],
  ["GET / HTTPS/1.1\r\n", "VERSION_INVALID"],
  ["GET / HTTP/1\r\n", "VERSION_INVALID"],
  ["GET / HTTP/11.1\r\n", "VERSION_INVALID"],
  ["GET / HTTP/1.10\r\n", "VERSION_INVALID"],
  ["GET / HTTP/1,1\r\n", "VERSION_INVALID"],
  ["GET / HTTP/a.1\r\n", "VERSION_INVALID"],
  ["GET / HTTP/1.a\r\n", "VERSION_INVALID"],
  ["GET / HTTP/-1.1\r\n", "VERSION_INVALID"],
  ["GET / HTTP/1.1 \r\n", "VERSION_INVALID"],
  ["GET / HTTP/1.1\n", "VERSION_INVALID"],
  ["GET / HTTP/1.1\r\r\n", "VERSION_INVALID"],
  ["GET / HTTP/1.1\rX", "VERSION_INVALID"],
  ["GET / /b HTTP/1.1\r\n", "VERSION_INVALID"],
  ["GET / HTTP/2.0\r\n", "VERSION_UNSUPPORTED"],
  ["GET / HTTP/0.9\r\n", "VERSION_UNSUPPORTED"],
  ["GET / HTTP/3.0\r\n", "VERSION_UNSUPPORTED"],
  ["PRI * HTTP/2.0\r\n", "VERSION_UNSUPPORTED"],
  ["\rGET / HTTP/1.1\r\n", "LINE_ENDING_INVALID"],
  ["\r\r\nGET / HTTP/1.1\r\n", "LINE_ENDING_INVALID"],
];

describe("a request line", () => {
  for (const [data, line] of right) {
    test(`right: ${JSON.stringify(data.slice(0, 60))}`, () => {
      for (const split of SPLITS) {
        for (const trailing of TRAILING) {
          assert.deepEqual(read(data + trailing, split), { ...line, length: data.length });
        }
      }
      // and never before its last byte
      for (let end = 0; end < data.length; end += end < 40 ? 1 : 500)
        assert.equal(read(data.slice(0, end), "bytes"), null);
    });
  }

  for (const [data, code] of wrong) {
    test(`wrong: ${JSON.stringify(data)} is ${code}`, () => {
      for (const split of SPLITS) {
        for (const trailing of TRAILING) assert.equal(read(data + trailing, split), code);
      }
    });
  }

  test("every byte is a method's, or is refused", () => {
    const tchar = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/; // RFC 9110 §5.6.2
    for (let c = 0; c < 256; c++) {
      const method = `A${String.fromCharCode(c)}Z`;
      const result = read(`${method} / HTTP/1.1\r\n`, "whole");
      if (tchar.test(method[1])) assert.deepEqual(result, { ...origin("", "/"), method, length: 16 });
      else assert.equal(result, c === 0x20 ? "VERSION_INVALID" : "METHOD_INVALID", `byte ${c}`);
    }
  });

  test("every byte is a path's, a query's, both, or is refused", () => {
    const pchar = /^[-A-Za-z0-9._~!$&'()*+,;=:@/%[\]|^]$/; // RFC 3986 §3.3, and what browsers send
    const query = /^[-A-Za-z0-9._~!$&'()*+,;=:@/%?[\]|^\\`{}]$/; // RFC 3986 §3.4, likewise
    for (let c = 0; c < 256; c++) {
      const character = String.fromCharCode(c);
      if (c === 0x20 || c === 0x0a || c === 0x0d) continue; // they end it
      const inPath = read(`GET /a${character}b HTTP/1.1\r\n`, "whole");
      if (pchar.test(character) || character === "?") assert.equal(typeof inPath, "object", `byte ${c} in a path`);
      else assert.equal(inPath, "TARGET_INVALID", `byte ${c} in a path`);
      const inQuery = read(`GET /?a${character}b HTTP/1.1\r\n`, "whole");
      if (query.test(character)) assert.equal(typeof inQuery, "object", `byte ${c} in a query`);
      else assert.equal(inQuery, "TARGET_INVALID", `byte ${c} in a query`);
    }
  });

  test("a target may be as long as the limit, and no longer", () => {
    const exactly = "/" + "a".repeat(99);
    for (const split of SPLITS) {
      assert.deepEqual(read(`GET ${exactly} HTTP/1.1\r\n`, split), { ...origin("GET", exactly), length: 115 });
      assert.equal(read(`GET ${exactly}`, split), null);
      for (const more of ["a", "?", "%", "aaaa HTTP/1.1\r\n"])
        assert.equal(read(`GET ${exactly}${more}`, split), "TARGET_TOO_LONG");
      assert.equal(read(`GET http://a/${"b".repeat(92)} HTTP/1.1\r\n`, split), "TARGET_TOO_LONG");
      assert.equal(read(`GET /?${"b".repeat(99)} HTTP/1.1\r\n`, split), "TARGET_TOO_LONG");
      // What comes right behind the last character allowed does not make it too long.
      assert.equal(read(`GET ${exactly}\r\n`, split), "VERSION_INVALID");
      assert.equal(read(`GET ${exactly}#`, split), "TARGET_INVALID");
    }
    assert.deepEqual(read(`GET ${exactly}${"a".repeat(5000)} HTTP/1.1\r\n`, "bytes", Infinity), {
      ...origin("GET", exactly + "a".repeat(5000)),
      length: 5115,
    });
  });

  test("empty lines are not yet a request; anything else is", () => {
    const reader = new RequestLineReader(100);
    const data = bytes("\r\n\r\nG");
    assert.equal(reader.started, false);
    for (const end of [1, 2, 3, 4]) {
      assert.equal(reader.read(data, 0, end), 0);
      assert.equal(reader.started, false);
    }
    assert.equal(reader.read(data, 0, 5), 0);
    assert.equal(reader.started, true);

    const whole = new RequestLineReader(100);
    assert.equal(whole.read(bytes("GET / HTTP/1.1\r\n"), 0, 16), 16);
    assert.equal(whole.started, true, "also when the line came in one piece");
  });

  test("a reader that was reset reads the next line as if it were the first", () => {
    const reader = new RequestLineReader(100);
    for (const [data, line] of right) {
      assert.equal(reader.read(bytes(data), 0, data.length), data.length);
      assert.equal(reader.minor, line.minor);
      reader.reset();
      assert.equal(reader.started, false);
      assert.equal(reader.methodEnd, 0);
    }
    for (const [data, code] of wrong) {
      assert.equal(reader.read(bytes(data), 0, data.length), -1);
      assert.equal(reader.error?.code, code);
      reader.reset();
      assert.equal(reader.error, null);
    }
  });
});
