/** What an error looks like, and to whom. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseHTTPRequestHandler, HTTPError, HTTPServer, type InjectedResponse, type RequestHandlerClass } from "plinth";

class Handler extends BaseHTTPRequestHandler {
  do_GET(): void {
    throw new HTTPError(422, `<No> "numbers" & 'such'`, {
      detail: "val_a is <b>",
      problem: { type: "/no", errors: [1] },
    });
  }

  do_POST(): void {
    this.sendError(404);
  }
}

function get(
  accept: string | string[] | null,
  Class: RequestHandlerClass = Handler,
  method = "GET",
): Promise<InjectedResponse> {
  const httpd = new HTTPServer(["127.0.0.1", 0], Class, { log: "none" });
  const accepts = accept === null ? [] : typeof accept === "string" ? [accept] : accept;
  return httpd.inject({ method, headers: accepts.map((value) => ["Accept", value] as const) });
}

const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

test("a problem document, unless the client prefers HTML", async () => {
  for (const [accept, html] of [
    [null, false],
    ["", false],
    ["*/*", false],
    [BROWSER, true],
    ["text/html", true],
    ["TEXT/HTML", true],
    ["text/*", true],
    ["text/html;charset=utf-8;q=0.5, */*;q=0.4", true],
    ["text/html;q=0.5, */*;q=0.5", false],
    ["text/html;q=0.4, application/json;q=0.5", false],
    ["text/html, application/problem+json", false],
    ["text/html;q=0.9, application/problem+json;q=0.8, application/json", true],
    ["text/html;q=0.9, application/*;q=0.95", false],
    ["text/html;q=0", false],
    ["text/html;q=0, */*;q=0.1", false],
    ["text/html;q=abc", false],
    ["text/html;q=, application/json;q=0.1", false],
    ["text/html;q=9, application/json", false],
    ["text/html;q=0x1, application/json;q=0.5", false],
    ["text/html;q=1.000, application/json;q=0.999", true],
    ["text/html ; q=0.9 , application/json ; q=0.1", true],
    ["application/json", false],
    ["image/png", false],
    ["text/undefined", false],
    [["application/json;q=0.1", "text/html;q=0.2"], true],
  ] as const) {
    const response = await get(accept as string | null);
    assert.equal(response.status, 422);
    const type = response.headers.get("Content-Type");
    assert.equal(type, html ? "text/html; charset=utf-8" : "application/problem+json", JSON.stringify(accept));
    assert.equal(response.headers.get("Vary"), "Accept");
  }
});

test("the document has the members that were asked for, and the page is escaped", async () => {
  assert.deepEqual((await get(null)).json(), {
    title: `<No> "numbers" & 'such'`,
    status: 422,
    detail: "val_a is <b>",
    type: "/no",
    errors: [1],
  });
  assert.deepEqual((await get(null, Handler, "POST")).json(), { title: "Not Found", status: 404 });
  const page = (await get("text/html")).text();
  assert.match(page, /^<!doctype html>/);
  assert.ok(page.includes("<title>422 &#60;No&#62; &#34;numbers&#34; &#38; &#39;such&#39;</title>"), page);
  assert.ok(page.includes("<p>val_a is &#60;b&#62;</p>"));
  assert.ok(!page.includes("<b>") && !page.includes("%("));
  assert.ok(!(await get("text/html", Handler, "POST")).text().includes("undefined"));
});

test("a class with a text of its own gives it to all who do not ask for JSON", async () => {
  class Own extends Handler {
    override errorMessageFormat = "%(code)d|%(message)s|%(explain)s|100%%|%(other)s|%d|%(code)s\n";
    override errorContentType = "text/plain; charset=utf-8";
  }
  const expected = `422|<No> "numbers" & 'such'|val_a is <b>|100%|%(other)s|%d|422\n`;
  for (const accept of [null, "*/*", BROWSER, "text/plain", "text/html"]) {
    const response = await get(accept, Own);
    assert.deepEqual(
      [response.text(), response.headers.get("Content-Type")],
      [expected, "text/plain; charset=utf-8"],
      accept!,
    );
  }
  assert.equal((await get("application/json", Own)).headers.get("Content-Type"), "application/problem+json");
  class Json extends Handler {
    override errorMessageFormat = '{"message": "%(message)s", "explain": "%(explain)s"}';
    override errorContentType = "application/json";
  }
  for (const accept of [null, "application/json", "text/html"]) {
    assert.deepEqual((await get(accept, Json)).json(), { message: `<No> "numbers" & 'such'`, explain: "val_a is <b>" });
  }
  class Xml extends Handler {
    override errorMessageFormat = "<e>%(explain)s</e>";
    override errorContentType = "application/xml";
  }
  assert.equal((await get(null, Xml)).text(), "<e>val_a is &#60;b&#62;</e>");
  class Xhtml extends Handler {
    override errorContentType = "application/xhtml+xml";
  }
  assert.equal((await get(null, Xhtml)).headers.get("Content-Type"), "application/xhtml+xml");
  class Page extends Handler {
    override errorMessageFormat = "<h1>%(message)s</h1>";
  }
  const page = await get(null, Page);
  assert.deepEqual(
    [page.text(), page.headers.get("Content-Type")],
    ["<h1>&#60;No&#62; &#34;numbers&#34; &#38; &#39;such&#39;</h1>", "text/html; charset=utf-8"],
  );
});

test("what was thrown and is nobody's business stays inside, in both forms", async () => {
  class Secret extends BaseHTTPRequestHandler {
    do_GET(): void {
      throw new Error("swordfish");
    }
  }
  for (const accept of [null, "text/html"]) {
    const response = await get(accept, Secret);
    assert.equal(response.status, 500);
    assert.ok(!response.text().includes("swordfish") && response.text().includes("Internal Server Error"));
  }
});

test("a message is the reason phrase, where it can be one", async () => {
  for (const [message, reason] of [
    [undefined, "Not Found"],
    ["No such model", "No such model"],
    ["kein schönes", "kein schönes"],
    ["no €", "Not Found"],
    ["a\r\nb: c", "Not Found"],
  ] as const) {
    class Handler extends BaseHTTPRequestHandler {
      do_GET(): void {
        this.sendError(404, message);
      }
    }
    const response = await get(null, Handler);
    assert.equal(response.reason, reason);
    assert.equal((response.json() as { title: string }).title, message ?? "Not Found");
  }
});

test("a problem that JSON cannot say is a plain 500", async () => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      throw new HTTPError(422, undefined, { problem: { size: 1n } });
    }
  }
  assert.equal((await get(null, Handler)).status, 500);
});

test("an error has the type of its own document", async () => {
  class Typed extends BaseHTTPRequestHandler {
    do_GET(): void {
      throw new HTTPError(400, { headers: { "Content-Type": "text/plain" } });
    }
  }
  const response = await get(null, Typed);
  assert.equal(response.status, 400);
  assert.deepEqual(response.headers.getAll("Content-Type"), ["application/problem+json"]);
});
