/** The reader of `inject`'s client: however the bytes of a response fall, and whatever stands behind them, it reads the same. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { ResponseReader } from "../../src/server/response_reader.ts";

interface Seen {
  readonly status: number;
  readonly reason: string;
  readonly fields: readonly (readonly string[])[];
  readonly interim: readonly number[];
  readonly body: string;
  readonly trailers: readonly (readonly string[])[] | null;
  readonly ended: boolean;
}

/** Reads a response whose bytes come in pieces that end at these places. */
function read(method: string, text: string, cuts: readonly number[], closes = false): Seen {
  const reader = new ResponseReader(method);
  const bytes = new Uint8Array(Buffer.from(text, "latin1"));
  const ends = [...new Set(cuts.filter((cut) => cut > 0 && cut < bytes.length))].sort((a, b) => a - b);
  let body = "";
  let from = 0;
  for (const end of [...ends, bytes.length]) {
    reader.feed([bytes.slice(from, end)]);
    from = end;
    if (!reader.readHead()) continue;
    for (let piece; (piece = reader.readContent()) !== null;) {
      assert.ok(piece.length > 0);
      body += piece.toString("latin1");
    }
  }
  if (closes) reader.feedEnd();
  const { status, reason, headers, informational, trailers, ended } = reader;
  return {
    status,
    reason,
    fields: [...(headers ?? [])],
    interim: informational.map((one) => one.status),
    body,
    trailers: trailers === undefined ? null : [...trailers],
    ended,
  };
}

const HEAD = "HTTP/1.1 200 All right\r\nX-A: 1\r\nX-a: \r\n";
const seen = { status: 200, reason: "All right", interim: [], trailers: null, ended: true };
const FIELDS = [
  ["X-A", "1"],
  ["X-a", ""],
];

const cases: Record<string, [method: string, text: string, expected: Seen, closes?: boolean]> = {
  counted: [
    "GET",
    `${HEAD}Content-Length: 5\r\n\r\nhello`,
    { ...seen, fields: [...FIELDS, ["Content-Length", "5"]], body: "hello" },
  ],
  "counted, and empty": [
    "GET",
    `${HEAD}Content-Length: 0\r\n\r\n`,
    { ...seen, fields: [...FIELDS, ["Content-Length", "0"]], body: "" },
  ],
  chunked: [
    "POST",
    `${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\na\r\n\r\n there\r\n\r\n0\r\n\r\n`,
    { ...seen, fields: [...FIELDS, ["Transfer-Encoding", "chunked"]], body: "hello\r\n there\r\n" },
  ],
  "chunked, with trailers": [
    "GET",
    `${HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\nX-T: 1\r\nX-U: 2\r\n\r\n`,
    {
      ...seen,
      fields: [...FIELDS, ["Transfer-Encoding", "chunked"]],
      body: "",
      trailers: [
        ["X-T", "1"],
        ["X-U", "2"],
      ],
    },
  ],
  "behind interim responses": [
    "GET",
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${HEAD}Content-Length: 1\r\n\r\nx`,
    { ...seen, fields: [...FIELDS, ["Content-Length", "1"]], body: "x", interim: [100, 103] },
  ],
  "of a HEAD": [
    "HEAD",
    `${HEAD}Content-Length: 5\r\n\r\n`,
    { ...seen, fields: [...FIELDS, ["Content-Length", "5"]], body: "" },
  ],
  "without content": ["GET", "HTTP/1.1 204 \r\n\r\n", { ...seen, status: 204, reason: "", fields: [], body: "" }],
  "up to the close": ["CONNECT", `${HEAD}\r\nhello\r\n`, { ...seen, fields: FIELDS, body: "hello\r\n" }, true],
};

describe("a response", () => {
  for (const [name, [method, text, expected, closes]] of Object.entries(cases)) {
    const all = Array.from({ length: text.length }, (_, i) => i);
    test(`${name} is read whole, and byte by byte`, () => {
      assert.deepEqual(read(method, text, [], closes), expected);
      assert.deepEqual(read(method, text, all, closes), expected);
    });

    test(`${name} is read in whatever pieces`, () => {
      fc.assert(
        fc.property(fc.subarray(all), (cuts) => {
          assert.deepEqual(read(method, text, cuts, closes), expected);
        }),
      );
    });

    test(`${name} is not whole before its last byte, and nothing behind that is part of it`, () => {
      for (const end of all) {
        const { ended, body } = read(method, text.slice(0, end), []);
        assert.equal(ended, false, `with ${end} bytes`);
        assert.ok(expected.body.startsWith(body));
      }
      if (closes !== true) assert.deepEqual(read(method, text + "HTTP/1.1 200 OK\r\n", all), expected);
    });
  }
});
