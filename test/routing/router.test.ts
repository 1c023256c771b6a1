/** Which class a path leads to, what it takes from the path, and what happens where there is none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseHTTPRequestHandler, HTTPServer, type RequestHandlerClass, Router } from "plinth";

/** A class that says its name and what the path held. */
function saying(name: string): RequestHandlerClass {
  return class extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendJson([name, Object.fromEntries(this.pathParams)]);
    }
  };
}

function serve(router: Router): HTTPServer {
  return new HTTPServer(["127.0.0.1", 0], router, { log: "none" });
}

async function ask(router: Router, path: string, method = "GET"): Promise<unknown> {
  const response = await serve(router).inject({ path, method });
  return response.status === 200 ? response.json() : response.status;
}

test("a path leads to the class of the most specific pattern, in whatever order they came, with what it names", async () => {
  const routes = {
    "/models/:name": saying("model"),
    "/": saying("home"),
    "/models/new": saying("new"),
    "/models/:id(\\d+)/parts/:part": saying("part"),
    "/files/:path+": saying("file"),
    "/:lang?/about": saying("about"),
    "/any/*": saying("any"),
    "/all/**": saying("all"),
  };
  for (const names of [Object.keys(routes), Object.keys(routes).reverse()]) {
    const router = new Router();
    for (const name of names) router.add(name, routes[name as keyof typeof routes]);
    for (const [path, expected] of [
      ["/", ["home", {}]],
      ["/?a=b", ["home", {}]],
      ["http://elsewhere", ["home", {}]],
      ["http://elsewhere/models/x?y", ["model", { name: "x" }]],
      ["/models/new", ["new", {}]],
      ["/models/new/", ["new", {}]],
      ["/models/newer", ["model", { name: "newer" }]],
      ["/models/a%20b%2Fc%C3%A9", ["model", { name: "a b/cé" }]],
      ["/models/7/parts/x", ["part", { id: "7", part: "x" }]],
      ["/models/seven/parts/x", 404],
      ["/files/a/b/c.txt", ["file", { path: "a/b/c.txt" }]],
      ["/files", 404],
      ["/about", ["about", {}]],
      ["/de/about", ["about", { lang: "de" }]],
      ["/any/a/b", ["any", { 0: "a/b" }]],
      ["/all/a/b", ["all", { 0: "a/b" }]],
      ["/Models/x", 404],
      ["/__proto__", 404],
      ["/constructor", 404],
      ["/models/__proto__", ["model", JSON.parse('{"name": "__proto__"}')]],
      ["/models/%zz", 400],
      ["/models/%ff", 400],
    ] as const) {
      assert.deepEqual(await ask(router, path), expected, path);
    }
  }
});

test("a pattern may name its parameter _", async () => {
  assert.deepEqual(await ask(new Router({ "/a/:_": saying("a") }), "/a/x"), ["a", { _: "x" }]);
});

test("a class behind a router has its own methods; those of others are known, but not here", async () => {
  class Home extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendText("home");
    }
  }
  class Stage extends BaseHTTPRequestHandler {
    do_RICKROLL(): void {
      this.sendText("never");
    }
  }
  const httpd = serve(new Router({ "/": Home, "/stage": Stage }));
  const statusOf = async (method: string, path: string) => (await httpd.inject({ method, path })).status;
  assert.equal(await statusOf("RICKROLL", "/stage"), 200);
  assert.equal(await statusOf("RICKROLL", "/"), 405);
  assert.equal(await statusOf("GET", "/stage"), 405);
  assert.equal(await statusOf("BREW", "/"), 501);
  assert.equal(await statusOf("RICKROLL", "/nowhere"), 404);
  assert.equal(await statusOf("BREW", "/nowhere"), 501);
  assert.equal(await statusOf("CONNECT", "example.com:443"), 501);
  const server = await httpd.inject({ method: "OPTIONS", path: "*" });
  assert.equal(server.status, 204);
  assert.deepEqual(server.headers.get("Allow")?.split(", ").sort(), ["GET", "HEAD", "OPTIONS", "RICKROLL"]);
  const stage = await httpd.inject({ method: "OPTIONS", path: "/stage" });
  assert.equal(stage.headers.get("Allow"), "RICKROLL, OPTIONS");
});

