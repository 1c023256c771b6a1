/** Which method of a class runs: the functions it defines as do_ + method, letter for letter, and nothing else. */
import assert from "node:assert/strict";
import { Heir, Methods, Nothing, OnlyPost, OwnDefaults } from "../handlers.ts";
import type { Mode } from "../mode.ts";
import { connect, inPieces, type Register } from "../tools.ts";

const STANDARD = ["POST", "PUT", "DELETE", "PATCH", "TRACE", "QUERY"];

function allowOf(value: string | null): string[] | undefined {
  return value?.split(/ *, */).sort();
}

export function dispatch(mode: Mode, test: Register): void {
  test("a request runs do_ and its method, letter for letter", async (t) => {
    const client = await connect(t, mode, Methods);
    for (const method of ["GET", "get", "pOsT", "RICKROLL", "M-SEARCH", "!#$%&'*+-.^_`|~0", "constructor"]) {
      const response = await client.request({ method });
      assert.equal(response.status, 200, method);
      assert.deepEqual(response.json(), { ran: `do_${method}`, method, content: "" });
    }
  });

  test("what differs in the case of a letter is another method: 501", async (t) => {
    const client = await connect(t, mode, Methods);
    for (const method of ["Get", "post", "POst", "rickroll", "m-search"])
      assert.equal((await client.request({ method })).status, 501, method);
  });

  test("what classes and objects have anyway is nobody's method: 501", async (t) => {
    const client = await connect(t, mode, Methods);
    const names = ["toString", "__proto__", "hasOwnProperty", "valueOf", "prototype", "then", "name"];
    for (const method of [...names, "say", "do_GET", "sendResponse", "setup", "finish", "sendError", "BREW"]) {
      const response = await client.request({ method });
      assert.equal(response.status, 501, method);
      assert.equal(response.headers.get("allow"), null);
    }
  });

  test("a standard method that the class lacks is 405, and Allow says what it has", async (t) => {
    const client = await connect(t, mode, Methods);
    const has = ["GET", "get", "pOsT", "RICKROLL", "M-SEARCH", "!#$%&'*+-.^_`|~0", "constructor", "HEAD", "OPTIONS"];
    for (const method of STANDARD) {
      const response = await client.request({ method });
      assert.equal(response.status, 405, method);
      assert.deepEqual(allowOf(response.headers.get("allow")), has.toSorted());
      assert.equal(response.headers.get("content-type"), "application/problem+json");
    }
  });

  test("CONNECT is only for a class that defines do_CONNECT: 501", async (t) => {
    const client = await connect(t, mode, Methods);
    assert.equal((await client.request({ method: "CONNECT", path: "a.example:443" })).status, 501);
  });

  test("HEAD is GET without its content, and with its length", async (t) => {
    const client = await connect(t, mode, Methods);
    const got = await client.request();
    const head = await client.request({ method: "HEAD" });
    assert.equal(head.status, 200);
    assert.equal(head.body.length, 0);
    const length = String(JSON.stringify({ ran: "do_GET", method: "HEAD", content: "" }).length);
    assert.equal(head.headers.get("content-length"), length);
    const names = (response: typeof head) => response.headers.lines.map(([name]) => name);
    assert.deepEqual(names(head), names(got));
    assert.equal((await client.request()).json().ran, "do_GET", "and nothing is left over");
  });

  test("where there is no GET there is no HEAD: 405", async (t) => {
    const client = await connect(t, mode, OnlyPost);
    const response = await client.request({ method: "HEAD" });
    assert.equal(response.status, 405);
    assert.deepEqual(allowOf(response.headers.get("allow")), ["OPTIONS", "POST"]);
    assert.equal((await client.request()).status, 405);
  });

  test("OPTIONS says what there is, for a path and for the server", async (t) => {
    const client = await connect(t, mode, OnlyPost);
    for (const path of ["/", "/a/b?c", "*"]) {
      const response = await client.request({ method: "OPTIONS", path });
      assert.equal(response.status, 204, path);
      assert.deepEqual(allowOf(response.headers.get("allow")), ["OPTIONS", "POST"]);
    }
  });

  test("a class may see to HEAD and OPTIONS itself", async (t) => {
    const client = await connect(t, mode, OwnDefaults);
    const head = await client.request({ method: "HEAD" });
    assert.equal(head.headers.get("x-ran"), "do_HEAD");
    assert.equal(head.headers.get("content-length"), "12345");
    for (const path of ["/", "*"])
      assert.equal((await client.request({ method: "OPTIONS", path })).json().ran, "do_OPTIONS");
  });

  test("methods are inherited, and those of the class itself come first", async (t) => {
    const client = await connect(t, mode, Heir);
    for (const [method, ran] of [
      ["GET", "do_GET"],
      ["get", "do_get of Heir"],
      ["POST", "do_POST of Heir"],
    ])
      assert.equal((await client.request({ method })).json().ran, ran);
  });

  test("a class without methods has none: 501", async (t) => {
    const client = await connect(t, mode, Nothing);
    for (const method of ["GET", "HEAD", "POST", "OPTIONS", "BREW"])
      assert.equal((await client.request({ method })).status, 501, method);
  });

  test("every method may have content, GET and odd ones too", async (t) => {
    const client = await connect(t, mode, OwnDefaults);
    for (const method of ["GET", "RICKROLL", "M-SEARCH", "get", "OPTIONS"]) {
      for (const body of ["of known length", inPieces("of ", "any ", "length")]) {
        const { content } = (await client.request({ method, body })).json();
        assert.equal(content, typeof body === "string" ? body : "of any length", method);
      }
    }
  });

  test("content that nobody reads does no harm to the next request", async (t) => {
    const client = await connect(t, mode, Methods);
    for (const body of ["GET / HTTP/1.1\r\n\r\n".repeat(50), inPieces("GET / HTTP/1.1\r\n\r\n", "x".repeat(1000))]) {
      assert.equal((await client.request({ method: "PUT", body })).status, 405);
      assert.equal((await client.request({ method: "HEAD", body: "x" })).status, 200);
      assert.equal((await client.request()).json().ran, "do_GET");
    }
  });
}
