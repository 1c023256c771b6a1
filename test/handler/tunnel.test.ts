/** CONNECT: a tunnel where a class builds one, and nowhere else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseHTTPRequestHandler } from "plinth";
import { Gate, GET, inMemory, onSocket, request, turn, until } from "../server/support.ts";

const CONNECT = "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n";

/** A tunnel to somebody who shouts back what he hears. */
class Shouting extends BaseHTTPRequestHandler {
  async do_CONNECT(): Promise<void> {
    if (this.path !== "a:443") return this.sendError(403);
    this.sendResponse(200, "Connection established");
    this.endHeaders();
    for (let bytes; (bytes = await this.rfile.read(1)).length > 0;) await this.wfile.write(String(bytes).toUpperCase());
    this.wfile.write(".");
  }

  do_GET(): void {
    this.sendResponse(200);
    this.endHeaders();
  }
}

test("without do_CONNECT there is no tunnel", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendResponse(200);
      this.endHeaders();
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  assert.equal((await peer.ask(CONNECT)).status, 501);
});

test("a tunnel carries bytes both ways, until the client ends its side", async (t) => {
  const server = await onSocket(t, Shouting);
  const peer = await server.connect();
  // Some of what the tunnel carries comes with the request itself, and what looks like a request is none.
  await peer.send(CONNECT + "early ");
  await until(() => peer.text.endsWith("EARLY "), "what came early");
  const [head] = peer.text.split("\r\n\r\n");
  assert.match(head, /^HTTP\/1\.1 200 Connection established\r\n/);
  assert.doesNotMatch(head, /content-length|transfer-encoding|connection:/i);
  peer.text = "";
  await peer.send(GET);
  await until(() => peer.text.length >= GET.length, "what came later");
  assert.equal(peer.text, GET.toUpperCase());
  await peer.end();
  await until(() => peer.closed, "the end of the connection");
  assert.equal(peer.text, GET.toUpperCase() + ".");
});

test("a tunnel that is refused is an ordinary response, and the connection goes on", async (t) => {
  const peer = (await inMemory(t, Shouting)).connect();
  assert.equal((await peer.ask("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n")).status, 403);
  assert.equal((await peer.ask(GET)).status, 200);
});

test("the head of a tunnel does not wait for what it carries", async (t) => {
  const peer = (await inMemory(t, Shouting)).connect();
  await peer.send(CONNECT);
  await turn();
  assert.match((peer.reading, peer.text), /\r\n\r\n$/);
});

test("a tunnel may be silent for as long as it likes", async (t) => {
  const server = await inMemory(t, Shouting, { bodyTimeout: 50, keepAliveTimeout: 50, headTimeout: 400 });
  const peer = server.connect();
  await peer.send(CONNECT);
  // Longer than it takes a head that does not come to be given up.
  const other = server.connect();
  await other.send("GET / HTTP/1.1\r\n");
  await other.endOfConnection();
  await peer.send("still here");
  await until(() => (peer.reading, peer.text.endsWith("STILL HERE")), "what it carries");
  assert.equal(peer.closed, false);
});

test("a handler that throws breaks its tunnel off", async (t) => {
  const gate = new Gate();
  class Handler extends BaseHTTPRequestHandler {
    async do_CONNECT(): Promise<void> {
      this.sendResponse(200);
      this.endHeaders();
      this.wfile.write("x");
      await gate.opened;
      throw new Error("no");
    }
  }
  const server = await onSocket(t, Handler);
  const peer = await server.connect();
  await peer.send(CONNECT);
  await until(() => peer.text.endsWith("x"), "what it carries");
  gate.open();
  await until(() => peer.closed, "the end of the connection");
  assert.equal(peer.error, "ECONNRESET");
});

test("only a target with a host and a port can be connected to", async (t) => {
  const server = await inMemory(t, Shouting);
  for (const target of ["/", "a", "a:", ":443", "http://a:443/", "*", "u@a:443", "a:443/"]) {
    assert.equal((await server.connect().ask(request("CONNECT", target))).status, 400, target);
  }
});
