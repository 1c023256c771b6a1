/** How responses are framed: who computes lengths, which responses have no content, interim responses, trailers, and the connection's end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BaseHTTPRequestHandler, HTTPServer, type RequestHandlerClass } from "plinth";
import { Gate, GET, inMemory, microtask, request, turn, until } from "../server/support.ts";

/** A class whose GET is the function given. */
function handling(get: (this: BaseHTTPRequestHandler) => void | Promise<void>): RequestHandlerClass {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void | Promise<void> {
      return get.call(this);
    }
  }
  return Handler;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test("a response that settles before its head has left gets its length computed, an empty one too", async (t) => {
  const Handler = handling(async function () {
    if (this.path.includes("async")) await microtask();
    this.sendResponse(200);
    this.endHeaders();
    for (const piece of this.path.includes("empty") ? [] : ["hel", Buffer.from("lo"), " €"]) this.wfile.write(piece);
  });
  const peer = (await inMemory(t, Handler)).connect();
  for (const version of ["1.1", "1.0"]) {
    for (const [target, length] of [
      ["/sync", "9"],
      ["/async", "9"],
      ["/empty", "0"],
    ]) {
      const response = await peer.ask(`GET ${target} HTTP/${version}\r\nHost: a\r\nConnection: keep-alive\r\n\r\n`);
      assert.equal(response.get("content-length"), length, target);
    }
  }
});

test("a response whose length nobody knows is chunked, or ends with the connection on HTTP/1.0", async (t) => {
  const Handler = handling(async function () {
    this.sendResponse(200);
    this.endHeaders();
    this.wfile.write("hel");
    await nextTurn();
    this.wfile.write("");
    this.wfile.write("lo");
  });
  const peer = (await inMemory(t, Handler)).connect();
  const chunked = await peer.ask(GET);
  assert.deepEqual([chunked.framing, chunked.body], ["chunked", "hello"]);
  const closed = await peer.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  assert.deepEqual([closed.framing, closed.body], ["until-close", "hello"]);
  assert.equal(closed.get("transfer-encoding"), null);
  assert.equal(closed.get("connection"), "close");
});

test("HEAD is GET without its content, its length all the same", async (t) => {
  const Handler = handling(async function () {
    this.sendResponse(200);
    if (this.path === "/counted") this.sendHeader("Content-Length", 5);
    this.endHeaders();
    if (this.path === "/flushed") await nextTurn();
    this.wfile.write("hello");
  });
  const peer = (await inMemory(t, Handler)).connect();
  for (const [target, length] of [
    ["/counted", "5"],
    ["/computed", "5"],
    ["/flushed", null],
  ] as const) {
    const response = await peer.ask(request("HEAD", target));
    assert.equal(response.get("content-length"), length, target);
    assert.equal(response.get("transfer-encoding"), null);
  }
  assert.equal((await peer.ask(GET)).body, "hello", "nothing was left over");
});

test("a class may have a HEAD of its own", async (t) => {
  class Handler extends BaseHTTPRequestHandler {
    do_GET(): void {
      this.sendResponse(200);
      this.endHeaders();
    }

    do_HEAD(): void {
      this.sendResponse(200);
      this.sendHeader("Content-Length", 12_345);
      this.endHeaders();
    }
  }
  const peer = (await inMemory(t, Handler)).connect();
  assert.equal((await peer.ask(request("HEAD"))).get("content-length"), "12345");
});

test("a HEAD of the class's own that wrote nothing claims no length", async (t) => {
  for (const later of [false, true]) {
    const head = async function (this: BaseHTTPRequestHandler) {
      this.sendResponse(200);
      this.endHeaders();
      if (later) await nextTurn();
    };
    const Handler = handling(head);
    Object.defineProperty(Handler.prototype, "do_HEAD", { value: head });
    const response = await (await inMemory(t, Handler)).connect().ask(request("HEAD"));
    assert.deepEqual([response.status, response.get("content-length")], [200, null]);
  }
});

test("204 has neither content nor a length, 205 a length of 0, 304 the length of what it stands for", async (t) => {
  const Handler = handling(function () {
    const [, status, length] = this.path.split("/");
    this.sendResponse(Number(status));
    if (length !== undefined) this.sendHeader("Content-Length", length);
    this.endHeaders();
    this.wfile.write("hello");
  });
  const peer = (await inMemory(t, Handler)).connect();
  for (const [target, length] of [
    ["/204", null],
    ["/204/5", null],
    ["/205", "0"],
    ["/205/5", "0"],
    ["/304", null],
    ["/304/5", "5"],
  ] as const) {
    const response = await peer.ask(request("GET", target));
    assert.equal(response.get("content-length"), length, target);
    assert.equal(response.get("transfer-encoding"), null, target);
    assert.equal(response.body, "", target);
  }
  assert.equal((await peer.ask(request("GET", "/200/5"))).body, "hello", "nothing was left over");
});

