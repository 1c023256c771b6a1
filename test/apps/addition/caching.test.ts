/** What caches may keep, and how clients ask whether it has changed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, FORM_TYPE, JSON_TYPE } from "./support.ts";

const BY_URL = [
  "/val_a/3/val_b/4/",
  "/val_a/3/val_b/4",
  "/?val_a=3&val_b=4",
  "/val_a/3/?val_b=4",
  "/x?val_b=4&val_a=3",
];

test("a sum by path or query may be kept, and has a strong entity tag", async () => {
  for (const path of BY_URL) {
    for (const method of ["GET", "HEAD"]) {
      const { status, headers, sum } = await ask(`${method} ${path}`);
      assert.deepEqual([status, sum], [200, method === "GET" ? "7" : undefined]);
      assert.match(headers.get("Cache-Control")!, /^public, max-age=[1-9][0-9]*$/);
      assert.match(headers.get("ETag")!, /^"[^"]+"$/);
      assert.equal(headers.get("Content-Length"), "10");
    }
  }
});

test("other contents have other tags, the same have the same", async () => {
  const tags = new Map<string, string>();
  for (const path of ["/?val_a=3&val_b=4", "/?val_a=4&val_b=3", "/?val_a=3.0&val_b=4", "/?val_a=3&val_b=5"]) {
    const { headers, text } = await ask(`GET ${path}`);
    const tag = headers.get("ETag")!;
    assert.equal(tags.get(tag) ?? text(), text());
    tags.set(tag, text());
  }
  assert.equal(tags.size, 3);
});

test("304 for who has it: weak comparison, lists, several lines, *", async () => {
  const path = "/?val_a=3&val_b=4";
  const tag = (await ask(`GET ${path}`)).headers.get("ETag")!;
  const known: [string, string][][] = [
    [["If-None-Match", tag]],
    [["If-None-Match", `W/${tag}`]],
    [["If-None-Match", `"a", W/"b,${tag.slice(1, -1)}" ,${tag}`]],
    [["If-None-Match", `,"a",,${tag},`]],
    [
      ["If-None-Match", '"a"'],
      ["If-None-Match", tag],
    ],
    [["If-None-Match", "*"]],
  ];
  for (const headers of known) {
    for (const method of ["GET", "HEAD"]) {
      const reply = await ask(`${method} ${path}`, headers);
      assert.deepEqual([reply.status, reply.text()], [304, ""], String(headers));
      assert.equal(reply.headers.get("ETag"), tag);
      assert.match(reply.headers.get("Cache-Control")!, /^public/);
      assert.equal(reply.headers.has("Content-Type"), false);
    }
  }
});

test("200 for who has another, or says what is no entity tag", async () => {
  const path = "/?val_a=3&val_b=4";
  const tag = (await ask(`GET ${path}`)).headers.get("ETag")!;
  for (const value of ['"a"', tag.slice(1, -1), `"a,${tag.slice(1)}`, "", '"*"', '*, "a"', tag.toLowerCase()]) {
    const { status, sum } = await ask(`GET ${path}`, { "If-None-Match": value });
    assert.deepEqual([status, sum], [200, "7"], value);
  }
  assert.equal((await ask("GET /?val_a=3&val_b=x", { "If-None-Match": "*" })).status, 422, "what fails is not known");
});

test("a sum that content had a part in is not kept, nor one by QUERY or POST, nor asked after", async () => {
  for (const [target, headers, body] of [
    ["GET /", JSON_TYPE, '{"val_a": 3, "val_b": 4}'],
    ["GET /", {}, '{"val_b": 4, "val_a": 3}'],
    ["HEAD /", JSON_TYPE, '{"val_a": 3, "val_b": 4}'],
    ["GET /", FORM_TYPE, "val_a=3&val_b=4"],
    ["GET /?val_a=3", JSON_TYPE, '{"val_b": 4}'],
    ["GET /?val_a=3&val_b=4", JSON_TYPE, "{}"],
    ["QUERY /", JSON_TYPE, '{"val_a": 3, "val_b": 4}'],
    ["QUERY /?val_a=3&val_b=4", JSON_TYPE, undefined],
    ["POST /", JSON_TYPE, '{"val_a": 3, "val_b": 4}'],
    ["POST /", FORM_TYPE, "val_a=3&val_b=4"],
  ] as const) {
    const reply = await ask(target, { ...headers, "If-None-Match": "*" }, body);
    assert.equal(reply.status, 200, target);
    assert.deepEqual([reply.headers.get("Cache-Control"), reply.headers.has("ETag")], ["no-store", false], target);
  }
  const posted = await ask("POST /?val_a=3&val_b=4");
  assert.deepEqual([posted.sum, posted.headers.get("Cache-Control")], ["7", "no-store"]);
});

test("no error is kept: the same target with other content, or another method, would be no error", async () => {
  for (const [target, status, headers, body] of [
    ["GET /", 422, {}],
    ["GET /?val_a=x&val_b=4", 422, {}],
    ["GET /?val_a=3", 422, {}],
    ["GET /favicon.ico", 404, {}],
    ["HEAD /favicon.ico", 404, {}],
    ["GET /val_a", 400, {}],
    ["GET /", 422, JSON_TYPE, '{"val_a": "3", "val_b": 4}'],
    ["GET /?val_a=3&val_b=4", 400, JSON_TYPE, '{"val_a": 3}'],
    ["GET /", 400, JSON_TYPE, "{"],
    ["GET /", 415, { "Content-Type": "text/plain" }, "{}"],
    ["GET /", 413, JSON_TYPE, " ".repeat(64 * 1024 + 1)],
    ["QUERY /", 400, {}, "{}"],
    ["PUT /", 405, {}],
    ["BREW /", 501, {}],
    [`GET /?${"x".repeat(8192)}`, 414, {}],
    ["GET /?val_a=3&val_b=4", 431, { X: "x".repeat(32 * 1024) }],
    ["GET /?val_a=3&val_b=4", 417, { Expect: "a pony" }],
  ] as const) {
    const reply = await ask(target, headers, body);
    const seen = [reply.status, reply.headers.get("Cache-Control")];
    assert.deepEqual(seen, [status, "no-store"], `${target.slice(0, 40)} ${body?.slice(0, 40)}`);
  }
});

test("errors depend on Accept and say so, sums do not", async () => {
  for (const [target, status, vary] of [
    ["GET /", 422, "Accept"],
    ["GET /favicon.ico", 404, "Accept"],
    ["GET /?val_a=3&val_b=4", 200, null],
  ] as const) {
    const { headers, ...reply } = await ask(target, { Accept: "text/html" });
    assert.deepEqual([reply.status, headers.get("Vary")], [status, vary]);
  }
});
