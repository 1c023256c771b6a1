/** The short calls for JSON and text, and web streams. */
import assert from "node:assert/strict";
import { Shortcuts } from "../handlers.ts";
import type { Mode } from "../mode.ts";
import { connect, inPieces, pattern, readText, type Register } from "../tools.ts";

const PROBLEM = "application/problem+json";

export function shortcuts(mode: Mode, test: Register, testEarly: Register): void {
  test("sendJson responds with a value, its type and its length", async (t) => {
    const client = await connect(t, mode, Shortcuts);
    const response = await client.request({ path: "/json" });
    assert.deepEqual([response.status, response.headers.get("content-type")], [200, "application/json"]);
    assert.deepEqual(response.json(), { sum: 7, text: "€\u2028", none: null });
    assert.equal(response.headers.get("content-length"), String(response.body.length));
    const other = await client.request({ path: "/json/status" });
    assert.deepEqual([other.status, other.text, other.headers.get("x-a")], [422, "[]", "1"]);
    assert.equal(other.headers.get("content-type"), "application/hal+json");
    const head = await client.request({ method: "HEAD", path: "/json" });
    assert.equal(head.headers.get("content-length"), String(response.body.length));
  });

  test("sendText responds with a text, its type and its length", async (t) => {
    const client = await connect(t, mode, Shortcuts);
    const response = await client.request({ path: "/text" });
    assert.deepEqual([response.status, response.headers.get("content-type")], [200, "text/plain; charset=utf-8"]);
    assert.deepEqual([response.text, response.headers.get("content-length")], ["5 €\n", "6"]);
    assert.equal((await client.request({ path: "/text/empty" })).headers.get("content-length"), "0");
    const other = await client.request({ path: "/text/status" });
    assert.deepEqual([other.status, other.text, other.headers.get("x-a")], [404, "<p>", "1"]);
    assert.equal(other.headers.get("content-type"), "text/html");
  });

  test("what is no JSON, or no text, throws a TypeError before anything is sent", async (t) => {
    const client = await connect(t, mode, Shortcuts);
    for (const path of ["/json/mistakes", "/text/mistakes"]) {
      const thrown = (await client.request({ path })).json() as string[];
      assert.ok(thrown.length === 5 && thrown.every((name) => name === "TypeError"), `${path}: ${thrown.join()}`);
    }
  });

  for (const call of ["sendText", "sendJson", "sendError", "HTTPError", "sendInformational"]) {
    test(`header fields may be an object, pairs, a Map, those of the request, or Headers (${call})`, async (t) => {
      const client = await connect(t, mode, Shortcuts, { informational: "always" });
      for (const [form, expected] of Object.entries({
        object: ["x-a: 1", "x-b: 2", "x-b: 3", "x-c: 4"],
        pairs: ["x-a: 1", "x-b: 2", "x-b: 3", "x-c: 4"],
        map: ["x-a: 1", "x-b: 2", "x-b: 3", "x-c: 4"],
        request: ["x-r: 1", "x-r: 2", "x-q: 3"],
        headers: ["set-cookie: a=1, 2", "set-cookie: b=2", "x-a: 1"],
      })) {
        const headers = [
          ["X-R", "1"],
          ["X-R", "2"],
          ["X-Q", "3"],
        ] as const;
        const response = await client.request({ path: `/fields/${form}?call=${call}`, headers });
        const { lines } = call === "sendInformational" ? response.informational[0].headers : response.headers;
        const seen = lines.map(([name, value]) => `${name.toLowerCase()}: ${value}`);
        if (form === "headers") seen.sort(); // runtimes order those as they like
        assert.deepEqual(
          seen.filter((line) => /^(x-|set-cookie)/.test(line)),
          expected,
          form,
        );
        if (form === "headers" && !call.endsWith("Error")) assert.ok(seen.includes("content-type: text/csv"));
      }
    });
  }

  test("bytes() gives the content, json() what it says, whatever its type", async (t) => {
    const client = await connect(t, mode, Shortcuts);
    const bytes = await client.request({ path: "/read/bytes", body: Uint8Array.from([0, 255, 13, 10]) });
    assert.deepEqual(bytes.json(), [0, 255, 13, 10]);
    for (const value of [{ a: [1, "€"] }, [], "text", 7, null, true]) {
      const body = JSON.stringify(value);
      assert.deepEqual((await client.request({ path: "/read/json", body })).json(), { value });
      const pieces = { method: "POST", path: "/read/json", headers: [["Content-Type", "text/plain"]] } as const;
      assert.deepEqual((await client.request({ ...pieces, body: inPieces(` ${body}`, "\n") })).json(), { value });
    }
  });

  test("json() of what is not JSON is a 400, of what does not match the schema a 422 that says where", async (t) => {
    const client = await connect(t, mode, Shortcuts);
    for (const body of ["", "{", "{a: 1}", "[1,]", "\ufeff{}", Buffer.from([0x22, 0xff, 0x22])]) {
      for (const path of ["/read/json", "/read/pair"]) {
        const response = await client.request({ method: "POST", path, body });
        assert.deepEqual([response.status, response.headers.get("content-type")], [400, PROBLEM], String(body));
        assert.match(response.json().detail, /not JSON|not UTF-8/);
      }
    }
    for (const path of ["/read/pair", "/read/later"]) {
      const wrong = await client.request({ path, body: '{"val_a": "x"}' });
      assert.deepEqual([wrong.status, wrong.headers.get("content-type")], [422, PROBLEM]);
      assert.deepEqual(wrong.json().errors, [
        { pointer: "#/val_a", detail: "not a number" },
        { pointer: "#/val_b", detail: "not a number" },
      ]);
      assert.equal((await client.request({ path, body: "null" })).status, 422);
    }
    const deep = await client.request({ path: "/read/deep", body: "{}" });
    assert.deepEqual(deep.json().errors, [
      { pointer: "#/a~1b/0/c~0d", detail: "wrong" },
      { pointer: "#", detail: "all wrong" },
    ]);
  });

  test("json(schema) gives the value as the schema gives it", async (t) => {
    const client = await connect(t, mode, Shortcuts);
    for (const path of ["/read/pair", "/read/later"])
      assert.deepEqual((await client.request({ path, body: '{"val_a": "3", "val_b": 4, "c": 5}' })).json(), { sum: 7 });
  });

  test("wfile.stream() takes what is piped to it, and more may be written behind that", async (t) => {
    const client = await connect(t, mode, Shortcuts);
    assert.equal((await client.request({ path: "/stream/out" })).text, "hello €, and more");
  });

  testEarly("rfile.stream() piped to wfile.stream() sends each piece back as it comes, and much of it", async (t) => {
    const client = await connect(t, mode, Shortcuts);
    const exchange = await client.open({ method: "POST", path: "/stream/echo" }, "unknown");
    for (const piece of ["a", "bc", "def"]) {
      await exchange.send(piece);
      assert.equal(await readText(exchange, piece.length), piece);
    }
    await exchange.end();
    assert.equal((await exchange.response()).text, "");
    const content = pattern(2_000_000);
    assert.ok((await client.request({ method: "POST", path: "/stream/echo", body: content })).body.equals(content));
  });
}
