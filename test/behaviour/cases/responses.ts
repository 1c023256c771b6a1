/** What leaves for what a handler says: the head, the length, and what is not content. */
import assert from "node:assert/strict";
import { Responding, Named, Timed } from "../handlers.ts";
import type { Mode } from "../mode.ts";
import { connect, logged, readText, type Register } from "../tools.ts";

export function responses(mode: Mode, test: Register, testEarly: Register): void {
  test("status, reason, headers and content are what the handler sent, in its order, with Server and Date", async (t) => {
    const client = await connect(t, mode, Responding);
    const response = await client.request({ path: "/fields" });
    assert.equal(response.status, 201);
    assert.equal(response.reason, mode.has.reasons ? "Made to Measure" : "");
    const lines = response.headers.lines.map(([name, value]) => [name.toLowerCase(), value]);
    const ours = lines.filter(([name]) => name.startsWith("x-"));
    assert.deepEqual(ours, [
      ["x-b", "1"],
      ["x-a", "1.5"],
      ["x-b", ""],
      ["x-latin", "caf\xe9\t!"],
    ]);
    assert.equal(response.headers.get("content-length"), "5");
    assert.match(response.headers.get("server") ?? "", /^Plinth\/\d/);
    const date = response.headers.get("date") ?? "";
    assert.match(date, /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/);
    assert.ok(Math.abs(Date.parse(date) - Date.now()) < 10_000, date);
    assert.equal(response.text, "hello");
    if (mode.has.reasons) assert.equal((await client.request({ path: "/empty" })).reason, "OK");
  });

  test("sendResponseOnly sends neither Server nor Date; versionString is what Server says", async (t) => {
    const bare = await (await connect(t, mode, Responding)).request({ path: "/bare" });
    assert.deepEqual([bare.headers.get("server"), bare.headers.get("date")], [null, null]);
    const named = await (await connect(t, mode, Named)).request({ path: "/empty" });
    assert.equal(named.headers.get("server"), "Teapot/1");
  });

  test("dateTimeString writes a time as a Date field has it", async (t) => {
    const response = await (await connect(t, mode, Timed)).request();
    assert.equal(response.text, "Sun, 06 Nov 1994 08:49:37 GMT");
  });

  test("a length may be announced as a number or as text", async (t) => {
    const response = await (await connect(t, mode, Responding)).request({ path: "/length-as-text" });
    assert.deepEqual([response.headers.get("content-length"), response.text], ["5", "hello"]);
  });

  test("a handler that settles before its head has left gets its Content-Length computed", async (t) => {
    const client = await connect(t, mode, Responding);
    for (const [path, content] of [
      ["/computed", "hello €!"],
      ["/computed-later", "x".repeat(20)],
      ["/empty", ""],
      ["/below", "x".repeat(15 * 1024)],
      ["/flush-too-early", "hello"],
    ]) {
      const response = await client.request({ path });
      assert.equal(response.text, content, path);
      assert.equal(response.headers.get("content-length"), String(Buffer.byteLength(content)), path);
    }
  });

  test("output leaves at 16 KiB, at the end of the turn, and at flush: then nobody knows the length", async (t) => {
    const client = await connect(t, mode, Responding);
    for (const [path, content] of [
      ["/above", "x".repeat(20 * 1024)],
      ["/turn", "hello"],
      ["/flush", "hello"],
      ["/flushHeaders", "hello"],
    ]) {
      const response = await client.request({ path });
      assert.equal(response.text, content, path);
      assert.equal(response.headers.get("content-length"), null, path);
    }
  });

  test("HEAD has the length of the response to GET where that has one, and no content", async (t) => {
    const client = await connect(t, mode, Responding);
    for (const [path, length] of [
      ["/fields", "5"],
      ["/computed", "10"],
      ["/turn", null],
      ["/flush", null],
    ] as const) {
      const response = await client.request({ method: "HEAD", path });
      assert.deepEqual([response.headers.get("content-length"), response.text], [length, ""], path);
    }
    assert.equal((await client.request({ path: "/computed" })).text, "hello €!", "nothing is left over");
  });

  test("204 has no length, 205 a length of 0, 304 that of what it stands for; none has content", async (t) => {
    const client = await connect(t, mode, Responding);
    for (const [path, length] of [
      ["/204", null],
      ["/204/5", null],
      ["/205", "0"],
      ["/205/5", "0"],
      ["/304", null],
      ["/304/5", "5"],
    ] as const) {
      const response = await client.request({ method: "STATUS", path });
      assert.equal(response.status, Number(path.slice(1, 4)));
      assert.deepEqual([response.headers.get("content-length"), response.text], [length, ""], path);
    }
    assert.equal((await client.request({ method: "STATUS", path: "/200/5" })).text, "hello", "nothing is left over");
  });

  test("mistakes with the head throw at the call: what comes too early, too late or twice, and what is no status", async (t) => {
    const client = await connect(t, mode, Responding);
    const [early, statuses, late] = [3, 7, 5];
    assert.deepEqual((await client.request({ path: "/mistakes-with-the-head" })).json(), [
      ...Array.from({ length: early }, () => "Error"),
      ...Array.from({ length: statuses }, () => "RangeError"),
      ...Array.from({ length: late }, () => "Error"),
    ]);
  });

  test("a chunk that is neither bytes nor a string throws at the call", async (t) => {
    const client = await connect(t, mode, Responding);
    const thrown = (await client.request({ path: "/mistakes-with-content" })).json() as string[];
    assert.deepEqual(
      thrown,
      thrown.map(() => "TypeError"),
    );
    assert.equal(thrown.length, 6);
  });

  test("content past the announced length throws at the call, and does the rest no harm", async (t) => {
    const served = await mode.serve(t, Responding);
    const client = await served.client();
    assert.equal((await client.request({ path: "/too-much" })).text, "hello");
    assert.equal((await logged(served, /too much: (.*)/))[1], "RangeError,RangeError");
    assert.equal((await client.request({ path: "/too-much" })).text, "hello", "nothing is left over");
  });

  test("what is written after the end throws at the call, and does not leave", async (t) => {
    const served = await mode.serve(t, Responding);
    const client = await served.client();
    assert.equal((await client.request({ path: "/after-the-end" })).text, "hello");
    assert.equal((await logged(served, /after the end: (.*)/))[1], "Error,Error,Error");
    assert.equal((await client.request({ path: "/empty" })).text, "");
  });

  test("Content-Length is a number of bytes, and one; Transfer-Encoding is not the handler's to send", async (t) => {
    const client = await connect(t, mode, Responding);
    for (const path of ["/lengths", "/coding"]) {
      const response = await client.request({ path });
      const thrown = response.json() as string[];
      assert.ok(thrown.length > 0 && thrown.every((name) => name === "TypeError"), `${path}: ${thrown.join()}`);
      assert.equal(response.headers.get("content-length"), String(response.body.length));
    }
    const two = await client.request({ path: "/two-lengths" });
    assert.deepEqual([two.headers.get("x-thrown"), two.text], ["nothing,Error", "hello"]);
  });

  for (const what of ["values", "names", "no-text", "trailers", "interim", "reason"]) {
    test(`what would split a message throws a TypeError, and does not leave (${what})`, async (t) => {
      const client = await connect(t, mode, Responding);
      const response = await client.request({ path: `/split/${what}` });
      const thrown = response.json() as string[];
      assert.ok(thrown.length > 5 && thrown.every((name) => name === "TypeError"), thrown.join());
      assert.deepEqual([response.status, response.trailers, response.informational], [200, undefined, []]);
      assert.doesNotMatch(JSON.stringify(response.headers.lines), /injected/i);
      assert.equal((await client.request({ path: "/computed" })).text, "hello €!", "and nothing is left over");
    });
  }

  testEarly(
    "interim responses leave at once, before the final one, where the server sends them to everybody",
    async (t) => {
      const client = await connect(t, mode, Responding, { informational: "always" });
      const exchange = await client.open({ method: "POST", path: "/interim" }, "unknown");
      const hints = await exchange.next();
      assert.equal(hints.status, 103);
      if (mode.has.reasons) assert.equal(hints.reason, "Early Hints");
      assert.deepEqual(
        hints.headers.lines.map(([name, value]) => [name.toLowerCase(), value]),
        [
          ["link", "</a.css>; rel=preload"],
          ["x-a", "1"],
        ],
      );
      assert.equal((await exchange.next()).status, 102);
      await exchange.end();
      const response = await exchange.response();
      assert.deepEqual([response.status, response.text, response.informational.length], [200, "final", 2]);
    },
  );

  test("HTTP/1.1 gets no interim response otherwise, since proxies mix up what comes behind one", async (t) => {
    for (const options of [{}, { informational: "never" }] as const) {
      const client = await connect(t, mode, Responding, options);
      const response = await client.request({ method: "POST", path: "/interim", body: "x" });
      const expected = mode.version === "HTTP/1.1" || "informational" in options ? [] : [103, 102];
      assert.deepEqual([response.status, response.informational.map(({ status }) => status)], [200, expected]);
    }
  });

  test("an interim response has a status from 100 to 199, but not 101: others are a RangeError", async (t) => {
    const client = await connect(t, mode, Responding);
    const response = await client.request({ path: "/interim-statuses" });
    assert.deepEqual(
      response.json(),
      Array.from({ length: 5 }, () => "RangeError"),
    );
    assert.deepEqual(response.informational, []);
  });

  test("trailers follow the content, also where its length could have been computed", async (t) => {
    const client = await connect(t, mode, Responding);
    for (const [path, content, trailers] of [
      ["/trailers", "hello", ["x-before: 1", "x-sum: 7"]],
      ["/trailers-later", "hello", ["x-sum: 7"]],
      ["/trailers-without-content", "", ["x-sum: 7"]],
    ] as const) {
      const response = await client.request({ path });
      const lines = response.trailers?.lines.map(([name, value]) => `${name.toLowerCase()}: ${value}`);
      assert.deepEqual([response.text, lines], [content, trailers], path);
      assert.equal(response.headers.get("x-sum"), null);
    }
  });

  test("trailers behind content whose length was announced do the response no harm", async (t) => {
    const client = await connect(t, mode, Responding);
    const response = await client.request({ path: "/trailers-behind-a-length" });
    assert.deepEqual([response.headers.get("content-length"), response.text], ["5", "hello"]);
    assert.equal((await client.request({ path: "/trailers" })).text, "hello");
  });

  test("closeConnection is false until it is set, and ends the connection behind the response", async (t) => {
    const served = await mode.serve(t, Responding);
    for (const [path, content] of [
      ["/close", "[false,true]"],
      ["/close-later", "hello"],
      ["/close-by-the-field", ""],
    ]) {
      const client = await served.client();
      assert.equal((await client.request({ path: "/empty" })).status, 200);
      assert.equal((await client.request({ path })).text, content);
      await client.ended();
    }
  });

  test("without it the connection goes on, and responds to one request after the other", async (t) => {
    const client = await connect(t, mode, Responding);
    for (let i = 0; i < 100; i++) {
      const [path, content] = i % 2 === 0 ? ["/turn", "hello"] : ["/computed", "hello €!"];
      const exchange = await client.open({ path });
      if (path === "/turn") await readText(exchange, 5);
      assert.equal((await exchange.response()).text, path === "/turn" ? "" : content);
    }
  });
}
