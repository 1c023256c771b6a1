/** If-Match and If-None-Match, by the text of RFC 9110 §13. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { failedPrecondition } from "../../../apps/addition/caching.ts";
import { ask, FORM_TYPE, JSON_TYPE } from "./support.ts";

const TAG = '"abc"';

describe("the evaluation", () => {
  /** What a field's value is to the tag: strongly equal, only weakly equal, or neither. */
  const values: [value: string | string[], strong: boolean, weak: boolean][] = [
    ["*", true, true],
    [TAG, true, true],
    [`W/${TAG}`, false, true],
    [`"x", ${TAG}`, true, true],
    [`${TAG},"x"`, true, true],
    [`"a,b", W/"c" ,${TAG}`, true, true],
    [`,,\t${TAG} , ,`, true, true],
    [["", TAG], true, true],
    [['"x"', `W/${TAG}`], false, true],
    // Others
    ['"x"', false, false],
    ['"ABC"', false, false],
    ['"ab"', false, false],
    ['W/"x"', false, false],
    ["", false, false],
    [" , ,", false, false],
    ['"*"', false, false],
    ['""', false, false],
    ['"x,"', false, false],
    // Malformed: no element counts, though it were the tag.
    ["abc", false, false],
    [`w/${TAG}`, false, false],
    [`W${TAG}`, false, false],
    [`W/ ${TAG}`, false, false],
    [`W/W/${TAG}`, false, false],
    ["W/", false, false],
    [`*, ${TAG}`, false, false],
    [`${TAG}, *`, false, false],
    ["**", false, false],
    [["*", "*"], false, false],
    [["*", TAG], false, false],
    ['"abc', false, false],
    ['abc"', false, false],
    [`${TAG}, "x`, false, false],
    [`"x, ${TAG}`, false, false],
    [`${TAG} "x"`, false, false],
    [`${TAG}${TAG}`, false, false],
    [`${TAG}; x`, false, false],
    [`${TAG}, x`, false, false],
    [`'abc', ${TAG}`, false, false],
    [`"a b", ${TAG}`, false, false],
    [`"a\x7fb", ${TAG}`, false, false],
    [`"\\"", ${TAG}`, false, false],
  ];

  test("step 1: If-Match, by the strong comparison", () => {
    for (const [value, strong] of values) {
      for (const method of ["GET", "HEAD", "POST", "QUERY"]) {
        const lines = [value].flat();
        assert.equal(failedPrecondition(method, lines, [], TAG), strong ? null : 412, `${method} ${lines.join(" | ")}`);
      }
    }
  });

  test("step 3: If-None-Match, by the weak comparison: 304 for GET and HEAD, 412 for others", () => {
    for (const [value, , weak] of values) {
      for (const [method, status] of [
        ["GET", 304],
        ["HEAD", 304],
        ["POST", 412],
        ["QUERY", 412],
        ["get", 412],
      ] as const) {
        const lines = [value].flat();
        assert.equal(
          failedPrecondition(method, [], lines, TAG),
          weak ? status : null,
          `${method} ${lines.join(" | ")}`,
        );
      }
    }
  });

  test("without a current representation, If-Match is never met, and If-None-Match always", () => {
    for (const [value] of values) {
      assert.equal(failedPrecondition("GET", [value].flat(), [], null), 412);
      assert.equal(failedPrecondition("GET", [], [value].flat(), null), null);
      assert.equal(failedPrecondition("POST", [value].flat(), [value].flat(), null), 412);
    }
  });

  test("If-Match comes before If-None-Match", () => {
    assert.equal(failedPrecondition("GET", ['"x"'], [TAG], TAG), 412);
    assert.equal(failedPrecondition("GET", [TAG], [TAG], TAG), 304);
    assert.equal(failedPrecondition("GET", ["*"], ['"x"'], TAG), null);
    assert.equal(failedPrecondition("POST", [TAG], ["*"], TAG), 412);
    assert.equal(failedPrecondition("GET", [], [], TAG), null);
    assert.equal(failedPrecondition("POST", [], [], null), null);
  });

  const space = fc.constantFrom("", "", " ", "\t ");
  const opaque = fc.string({ unit: fc.constantFrom("a", ",", "*", "W/", "\xff", "!"), maxLength: 3 });
  const entityTag = fc.tuple(fc.constantFrom("", "W/"), opaque).map(([weak, text]) => `${weak}"${text}"`);
  const element = fc.oneof(entityTag, fc.constant(""));

  test("every well-formed list names its elements, and nothing else", () => {
    const list = fc.array(fc.tuple(space, element, space), { minLength: 1, maxLength: 5 });
    let named = 0;
    fc.assert(
      fc.property(list, opaque, (parts, text) => {
        const tag = `"${text}"`;
        const value = parts.map((part) => part.join("")).join(",");
        const elements = parts.map(([, one]) => one);
        assert.equal(failedPrecondition("GET", [value], [], tag), elements.includes(tag) ? null : 412);
        const isKnown = elements.includes(tag) || elements.includes(`W/${tag}`);
        assert.equal(failedPrecondition("GET", [], [value], tag), isKnown ? 304 : null);
        if (isKnown) named++;
      }),
      { numRuns: 2000 },
    );
    assert.ok(named > 20, `${named} times`);
  });

  test("what the grammar does not have names nothing", () => {
    const grammar = /^(?:[ \t]*(?:(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"[ \t]*)?(?:,|$))*$/;
    const text = fc.string({ unit: fc.constantFrom('"', "a", "W", "/", ",", " ", "*", "w", "\x7f"), maxLength: 8 });
    fc.assert(
      fc.property(text, (value) => {
        if (value === "*" || grammar.test(value)) return;
        assert.equal(failedPrecondition("GET", [value, '"a"'], [], '"a"'), 412);
        assert.equal(failedPrecondition("GET", [], [value, '"a"'], '"a"'), null);
      }),
      { numRuns: 5000 },
    );
  });

  test("a long list is read once", () => {
    const began = performance.now();
    for (const value of ['"a",'.repeat(8000), '"a'.repeat(10_000), ",".repeat(30_000), " ".repeat(30_000) + "x"])
      for (let i = 0; i < 50; i++) failedPrecondition("GET", [value], [value], TAG);
    assert.ok(performance.now() - began < 20_000);
  });
});

describe("the addition", () => {
  const target = "/?val_a=3&val_b=4";

  async function tagOf(path: string): Promise<string> {
    return (await ask(`GET ${path}`)).headers.get("ETag")!;
  }

  test("412 where If-Match does not name the sum's tag, and the sum where it does", async () => {
    for (const path of [target, "/val_a/3/val_b/4/", "/val_a/3/?val_b=4"]) {
      const tag = await tagOf(path);
      for (const method of ["GET", "HEAD", "POST"]) {
        for (const value of [tag, "*", `"x", ${tag}`]) {
          const reply = await ask(`${method} ${path}`, { "If-Match": value });
          assert.deepEqual([reply.status, reply.sum], [200, method === "HEAD" ? undefined : "7"], `${method} ${value}`);
        }
        for (const value of ['"x"', `W/${tag}`, tag.slice(1), `*, ${tag}`, ""]) {
          const reply = await ask(`${method} ${path}`, { "If-Match": value });
          assert.equal(reply.status, 412, `${method} ${value}`);
          assert.equal(reply.headers.get("Cache-Control"), "no-store");
          assert.equal(reply.headers.has("ETag"), false);
          if (method !== "HEAD") assert.match(reply.text(), /"status":412,"detail":".*If-Match/);
        }
        const both = await ask(`${method} ${path}`, { "If-Match": '"x"', "If-None-Match": tag });
        assert.equal(both.status, 412, `${method}, both`);
      }
    }
  });

  test("412 for a POST whose If-None-Match names the sum at its target", async () => {
    const tag = await tagOf(target);
    for (const value of ["*", tag, `W/${tag}`]) {
      const reply = await ask(`POST ${target}`, { "If-None-Match": value });
      assert.deepEqual([reply.status, reply.sum], [412, undefined], value);
      const withContent = await ask(`POST ${target}`, { ...JSON_TYPE, "If-None-Match": value }, "{}");
      assert.equal(withContent.status, 412, `${value}, with content beside it`);
    }
    for (const value of ['"x"', `w/${tag}`, `*, ${tag}`, `${tag}, *`, ""])
      assert.equal((await ask(`POST ${target}`, { "If-None-Match": value })).sum, "7", value);
  });

  test("a sum that content had a part in is no representation of its target", async () => {
    for (const [method, path, type, content] of [
      ["GET", "/", JSON_TYPE, '{"val_a": 3, "val_b": 4}'],
      ["POST", "/", JSON_TYPE, '{"val_a": 3, "val_b": 4}'],
      ["POST", "/", FORM_TYPE, "val_a=3&val_b=4"],
      ["QUERY", "/", JSON_TYPE, '{"val_a": 3, "val_b": 4}'],
      ["POST", "/?val_a=3", JSON_TYPE, '{"val_b": 4}'],
      ["POST", "/add", JSON_TYPE, '{"val_b": 4, "val_a": 3}'],
    ] as const) {
      const name = `${method} ${path}`;
      for (const value of ["*", await tagOf(target)]) {
        assert.equal((await ask(name, { ...type, "If-None-Match": value }, content)).sum, "7", name);
        assert.equal((await ask(name, { ...type, "If-Match": value }, content)).status, 412, name);
      }
    }
  });

  test("what fails without preconditions fails as it does, and methods that read no sum have none", async () => {
    for (const [name, status] of [
      ["GET /?val_a=3&val_b=x", 422],
      ["POST /", 400],
      ["GET /favicon.ico", 404],
      ["PUT /", 405],
      ["BREW /", 501],
      ["RICKROLL /", 200],
      ["OPTIONS /", 204],
    ] as const) {
      for (const headers of [[["If-Match", '"x"']], [["If-None-Match", "*"]]] as const)
        assert.equal((await ask(name, headers)).status, status, name);
    }
  });

  test("there is no date of modification: conditions with one are ignored", async () => {
    const long = "Sat, 29 Oct 1994 19:43:31 GMT";
    for (const name of ["If-Modified-Since", "If-Unmodified-Since", "If-Range"])
      assert.equal((await ask(`GET ${target}`, { [name]: long })).sum, "7");
  });
});
