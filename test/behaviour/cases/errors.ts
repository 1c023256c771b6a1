/** What becomes of a handler that fails: a clean response while that is possible, an end that the client can tell otherwise. */
import assert from "node:assert/strict";
import { bugs, cuts, Failing, Fragile, OwnPage, OwnText, OwnWords } from "../handlers.ts";
import { CutOff, type Mode } from "../mode.ts";
import { connect, logged, readText, type Register } from "../tools.ts";

const PROBLEM = "application/problem+json";
const HTML = "text/html; charset=utf-8";
/** What a browser says that it takes. */
const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

export function errors(mode: Mode, test: Register, testEarly: Register): void {
  const reasonOf = (reason: string): string => (mode.has.reasons ? reason : "");

  test("an HTTPError becomes a problem document, with its title, detail, members and headers", async (t) => {
    const client = await connect(t, mode, Failing);
    const response = await client.request({ path: "/error" });
    assert.deepEqual([response.status, response.reason], [422, reasonOf("Not Numbers")]);
    assert.deepEqual([response.headers.get("x-a"), response.headers.get("retry-after")], ["1", "120"]);
    assert.equal(response.headers.get("content-type"), PROBLEM);
    assert.equal(response.headers.get("content-length"), String(response.body.length));
    assert.deepEqual(response.json(), {
      title: "Not Numbers",
      status: 422,
      detail: 'val_a is "<x>" & not a €',
      type: "https://example.org/numbers",
      errors: [{ pointer: "#/val_a" }],
    });
    assert.doesNotMatch(JSON.stringify(response), /swordfish/, "its cause stays here");
    const head = await client.request({ method: "HEAD", path: "/error" });
    assert.deepEqual([head.status, head.text], [422, ""]);
    assert.equal(head.headers.get("content-length"), String(response.body.length));
  });

  test("it may come from anywhere and at any time before something has left, and takes the place of what was prepared", async (t) => {
    const client = await connect(t, mode, Failing);
    for (const [path, title, status] of [
      ["/error/later", "Forbidden", 403],
      ["/error/prepared", "Too Many Requests", 429],
      ["/error/nested", "Not Found", 404],
    ] as const) {
      const response = await client.request({ path });
      assert.deepEqual([response.status, response.reason], [status, reasonOf(title)], path);
      const detail = path === "/error/nested" ? { detail: "deep" } : {};
      assert.deepEqual(response.json(), { title, status, ...detail });
      assert.deepEqual([response.headers.get("x-prepared"), response.trailers], [null, undefined]);
      assert.doesNotMatch(JSON.stringify(response), /swordfish/);
    }
    assert.equal((await client.request({ path: "/error/prepared" })).headers.get("retry-after"), "1");
  });

  test("a message that can be no reason phrase is a title all the same, a status without a registered one has some", async (t) => {
    const client = await connect(t, mode, Failing);
    const title = await client.request({ path: "/error/title" });
    assert.deepEqual([title.status, title.reason, title.json().title], [409, reasonOf("Conflict"), "in\r\ntwo lines"]);
    const other = await client.request({ path: "/error/unregistered" });
    assert.deepEqual([other.status, other.json()], [499, { title: "Error 499", status: 499 }]);
    const statuses = await client.request({ path: "/error/statuses" });
    assert.deepEqual(
      statuses.json(),
      Array.from({ length: 5 }, () => "RangeError"),
    );
  });

  test("no cache may keep an error, unless its headers say what a cache may do", async (t) => {
    const client = await connect(t, mode, Failing);
    for (const [method, path, status, control] of [
      ["GET", "/error", 422, "no-store"],
      ["HEAD", "/error", 422, "no-store"],
      ["GET", "/error/nested", 404, "no-store"],
      ["GET", "/error/prepared", 429, "no-store"],
      ["GET", "/error/splits", 500, "no-store"],
      ["GET", "/bug/at-once", 500, "no-store"],
      ["DELETE", "/", 405, "no-store"],
      ["BREW", "/", 501, "no-store"],
      ["GET", "/error/kept", 404, "max-age=60"],
    ] as const) {
      const { status: seen, headers } = await client.request({ method, path });
      assert.deepEqual([seen, headers.get("cache-control")], [status, control], `${method} ${path}`);
    }
    for (const accept of ["text/html", PROBLEM]) {
      const { headers } = await client.request({ path: "/error", headers: [["Accept", accept]] });
      assert.equal(headers.get("cache-control"), "no-store", accept);
    }
    assert.equal(
      (await client.request({ method: "FINE" })).headers.get("cache-control"),
      null,
      "others are the handler's",
    );
  });

  test("an HTTPError that asks for what cannot be sent is a 500", async (t) => {
    const client = await connect(t, mode, Failing);
    for (const path of ["/error/splits", "/error/frames"]) {
      const response = await client.request({ path });
      assert.deepEqual([response.status, response.headers.get("x-injected")], [500, null], path);
      assert.equal((await client.request({ method: "FINE" })).text, "fine");
    }
  });

  test("who prefers HTML gets a page, what is said in it escaped", async (t) => {
    const client = await connect(t, mode, Failing);
    for (const accept of [BROWSER, "text/html", "text/*, application/json;q=0.5"]) {
      const response = await client.request({ path: "/error", headers: [["Accept", accept]] });
      assert.deepEqual([response.status, response.headers.get("content-type")], [422, HTML], accept);
      assert.match(response.text, /^<!doctype html>/i);
      assert.match(response.text, /422/);
      assert.match(response.text, /Not Numbers/);
      assert.doesNotMatch(response.text, /<x>|%\(|swordfish/);
      assert.match(response.text, /&(#60|lt|#x3c);x&(#62|gt|#x3e);/);
      assert.match(response.headers.get("vary") ?? "", /accept/i);
    }
    for (const accept of ["*/*", "application/json", PROBLEM, "text/html;q=0.5, application/json", "text/html;q=0"]) {
      const response = await client.request({ path: "/error", headers: [["Accept", accept]] });
      assert.equal(response.headers.get("content-type"), PROBLEM, accept);
    }
  });

  test("errorMessageFormat is the page of all that do not ask for JSON", async (t) => {
    const own = await connect(t, mode, OwnPage);
    const page = '<h1>422 Not Numbers</h1>val_a is "<x>" & not a €, 100%';
    for (const headers of [[], [["Accept", BROWSER]], [["Accept", "*/*"]]] as const) {
      const response = await own.request({ path: "/error", headers });
      assert.deepEqual([response.status, response.headers.get("content-type")], [422, HTML]);
      assert.equal(shown(response.text), page);
      assert.doesNotMatch(response.text, /<x>/);
    }
    for (const accept of ["application/json", PROBLEM]) {
      const response = await own.request({ path: "/error", headers: [["Accept", accept]] });
      assert.equal(response.headers.get("content-type"), PROBLEM, accept);
    }
    const text = await (await connect(t, mode, OwnText)).request({ path: "/error" });
    assert.equal(text.headers.get("content-type"), "text/plain; charset=utf-8");
    assert.equal(text.text, '422|Not Numbers|val_a is "<x>" & not a €\n', "which is no HTML, so nothing is escaped");
  });

  for (const path of bugs) {
    test(`a handler that fails before anything has left is a 500 that tells nothing (${path})`, async (t) => {
      const served = await mode.serve(t, Failing);
      const client = await served.client();
      const response = await client.request({ path });
      assert.deepEqual([response.status, response.reason], [500, reasonOf("Internal Server Error")]);
      assert.equal(response.headers.get("content-type"), PROBLEM);
      assert.deepEqual(response.json(), { title: "Internal Server Error", status: 500 });
      assert.deepEqual([response.headers.get("x-prepared"), response.trailers], [null, undefined]);
      assert.doesNotMatch(JSON.stringify(response), /swordfish|\.ts|\.js|node:/);
      assert.equal((await client.request({ method: "FINE" })).text, "fine", "and the connection goes on");
      await logged(served, /code 500/);
    });
  }

  for (const path of cuts) {
    testEarly(`when part of the response has left, it is cut off so that the client can tell (${path})`, async (t) => {
      const served = await mode.serve(t, Failing);
      const exchange = await (await served.client()).open({ method: "POST", path }, "unknown");
      if (!["/cut/flushed", "/cut/above"].includes(path)) {
        assert.equal((await exchange.head()).status, 200);
        assert.equal(await readText(exchange, 4), "part");
        await exchange.end();
      }
      await assert.rejects(exchange.response(), CutOff);
      assert.equal((await (await served.client()).request({ method: "FINE" })).text, "fine", "nobody else notices");
    });
  }

  test("sendError responds with an error in place of what was prepared", async (t) => {
    const client = await connect(t, mode, Failing);
    const plain = await client.request({ path: "/send" });
    assert.deepEqual([plain.status, plain.json()], [404, { title: "Not Found", status: 404 }]);
    const all = await client.request({ path: "/send/all" });
    assert.deepEqual([all.status, all.reason, all.headers.get("x-a")], [422, reasonOf("Not Numbers"), "1"]);
    const document = { title: "Not Numbers", status: 422, detail: "val_a is a <b>", errors: ["one"] };
    assert.deepEqual(all.json(), document);
    assert.equal(all.headers.get("x-prepared"), null);
  });

  testEarly("sendError throws when part of a response has left", async (t) => {
    const client = await connect(t, mode, Failing);
    const exchange = await client.open({ method: "POST", path: "/send/late" }, "unknown");
    assert.equal(await readText(exchange, 4), "part");
    await exchange.end();
    assert.equal((await exchange.response()).text, ", Error");
  });

  test("a sendError of the class's own is what responds; when that fails, a plain 500 does", async (t) => {
    const client = await connect(t, mode, OwnWords);
    const own = await client.request({ path: "/error" });
    assert.deepEqual([own.status, own.text], [422, "my own words"]);
    assert.equal((await client.request({ method: "BREW" })).text, "my own words");
    const plain = await client.request({ path: "/bug/at-once" });
    assert.deepEqual([plain.status, plain.json()], [500, { title: "Internal Server Error", status: 500 }]);
  });

  test("a class that cannot be constructed responds 500", async (t) => {
    const client = await connect(t, mode, Fragile);
    const failed = await client.request({ path: "/fails" });
    assert.equal(failed.status, 500);
    assert.doesNotMatch(failed.text, /swordfish/);
    assert.equal((await client.request()).text, "made");
  });
}

/** The text that a piece of HTML shows, markup apart. */
function shown(text: string): string {
  return text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
    .replace(/&(lt|gt|quot|amp);/g, (_, name: string) => ({ lt: "<", gt: ">", quot: '"', amp: "&" })[name]!);
}