test("where no pattern matches, the fallback responses: its methods, or 404 in its words", async () => {
  class Fallback extends BaseHTTPRequestHandler {
    override errorMessageFormat = "%(code)d: %(message)s";
    override errorContentType = "text/plain";
    do_GET(): void {
      this.sendJson(["fallback", Object.fromEntries(this.pathParams)]);
    }
  }
  const router = new Router({ "/": saying("home") }, { fallback: Fallback });
  assert.deepEqual(await ask(router, "/a/b/"), ["fallback", {}]);
  for (const [method, text] of [
    ["POST", "404: Not Found"],
    ["OPTIONS", "404: Not Found"],
    ["BREW", "501: Not Implemented"],
  ]) {
    assert.equal((await serve(router).inject({ method, path: "/a" })).text(), text, method);
  }
});

test("what cannot be routed is said when it is added", () => {
  const Handler = saying("a");
  assert.throws(
    () => new Router({ "/": class {} as never }),
    /^TypeError: cannot route \/: its handler must be a class/,
  );
  assert.throws(() => new Router({ "/": BaseHTTPRequestHandler.prototype as never }), TypeError);
  assert.deepEqual(new Router({ "/": Handler }).find(""), { Handler: BaseHTTPRequestHandler, fallback: true });
  assert.throws(() => new Router({ models: Handler }), /cannot route "models": a pattern begins with a slash/);
  assert.throws(() => new Router({ "/:a/:a": Handler }), /^Error: cannot route \/:a\/:a: /);
  assert.throws(() => new Router({ "/a": Handler }).add("/a", Handler), /cannot route \/a: \/a matches the same paths/);
  assert.throws(() => new Router({ "/:a": Handler, "/:b": Handler }), /cannot route \/:b: \/:a matches the same paths/);
  for (const pattern of ["/models/<name>", "/models/{name}", "/<int:id>"])
    assert.throws(() => new Router({ [pattern]: Handler }), /a parameter is written with a colon/, pattern);
  new Router({ "/book{s}?": Handler, "/:a(\\d+)": Handler, "/:b": Handler });
  const taken = new Router({ "/": Handler });
  new HTTPServer(["127.0.0.1", 0], taken);
  assert.throws(() => taken.add("/a", Handler), /cannot route \/a: a server has been constructed with this router/);
  assert.throws(() => new Router({}, { fallback: 7 as never }), TypeError);
  assert.throws(
    () =>
      new HTTPServer(
        ["127.0.0.1", 0],
        new Router({
          "/": class extends BaseHTTPRequestHandler {
            do_GET = (): void => {};
          },
        }),
      ),
    /do_GET as a field/,
  );
});

test("a router of one's own is as good, and is held to what it has said", async () => {
  const Handler = saying("mine");
  const find = (path: string) =>
    path === "/" ? { Handler } : path === "/late" ? { Handler: saying("late") } : undefined;
  const httpd = new HTTPServer(["127.0.0.1", 0], { handlers: [Handler], find }, { log: "none" });
  assert.deepEqual((await httpd.inject()).json(), ["mine", {}]);
  assert.equal((await httpd.inject({ path: "/a" })).status, 404);
  assert.equal((await httpd.inject({ path: "/late" })).status, 500);
});

test("a plain path wins over a parameter that is not there, in whatever order they came", async () => {
  for (const [plain, pattern] of [
    ["/files", "/files/:path*"],
    ["/", "/:path*"],
    ["/about", "/:lang?/about"],
    ["/a/", "/a/:x?"],
    ["/caf%C3%A9", "/:x?"],
  ]) {
    const routes = [
      [plain, saying("plain")],
      [pattern, saying("pattern")],
    ] as const;
    for (const order of [routes, routes.toReversed()]) {
      assert.deepEqual(await ask(new Router(Object.fromEntries(order)), plain), ["plain", {}], `${plain}, ${pattern}`);
    }
  }
});
