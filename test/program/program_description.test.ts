/** Where a thread finds the handler classes, and what the error says when it cannot. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseHTTPRequestHandler } from "../../src/handler/handler.ts";
import { advice, describeProgram, isApart, keyOf, type Program } from "../../src/program/program_description.ts";

class First extends BaseHTTPRequestHandler {}
class Second extends BaseHTTPRequestHandler {}

const main = "file:///srv/main.js";
const program = (...names: string[]): Program => ({
  classes: names.map((name) => ({ name, module: null, isBase: name === "BaseHTTPRequestHandler" })),
  isRouted: false,
  main,
  lack: "",
  argv: [],
  sockets: [],
  nth: 0,
});

test("the advice names the classes that the server was constructed with", () => {
  assert.match(
    advice(program("First")),
    /constructed there with First\. .*or export First from that file; or put First/,
  );
  assert.match(
    advice(program("First", "Second", "BaseHTTPRequestHandler")),
    /constructed there with First, Second\. .*or export the classes from that file; or put each class/,
  );
  assert.match(advice(program("")), /with the class\. .*or put the class/);
});

test("where there is no main file, the advice says so, and what to do instead", () => {
  const lack = "The program was read from standard input";
  assert.equal(
    advice({ ...program("First"), main: null, lack }),
    `${lack}, so there is no file that a thread could import: put First into a file of its own, which exports it and serves nothing,` +
      " with static module = import.meta.url",
  );
});

test("a class counts as outside of the program where it names another file, or is the library's own", () => {
  const named = (module: string | null): Program => ({
    ...program(),
    classes: [{ name: "First", module, isBase: false }],
  });
  assert.equal(isApart(named("file:///srv/first.js")), true);
  assert.equal(isApart(named(main)), false);
  assert.equal(isApart(named(null)), false);
  assert.equal(isApart(program("BaseHTTPRequestHandler")), true);
});

test("only a class's own static module counts, and it must be a URL", () => {
  class Elsewhere extends First {
    static module: unknown = "file:///srv/elsewhere.js";
  }
  class Inheriting extends Elsewhere {}
  const moduleOf = (Handler: typeof BaseHTTPRequestHandler): string | null =>
    describeProgram(Handler, 0).classes[0]!.module;
  assert.equal(moduleOf(Elsewhere), "file:///srv/elsewhere.js");
  assert.equal(moduleOf(Inheriting), null);
  for (const bad of ["./elsewhere.js", 5, null]) {
    Elsewhere.module = bad;
    assert.throws(() => moduleOf(Elsewhere), {
      name: "TypeError",
      message: /^Elsewhere's static module must be the URL/,
    });
  }
});

test("servers with classes of the same names have the same key", () => {
  assert.equal(keyOf([First, Second]), "First,Second");
});
