/** Which method of a class runs: any token, letter for letter, and nothing that is not meant to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseHTTPRequestHandler, HTTPError, HTTPServer, type RequestHandlerClass } from "plinth";
import { GET, inMemory, post, request } from "../server/support.ts";

/** Says which of its methods ran. */
class Base extends BaseHTTPRequestHandler {
  say(what: string): void {
    this.sendResponse(200);
    this.endHeaders();
    this.wfile.write(`${what} for ${this.method}`);
  }
}

test("any token is a method, letter for letter", async (t) => {
  class Handler extends Base {
    do_GET(): void {
      this.say("do_GET");
    }

    do_get(): void {
      this.say("do_get");
    }

    do_pOsT(): void {
      this.say("do_pOsT");
    }

    do_RICKROLL(): void {
      this.say("do_RICKROLL");
    }

    "do_M-SEARCH"(): void {
      this.say("do_M-SEARCH");
    }

    "do_!#$%&'*+-.^_`|~0"(): void {
      this.say("all of them");
    }

    do_constructor(): void {
      this.say("do_constructor");
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  for (const [method, said] of [
    ["GET", "do_GET"],
    ["get", "do_get"],
    ["pOsT", "do_pOsT"],
    ["RICKROLL", "do_RICKROLL"],
    ["M-SEARCH", "do_M-SEARCH"],
    ["!#$%&'*+-.^_`|~0", "all of them"],
    ["constructor", "do_constructor"],
  ]) {
    assert.equal((await peer.ask(request(method))).body, `${said} for ${method}`);
  }
  for (const method of ["Get", "POst", "rickroll", "M-Search"]) {
    assert.equal((await peer.ask(request(method))).status, 501, method);
  }
});

test("a method that everybody knows and the class has not is 405, with those that it has; others are 501", async (t) => {
  class Handler extends Base {
    do_GET(): void {
      this.say("do_GET");
    }

    do_RICKROLL(): void {
      this.say("do_RICKROLL");
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "TRACE", "QUERY"]) {
    const response = await peer.ask(request(method));
    assert.equal(response.status, 405, method);
    assert.deepEqual(response.get("allow")?.split(", ").sort(), ["GET", "HEAD", "OPTIONS", "RICKROLL"]);
  }
  for (const method of ["BREW", "post", "PROPFIND"]) {
    const response = await peer.ask(request(method));
    assert.equal(response.status, 501, method);
    assert.equal(response.get("allow"), null);
  }
  assert.equal((await peer.ask(request("CONNECT", "a:1"))).status, 501, "a tunnel is only for those who build one");
});

test("names that objects have without anybody's doing are no methods", async (t) => {
  class Handler extends Base {
    do_GET(): void {
      this.say("do_GET");
    }

    do_(): void {
      this.say("do_");
    }
  }
  // oxlint-disable-next-line no-extend-native -- as bad libraries do
  Object.defineProperty(Object.prototype, "do_EVERYWHERE", { value: () => {}, configurable: true });
  t.after(() => Reflect.deleteProperty(Object.prototype, "do_EVERYWHERE"));
  const peer = (await inMemory(t, Handler)).connect();
  const names = [
    ...Object.getOwnPropertyNames(Object.prototype),
    ...Object.getOwnPropertyNames(BaseHTTPRequestHandler.prototype),
    "prototype",
    "say",
    "do_GET",
    "EVERYWHERE",
    "then",
  ];
  assert.ok(names.includes("__proto__") && names.includes("constructor") && names.includes("toString"));
  for (const name of names) assert.equal((await peer.ask(request(name))).status, 501, name);
});

test("what is named as a method and is none is an error when the server is constructed", () => {
  const serve = (Handler: RequestHandlerClass) => () => new HTTPServer(["127.0.0.1", 0], Handler);
  class Arrow extends Base {
    do_GET = (): void => this.say("do_GET");
  }
  assert.throws(serve(Arrow), {
    name: "TypeError",
    message: "Arrow has do_GET as a field, which no request reaches: write it as a method, do_GET() { … }",
  });
  class Heir extends Arrow {
    do_POST(): void {}
  }
  assert.throws(serve(Heir), /^TypeError: Heir has do_GET as a field/);
  class Quoted extends Base {
    "do_M-SEARCH" = (): void => {};
  }
  assert.throws(serve(Quoted), /Quoted has do_M-SEARCH as a field.* write it as a method, "do_M-SEARCH"\(\) \{ … \}$/);
  class Accessor extends Base {
    get do_GET(): () => void {
      return () => {};
    }
  }
  assert.throws(serve(Accessor), /Accessor has do_GET as an accessor/);
  class Value extends Base {}
  Object.defineProperty(Value.prototype, "do_GET", { value: 7 });
  assert.throws(serve(Value), /Value has do_GET as a value/);
  class Static extends Base {
    static do_GET(): void {}
  }
  assert.throws(serve(Static), /Static has do_GET as a static member/);
});

test("a class is not made to look for fields unless its source shows one", () => {
  let made = 0;
  class Handler extends Base {
    readonly number = ++made;
    do_GET(): void {
      this.say("do_GET");
    }
  }
  new HTTPServer(["127.0.0.1", 0], Handler);
  assert.equal(made, 0);
});

test("methods are inherited, and those of the subclass come first", async (t) => {
  class Parent extends Base {
    do_GET(): void {
      this.say("Parent");
    }

    do_POST(): void {
      this.say("Parent");
    }
  }
  class Handler extends Parent {
    override do_POST(): void {
      this.say("Handler");
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  assert.equal((await peer.ask(GET)).body, "Parent for GET");
  assert.equal((await peer.ask(post("x"))).body, "Handler for POST");
});

test("OPTIONS says what there is, unless the class says it itself", async (t) => {
  class Handler extends Base {
    do_GET(): void {
      this.say("do_GET");
    }
  }
  class Own extends Handler {
    do_OPTIONS(): void {
      this.say("do_OPTIONS");
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  for (const target of ["/", "*"]) {
    const response = await peer.ask(request("OPTIONS", target));
    assert.deepEqual(
      [response.status, response.get("allow"), response.get("content-length")],
      [204, "GET, HEAD, OPTIONS", null],
    );
  }
  const own = (await inMemory(t, Own)).connect();
  assert.equal((await own.ask(request("OPTIONS"))).body, "do_OPTIONS for OPTIONS");
});

test("a class without methods has none: everything is 501", async (t) => {
  class Handler extends BaseHTTPRequestHandler {}
  const peer = (await inMemory(t, Handler)).connect();
  for (const method of ["GET", "HEAD", "POST", "OPTIONS", "BREW"]) {
    assert.equal((await peer.ask(request(method))).status, 501, method);
  }
});

test("an unread body does no harm to the request behind a refusal", async (t) => {
  class Handler extends Base {
    do_GET(): void {
      this.say("do_GET");
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  await peer.send(post(GET) + GET);
  const [refused, responded] = await peer.responses(2);
  assert.deepEqual([refused.status, responded.status], [405, 200]);
});

test("a setup that is a field guards all the same", async () => {
  class Guarded extends BaseHTTPRequestHandler {
    override setup = (): void => {
      throw new HTTPError(401);
    };

    do_GET(): void {
      this.sendText("secret");
    }
  }
  const httpd = new HTTPServer(["127.0.0.1", 0], Guarded, { log: "none" });
  assert.equal((await httpd.inject()).status, 401);
  assert.equal((await httpd.inject()).status, 401);
  await httpd.shutdown();
});

test("a do_ field that only a request shows is told of then", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    readonly who = this.headers.get("From");
    do_GET = (): void => this.sendText(String(this.who));
  }
  const { connect, log } = await inMemory(t, Handler);
  for (let i = 0; i < 2; i++) assert.equal((await connect().ask(GET)).status, 500);
  for (const line of [log[0], log[3]]) assert.match(line, /Handler has do_GET as a field/);
});

test("a do_ name that is no method's is refused", () => {
  class Handler extends BaseHTTPRequestHandler {
    "do_A B"(): void {}
  }
  assert.throws(() => new HTTPServer(["127.0.0.1", 0], Handler), TypeError);
});

test("a class with a finish alone has it called, and what it throws does not hide what the method threw", async (t) => {
  class Handler extends Base {
    override finish(): void {
      if (this.path !== "/") throw new Error("no end");
      this.logMessage("finished");
    }

    do_GET(): void {
      if (this.path === "/both") throw new HTTPError(404);
      this.say("do_GET");
    }
  }
  const { connect, log } = await inMemory(t, Handler);
  assert.equal((await connect().ask(GET)).status, 200);
  assert.ok(log.some((line) => line.endsWith("finished")));
  assert.equal((await connect().ask(request("GET", "/finish"))).status, 500);
  assert.equal((await connect().ask(request("GET", "/both"))).status, 404);
  assert.ok(log.some((line) => line.includes("finish has failed as well: Error: no end")));
});

test("do_ alone is the name of no method, and may be anything", async () => {
  class Handler extends Base {
    do_ = (): void => {};
    do_GET(): void {
      this.say("do_GET");
    }
  }
  assert.equal((await new HTTPServer(["127.0.0.1", 0], Handler, { log: "none" }).inject()).status, 200);
});