test("the length is announced once, as a number of bytes", async (t) => {
  const faults: unknown[] = [];
  const Handler = handling(function () {
    this.sendResponse(200);
    this.sendHeader("Content-Length", 5);
    this.sendHeader("content-length", "5");
    for (const value of [6, -1, 1.5, NaN, Infinity, 2 ** 53, "", "5 ", "0x5", "+5", "5, 5", "1e3"]) {
      try {
        this.sendHeader("CONTENT-LENGTH", value);
        faults.push(`nothing for ${value}`);
      } catch (error) {
        assert.match(String(error), /Content-Length/);
      }
    }
    this.endHeaders();
    this.wfile.write("hello");
  });
  const peer = (await inMemory(t, Handler)).connect();
  assert.equal((await peer.ask(GET)).get("content-length"), "5");
  assert.deepEqual(faults, []);
});

test("Transfer-Encoding is not a handler's to send", async (t) => {
  const Handler = handling(function () {
    this.sendResponse(200);
    for (const name of ["Transfer-Encoding", "transfer-encoding"]) {
      assert.throws(() => this.sendHeader(name, "chunked"), TypeError);
      assert.throws(() => this.sendHeader(name, "identity"), TypeError);
    }
    this.endHeaders();
  });
  const peer = (await inMemory(t, Handler)).connect();
  const response = await peer.ask(GET);
  assert.deepEqual([response.status, response.framing], [200, "counted"]);
});

test("trailers follow chunked content, also where the length could have been computed", async (t) => {
  const Handler = handling(async function () {
    this.sendTrailer("Before", "1");
    this.sendResponse(200);
    this.sendHeader("Trailer", "Sum");
    this.endHeaders();
    this.wfile.write("hel");
    if (this.path === "/later") await nextTurn();
    this.wfile.write("lo");
    this.sendTrailer("Sum", 7);
  });
  const peer = (await inMemory(t, Handler)).connect();
  for (const target of ["/", "/later"]) {
    const response = await peer.ask(request("GET", target));
    assert.deepEqual([response.framing, response.body], ["chunked", "hello"]);
    assert.deepEqual(response.trailers, [
      ["Before", "1"],
      ["Sum", "7"],
    ]);
  }
  const old = await peer.ask(request("GET", "/", "1.0"));
  assert.deepEqual([old.framing, old.body], ["until-close", "hello"], "HTTP/1.0 has no trailers");
});

test("interim responses leave at once, before the response, and do not reach HTTP/1.0", async (t) => {
  let gate = new Gate();
  const Handler = handling(async function () {
    this.sendInformational(103, { Link: "</style.css>; rel=preload" });
    this.sendInformational(102);
    await gate.opened;
    this.sendResponse(200);
    this.endHeaders();
  });
  const peer = (await inMemory(t, Handler, { informational: "always" })).connect();
  await peer.send(GET);
  await turn();
  const { responses } = peer.reading;
  assert.deepEqual(
    responses.map(({ status, reason, fields }) => [status, reason, fields]),
    [
      [103, "Early Hints", [["Link", "</style.css>; rel=preload"]]],
      [102, "Processing", []],
    ],
  );
  gate.open();
  assert.equal((await peer.responses(1))[0].status, 200);

  gate = new Gate();
  gate.open();
  const old = (await inMemory(t, Handler, { informational: "always" })).connect();
  await old.send(request("GET", "/", "1.0"));
  await old.responses(1);
  assert.equal(old.reading.responses.length, 1);
});

test("what is no interim response cannot be sent as one, nor one after the response has gone", async (t) => {
  const Handler = handling(async function () {
    for (const status of [99, 101, 200, 102.5, NaN]) assert.throws(() => this.sendInformational(status), RangeError);
    this.sendResponse(200);
    this.sendInformational(103); // nothing of the response has gone yet
    this.endHeaders();
    await nextTurn();
    assert.throws(() => this.sendInformational(103), /final one has begun/);
  });
  const peer = (await inMemory(t, Handler, { informational: "always" })).connect();
  await peer.send(GET);
  await peer.responses(1);
  assert.deepEqual(
    peer.reading.responses.map(({ status }) => status),
    [103, 200],
  );
});

test("an interim response is a write of its own, whatever stands in front of it and behind", async (t) => {
  const Handler = handling(function () {
    this.sendInformational(103, { Link: "</a.css>" });
    if (this.path === "/two") this.sendInformational(103, { Link: "</b.css>" });
    this.sendText("x");
  });
  const peer = (await inMemory(t, Handler, { informational: "always" })).connect();
  await peer.send(request("GET", "/one") + request("GET", "/two") + request("HEAD", "/one"));
  const pieces: string[] = [];
  const count = (): number => pieces.join("").split("200 OK").length - 1;
  await until(() => {
    for (const bytes of peer.client.takeBytes()) pieces.push(Buffer.from(bytes).toString("latin1"));
    return count() === 3;
  }, "three responses");
  for (const piece of pieces)
    assert.ok(!piece.includes("103") || /^HTTP\/1\.1 103 Early Hints\r\nLink: [^\r]*\r\n\r\n$/.test(piece), piece);
  assert.equal(pieces.filter((piece) => piece.includes("103")).length, 4);
});

