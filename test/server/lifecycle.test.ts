/** How a server begins: addresses, what stands in the way of one, options. (How it ends: shutdown.test.ts.) */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Address,
  BaseHTTPRequestHandler,
  HTTPServer,
  type HTTPServerOptions,
  type RequestHandlerClass,
} from "plinth";
import { connect, GET, onSocket, until } from "./support.ts";

class Handler extends BaseHTTPRequestHandler {
  do_GET(): void {
    this.sendResponse(200);
    this.endHeaders();
    this.wfile.write("hello");
  }
}

const silent = { log: "none" } as const;

test("serverActivate binds, listens and makes the address real; again, it does nothing", async (t) => {
  const httpd = new HTTPServer(["127.0.0.1", 0], Handler, silent);
  t.after(() => httpd.serverClose());
  assert.deepEqual(httpd.serverAddress, ["127.0.0.1", 0]);
  await Promise.all([httpd.serverActivate(), httpd.serverActivate()]);
  const [host, port] = httpd.serverAddress;
  assert.equal(host, "127.0.0.1");
  assert.ok(port > 0);
  const peer = await connect(t, httpd.serverAddress);
  assert.equal((await peer.ask(GET)).body, "hello");
  await httpd.serverActivate();
  assert.deepEqual(httpd.serverAddress, [host, port]);
});

test("serveForever activates, and resolves when the server has been shut down", async (t) => {
  const httpd = new HTTPServer(["127.0.0.1", 0], Handler, silent);
  t.after(() => httpd.serverClose());
  let served = false;
  const serving = httpd.serveForever().then(() => (served = true));
  await httpd.serverActivate();
  const peer = await connect(t, httpd.serverAddress);
  assert.equal((await peer.ask(GET)).body, "hello");
  assert.equal(served, false);
  await peer.end();
  await httpd.shutdown();
  await serving;
  await httpd.serveForever(); // and at once, when it has been shut down before
  await assert.rejects(httpd.serverActivate(), /cannot listen: this server has been shut down/);
});

test("an empty host is every address of the machine", async (t) => {
  const { httpd } = await onSocket(t, Handler, {}, ["", 0]);
  const peer = await connect(t, ["127.0.0.1", httpd.serverAddress[1]]);
  assert.equal((await peer.ask(GET)).body, "hello");
});

test("a name is looked up", async (t) => {
  const { httpd } = await onSocket(t, Handler, {}, ["localhost", 0]);
  assert.match(httpd.serverAddress[0], /^(127\.0\.0\.1|::1)$/);
});

test("what stands in the way is said in one clear line, by all who ask", async (t) => {
  const { httpd: first } = await onSocket(t, Handler);
  const [, port] = first.serverAddress;
  const problems: [Address, RegExp, string | RegExp][] = [
    [["127.0.0.1", port], new RegExp(`^cannot listen on 127\\.0\\.0\\.1:${port}: .*in use`), "EADDRINUSE"],
    [["192.0.2.1", 0], /^cannot listen on 192\.0\.2\.1:0: .*not one of this machine's/, "EADDRNOTAVAIL"],
    [["2001:db8::1", 80], /^cannot listen on \[2001:db8::1\]:80: ./, /^E/],
    [["not a host", 80], /^cannot listen on not a host:80: .*(no such host|cannot be looked up)/, /^E/],
    ["/no/such/folder/socket", /^cannot listen on \/no\/such\/folder\/socket: ./, /^E/],
  ];
  for (const [address, message, code] of problems) {
    const httpd = new HTTPServer(address, Handler, silent);
    for (const attempt of [() => httpd.serverActivate(), () => httpd.serveForever()]) {
      await assert.rejects(attempt, (error: NodeJS.ErrnoException) => {
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        assert.match(error.code ?? "", new RegExp(code));
        return true;
      });
    }
    await httpd.shutdown();
  }
});

test("a server that could not listen may try again", async (t) => {
  const { httpd: first } = await onSocket(t, Handler);
  const second = new HTTPServer(first.serverAddress, Handler, silent);
  t.after(() => second.serverClose());
  await assert.rejects(second.serverActivate(), /in use/);
  await first.shutdown();
  await second.serverActivate();
  assert.equal((await (await connect(t, second.serverAddress)).ask(GET)).body, "hello");
});

test("an option that there is not is named, with those that there are", () => {
  for (const options of [{ maxBodysize: 5 }, { port: 8000 }, { toString: 1 }] as never[]) {
    assert.throws(
      () => new HTTPServer(["127.0.0.1", 0], Handler, options),
      /^TypeError: there is no option \w+; there are log, .*maxBodySize/,
    );
  }
});

test("what is no address, no handler class or no option is refused at once", () => {
  for (const address of [
    undefined,
    null,
    8000,
    "",
    "localhost:8000",
    "127.0.0.1",
    "[::1]:80",
    [],
    ["127.0.0.1"],
    ["127.0.0.1", "80"],
    [80, "127.0.0.1"],
  ]) {
    assert.throws(() => new HTTPServer(address as Address, Handler), TypeError, JSON.stringify(address));
  }
  for (const port of [-1, 65_536, 1.5, NaN]) assert.throws(() => new HTTPServer(["127.0.0.1", port], Handler), /65535/);
  for (const NoHandler of [undefined, {}, () => {}, class {}, BaseHTTPRequestHandler, new Handler({} as never)]) {
    const make = () => new HTTPServer(["127.0.0.1", 0], NoHandler as RequestHandlerClass);
    assert.throws(make, /class that extends BaseHTTPRequestHandler/);
  }
  for (const name of ["maxConnections", "sendTimeout", "shutdownTimeout", "headTimeout", "maxBodySize", "maxFields"]) {
    for (const value of [-1, NaN, "10", null]) {
      const options = { [name]: value } as HTTPServerOptions;
      assert.throws(
        () => new HTTPServer(["127.0.0.1", 0], Handler, options),
        new RegExp(`^${typeof value === "number" ? "Range" : "Type"}Error: ${name} `),
      );
    }
    const asText = { [name]: "5" } as never;
    assert.throws(() => new HTTPServer(["127.0.0.1", 0], Handler, asText), /must be a .*number.* not "5"$/);
    new HTTPServer(["127.0.0.1", 0], Handler, { [name]: undefined } as HTTPServerOptions);
    new HTTPServer(["127.0.0.1", 0], Handler, { [name]: Infinity });
  }
});

test("a server that does nothing keeps no process alive, nor does one that has been shut down", async (t) => {
  const before = process.getActiveResourcesInfo().length;
  const httpd = new HTTPServer(["127.0.0.1", 0], Handler, silent);
  assert.equal(process.getActiveResourcesInfo().length, before);
  t.after(() => httpd.serverClose());
  await httpd.serverActivate();
  const peer = await connect(t, httpd.serverAddress);
  await peer.ask(GET);
  await peer.end();
  await httpd.shutdown();
  await until(() => peer.closed, "the end of the connection");
  await new Promise((resolve) => setImmediate(resolve));
  const left = process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name));
  assert.deepEqual(left, []);
});
