/** Header fields in every call that takes some: what is none throws a TypeError, and nothing of it is sent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseHTTPRequestHandler, type HeaderFields, HTTPError, HTTPServer } from "plinth";

/** No header fields, though some look like it; and what the message says of each. */
const wrong: readonly [what: string, headers: () => unknown, message: RegExp][] = [
  ["a string", () => "X-A", /cannot take "X-A" as header fields: give an object/],
  ["an empty string", () => "", /cannot take "" as header fields/],
  ["a number", () => 5, /cannot take 5 as header fields/],
  ["null", () => null, /cannot take null as header fields/],
  ["a function", () => () => {}, /as header fields/],
  ["a promise", () => Promise.resolve({}), /cannot take \[object Promise\] as header fields/],
  ["a Date", () => new Date(), /cannot take \[object Date\] as header fields/],
  ["bytes", () => new Uint8Array(2), /cannot take 0 as a header field: it must be a pair of name and value/],
  ["names and values by turns", () => ["X-A", "1"], /cannot take "X-A" as a header field/],
  ["strings of two characters", () => ["ab"], /cannot take "ab" as a header field/],
  ["a set of strings", () => new Set(["ab"]), /cannot take "ab" as a header field/],
  ["a list of objects", () => [{ "X-A": "1" }], /cannot take an object as a header field/],
  ["a name alone", () => [["X-A"]], /cannot take an array as a header field/],
  ["three in a pair", () => [["X-A", "1", "2"]], /cannot take an array as a header field/],
  ["an empty name", () => [["", "1"]], /cannot send a field named ""/],
  ["a number as a name", () => [[5, "1"]], /cannot send a field named 5/],
  ["an object as a value", () => ({ "X-A": {} }), /cannot send the field X-A with the value/],
  ["no value", () => ({ "X-A": undefined }), /cannot send the field X-A with the value undefined/],
  ["no value in a pair", () => [["X-A", undefined]], /cannot send the field X-A with the value undefined/],
  ["values in values", () => [["X-A", [["1"]]]], /cannot send the field X-A with the value/],
  ["a value that splits", () => new Map([["X-A", "1\r\nX-B: 2"]]), /cannot send the field X-A/],
  ["an iterator that fails", fails, /^TypeError: on purpose/],
];

function* fails(): Generator<[string, string]> {
  yield ["X-A", "1"];
  throw new TypeError("on purpose");
}

const calls: Record<string, (handler: BaseHTTPRequestHandler, headers: HeaderFields) => void> = {
  sendInformational: (handler, headers) => handler.sendInformational(103, headers),
  sendText: (handler, headers) => handler.sendText("x", 200, headers),
  sendJson: (handler, headers) => handler.sendJson("x", 200, headers),
  sendError: (handler, headers) => handler.sendError(400, "x", "x", { headers }),
};

for (const [what, headers, message] of wrong) {
  test(`${what}: no header fields`, async () => {
    const log: string[] = [];
    class Handler extends BaseHTTPRequestHandler {
      do_GET(): void {
        calls[this.pathname.slice(1)](this, headers() as HeaderFields);
      }
    }
    const options = { log: (line: string) => log.push(line), informational: "always" } as const;
    const httpd = new HTTPServer(["127.0.0.1", 0], Handler, options);
    for (const call of Object.keys(calls)) {
      const response = await httpd.inject({ path: `/${call}` });
      assert.deepEqual([response.status, response.informational.length], [500, 0], call);
      assert.equal(response.headers.has("X-A"), false);
      const [, error] = /\] (\w*Error: [^]*)/.exec(log.find((line) => line.includes("Error: "))!)!;
      assert.match(error, /^TypeError: /);
      assert.match(error, message);
      log.length = 0;
    }
    await assert.rejects(httpd.inject({ path: "/sendText", headers: headers() as HeaderFields }), message);
  });
}

test("an HTTPError is not made with what is none, and keeps what it was given for whoever responses it", () => {
  for (const [what, headers] of wrong.slice(0, 14))
    assert.throws(() => new HTTPError(503, { headers: headers() as HeaderFields }), TypeError, what);
  const object = { "Retry-After": 5 };
  assert.equal(new HTTPError(503, { headers: object }).headers, object);
  assert.deepEqual(new HTTPError(503).headers, {});
  function* once(): Generator<[string, string | string[]]> {
    yield ["Retry-After", "5"];
    yield ["Set-Cookie", ["a=1", "b=2"]];
  }
  const { headers } = new HTTPError(503, { headers: once() });
  for (let i = 0; i < 2; i++) {
    assert.deepEqual(
      [...(headers as Iterable<[string, string]>)],
      [
        ["Retry-After", "5"],
        ["Set-Cookie", "a=1"],
        ["Set-Cookie", "b=2"],
      ],
    );
  }
});

test("inject sends the fields of its request in each form", async () => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendJson([...this.headers].filter(([name]) => /^x-/i.test(name)));
    }
  }
  const httpd = new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" });
  const fields = { "X-A": "1", "X-B": ["2", 3] };
  const expected = [
    ["X-A", "1"],
    ["X-B", "2"],
    ["X-B", "3"],
  ];
  for (const headers of [fields, Object.entries(fields), new Map(Object.entries(fields)), expected] as HeaderFields[])
    assert.deepEqual((await httpd.inject({ headers })).json(), expected);
  const given = new Headers({ "X-A": "1" });
  given.append("X-A", "2");
  assert.deepEqual((await httpd.inject({ headers: given })).json(), [["x-a", "1, 2"]]);
  const response = await httpd.inject({ headers: expected as [string, string][] });
  assert.ok((await httpd.inject({ headers: response.headers.has("Date") ? [] : response.headers })).status === 200);
});

const nameless: Record<string, typeof BaseHTTPRequestHandler> = {
  serverVersion: class extends BaseHTTPRequestHandler {
    override serverVersion = "";
  },
  versionString: class extends BaseHTTPRequestHandler {
    override versionString(): string {
      return "";
    }
  },
};

for (const [what, Handler] of Object.entries(nameless)) {
  test(`no Server field is sent where ${what} is empty`, async () => {
    class Empty extends Handler {
      do_GET(): void {
        if (this.path === "/error") throw new HTTPError(404);
        this.sendText("x");
      }
    }
    const httpd = new HTTPServer(["127.0.0.1", 0], Empty, { log: "none" });
    for (const path of ["/", "/error"]) {
      const { headers } = await httpd.inject({ path });
      assert.deepEqual([headers.has("Server"), headers.has("Date")], [false, true], path);
    }
  });
}
