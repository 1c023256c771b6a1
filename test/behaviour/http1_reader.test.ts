/** The suite's reader of responses: what it reads however the bytes come, and what it refuses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ResponseReader } from "./http1_reader.ts";
import { CutOff } from "./mode.ts";

/** Gives a text whole, or byte by byte. */
function sourceOf(text: string, size: number): () => Promise<Uint8Array | null> {
  const bytes = Buffer.from(text, "latin1");
  let at = 0;
  return async () => (at < bytes.length ? bytes.subarray(at, (at += size)) : null);
}

/** Reads one response, and says what has come behind it. */
async function read(text: string, method = "GET", size = Infinity): Promise<{ response: unknown[]; rest: string }> {
  const reader = new ResponseReader(sourceOf(text, size));
  const { status, reason, headers } = await reader.head(method);
  let body = "";
  if (status >= 200) for (let piece; (piece = await reader.content()) !== null;) body += piece.toString("latin1");
  return { response: [status, reason, headers.lines, body, reader.trailers?.lines], rest: reader.rest };
}

const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const length = (n: number | string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${n}\r\n\r\n`;

for (const [what, text, method, wanted] of [
  ["counted", length(5) + "hello", "GET", [200, "OK", [["Content-Length", "5"]], "hello", undefined]],
  [
    "chunked",
    CHUNKED + "3\r\nhel\r\n00002\r\nlo\r\n0\r\n\r\n",
    "GET",
    [200, "OK", [["Transfer-Encoding", "chunked"]], "hello", undefined],
  ],
  [
    "chunked, with trailers",
    CHUNKED + "a\r\n0123456789\r\n0\r\nX-A: 1\r\nx-a:\r\n\r\n",
    "GET",
    [
      200,
      "OK",
      [["Transfer-Encoding", "chunked"]],
      "0123456789",
      [
        ["X-A", "1"],
        ["x-a", ""],
      ],
    ],
  ],
  ["HEAD", length(5), "HEAD", [200, "OK", [["Content-Length", "5"]], "", undefined]],
  ["304", "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", "GET", [304, "", [["Content-Length", "5"]], "", undefined]],
  ["204", "HTTP/1.1 204 No Content\r\n\r\n", "GET", [204, "No Content", [], "", undefined]],
  [
    "interim",
    "HTTP/1.1 103 Early Hints\r\nA: \t b c \r\n\r\n",
    "GET",
    [103, "Early Hints", [["A", "b c"]], "", undefined],
  ],
] as const) {
  test(`a response is read whole, byte by byte, and with another behind it: ${what}`, async () => {
    for (const size of [Infinity, 1, 7]) {
      assert.deepEqual(await read(text, method, size), { response: wanted, rest: "" });
      assert.deepEqual((await read(text + text, method, size)).response, wanted);
    }
    assert.deepEqual(await read(text + text, method), { response: wanted, rest: text });
  });
}

test("without a length, content ends with the connection", async () => {
  for (const size of [Infinity, 1]) {
    assert.equal((await read("HTTP/1.1 200 OK\r\n\r\nhel\r\nlo", "GET", size)).response[3], "hel\r\nlo");
    assert.equal((await read("HTTP/1.1 200 OK\r\n\r\ntunnel", "CONNECT", size)).response[3], "tunnel");
  }
});

test("a response that ends before it is whole is cut off", async () => {
  const texts = ["", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\nA: b\r\n", length(5) + "hell", CHUNKED, CHUNKED + "3\r\nhe"];
  for (const text of [
    ...texts,
    CHUNKED + "3\r\nhel",
    CHUNKED + "3\r\nhel\r\n",
    CHUNKED + "0\r\n",
    CHUNKED + "0\r\nA: b\r\n",
  ])
    for (const size of [Infinity, 1]) await assert.rejects(read(text, "GET", size), CutOff, JSON.stringify(text));
});

test("what is malformed is refused", async () => {
  for (const text of [
    "HTTP/1.0 200 OK\r\n\r\n",
    "HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/1.1 600 OK\r\n\r\n",
    "HTTP/1.1 200\r\n\r\n",
    "http/1.1 200 OK\r\n\r\n",
    "\r\nHTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 200 OK\nA: b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n B: c\r\n\r\n",
    length("5x"),
    length("-1"),
    length("5\r\nContent-Length: 5") + "hello",
    length("5\r\nTransfer-Encoding: chunked") + "0\r\n\r\n",
    CHUNKED.replace("chunked", "gzip, chunked"),
    CHUNKED + "0x3\r\nhel\r\n0\r\n\r\n",
    CHUNKED + "3;a=b\r\nhel\r\n0\r\n\r\n",
    CHUNKED + "3\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\n\r\n",
  ]) {
    for (const size of [Infinity, 1])
      await assert.rejects(read(text, "GET", size), { name: "AssertionError" }, JSON.stringify(text));
  }
});