for (const informational of [undefined, "http2", "never"] as const) {
  test(`by default HTTP/1.1 gets no interim response but the 100 that it asked for (${String(informational)})`, async (t) => {
    const Handler = handling(async function () {
      this.sendInformational(103, { Link: "</a.css>" });
      assert.throws(() => this.sendInformational(200), RangeError);
      assert.throws(() => this.sendInformational(103, { Link: "a\r\nb" }), TypeError);
      if (this.path === "/100") this.sendInformational(100);
      if (this.path === "/100") this.sendInformational(100);
      this.sendText(await this.text());
    });
    const peer = (await inMemory(t, Handler, informational === undefined ? {} : { informational })).connect();
    const content = "Content-Length: 5\r\n";
    await peer.send(`${GET.slice(0, -2)}${content}\r\nhello`);
    assert.deepEqual([(await peer.responses(1))[0].body, peer.reading.responses.length], ["hello", 1]);
    for (const path of ["/100", "/read"]) {
      peer.text = "";
      await peer.send(request("GET", path).slice(0, -2) + content + "Expect: 100-continue\r\n\r\n");
      await until(() => peer.reading.responses.length === 1, "the 100");
      await peer.send("hello");
      assert.equal((await peer.responses(1))[0].body, "hello");
      assert.deepEqual(
        peer.reading.responses.map(({ status }) => status),
        [100, 200],
        path,
      );
    }
    // Nobody has asked for that one.
    peer.text = "";
    assert.equal((await peer.ask(request("GET", "/100"))).body, "");
  });
}

test("the option says to whom interim responses go in three words", () => {
  const make = (informational: unknown) => () =>
    new HTTPServer(
      ["127.0.0.1", 0],
      handling(() => {}),
      { informational: informational as "never" },
    );
  for (const informational of ["never", "http2", "always", undefined]) make(informational)();
  for (const informational of ["http1", "", true, false, null, 103, {}])
    assert.throws(make(informational), /^RangeError: informational must be "never", "http2" or "always", not /);
});

test("a status that is no response's throws, and a response begins and ends once", async (t) => {
  const Handler = handling(function () {
    assert.throws(() => this.sendHeader("X", "1"), /sendResponse comes first/);
    assert.throws(() => this.endHeaders(), /sendResponse comes first/);
    for (const status of [100, 199, 600, 0, NaN, 200.5]) assert.throws(() => this.sendResponse(status), RangeError);
    this.sendResponse(299, "My Own Words");
    assert.throws(() => this.sendResponse(200), /already begun with 299/);
    this.endHeaders();
    assert.throws(() => this.endHeaders(), /have ended/);
    assert.throws(() => this.sendHeader("X", "1"), /have ended/);
  });
  const peer = (await inMemory(t, Handler)).connect();
  const { status, reason } = await peer.ask(GET);
  assert.deepEqual([status, reason], [299, "My Own Words"]);
});

test("a handler may end the connection, by closeConnection or the field, and the response says so", async (t) => {
  const Handler = handling(async function () {
    const [, how, when] = this.path.split("/");
    const close = (): void => {
      assert.equal(this.closeConnection, false);
      this.closeConnection = true;
      assert.equal(this.closeConnection, true);
    };
    if (how === "property" && when === "before") close();
    this.sendResponse(200);
    if (how === "field") this.sendHeader("Connection", "close");
    this.endHeaders();
    if (when === "after") {
      await nextTurn(); // the head has left
      close();
    }
    this.wfile.write("x");
  });
  const server = await inMemory(t, Handler);
  for (const [target, said] of [
    ["/property/before", "close"],
    ["/field/", "close"],
    ["/property/after", null],
  ] as const) {
    const peer = server.connect();
    const response = await peer.ask(request("GET", target));
    assert.equal(response.get("connection"), said, target);
    await peer.endOfConnection();
  }
});

test("connections persist as their versions say", async (t) => {
  const Handler = handling(function () {
    this.sendResponse(200);
    this.sendHeader("Connection", "keep-alive"); // which the protocol knows better
    this.endHeaders();
    this.wfile.write("x");
  });
  const server = await inMemory(t, Handler);
  for (const [version, field, said] of [
    ["1.1", "", null],
    ["1.1", "Connection: close\r\n", "close"],
    ["1.0", "", "close"],
    ["1.0", "Connection: Keep-Alive\r\n", "keep-alive"],
  ] as const) {
    const peer = server.connect();
    const response = await peer.ask(`GET / HTTP/${version}\r\nHost: a\r\n${field}\r\n`);
    assert.equal(response.get("connection"), said, `${version} ${field}`);
    if (said === "close") await peer.endOfConnection();
    else assert.equal((await peer.ask(GET)).status, 200);
  }
});
