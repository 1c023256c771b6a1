/** What leaves for what a handler says: the head, the length, and what is not content. */
import assert from "node:assert/strict";
import { Answering, Named, Timed } from "../handlers.ts";
import type { Mode } from "../mode.ts";
import { connect, logged, readText, type Register } from "../tools.ts";

export function answering(mode: Mode, test: Register, testEarly: Register): void {
  test("status, reason, headers and content are what the handler sent, in its order, with Server and Date", async (t) => {
    const client = await connect(t, mode, Answering);
    const answer = await client.request({ path: "/fields" });
    assert.equal(answer.status, 201);
    assert.equal(answer.reason, mode.has.reasons ? "Made to Measure" : "");
    const lines = answer.headers.lines.map(([name, value]) => [name.toLowerCase(), value]);
    const ours = lines.filter(([name]) => name.startsWith("x-"));
    assert.deepEqual(ours, [
      ["x-b", "1"],
      ["x-a", "1.5"],
      ["x-b", ""],
      ["x-latin", "caf\xe9\t!"],
    ]);
    assert.equal(answer.headers.get("content-length"), "5");
    assert.match(answer.headers.get("server") ?? "", /^Plinth\/\d/);
    const date = answer.headers.get("date") ?? "";
    assert.match(date, /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/);
    assert.ok(Math.abs(Date.parse(date) - Date.now()) < 10_000, date);
    assert.equal(answer.text, "hello");
    if (mode.has.reasons) assert.equal((await client.request({ path: "/empty" })).reason, "OK");
  });

  test("sendResponseOnly sends neither Server nor Date; versionString is what Server says", async (t) => {
    const bare = await (await connect(t, mode, Answering)).request({ path: "/bare" });
    assert.deepEqual([bare.headers.get("server"), bare.headers.get("date")], [null, null]);
    const named = await (await connect(t, mode, Named)).request({ path: "/empty" });
    assert.equal(named.headers.get("server"), "Teapot/1");
  });

  test("dateTimeString writes a time as a Date field has it", async (t) => {
    const answer = await (await connect(t, mode, Timed)).request();
    assert.equal(answer.text, "Sun, 06 Nov 1994 08:49:37 GMT");
  });

  test("a length may be announced as a number or as text", async (t) => {
    const answer = await (await connect(t, mode, Answering)).request({ path: "/length-as-text" });
    assert.deepEqual([answer.headers.get("content-length"), answer.text], ["5", "hello"]);
  });

  test("a handler that settles before its head has left gets its Content-Length computed", async (t) => {
    const client = await connect(t, mode, Answering);
    for (const [path, content] of [
      ["/computed", "hello €!"],
      ["/computed-later", "x".repeat(20)],
      ["/empty", ""],
      ["/below", "x".repeat(15 * 1024)],
      ["/flush-too-early", "hello"],
    ]) {
      const answer = await client.request({ path });
      assert.equal(answer.text, content, path);
      assert.equal(answer.headers.get("content-length"), String(Buffer.byteLength(content)), path);
    }
  });

  test("output leaves at 16 KiB, at the end of the turn, and at flush: then nobody knows the length", async (t) => {
    const client = await connect(t, mode, Answering);
    for (const [path, content] of [
      ["/above", "x".repeat(20 * 1024)],
      ["/turn", "hello"],
      ["/flush", "hello"],
      ["/flushHeaders", "hello"],
    ]) {
      const answer = await client.request({ path });
      assert.equal(answer.text, content, path);
      assert.equal(answer.headers.get("content-length"), null, path);
    }
  });

  test("HEAD has the length of the answer to GET where that has one, and no content", async (t) => {
    const client = await connect(t, mode, Answering);
    for (const [path, length] of [
      ["/fields", "5"],
      ["/computed", "10"],
      ["/turn", null],
      ["/flush", null],
    ] as const) {
      const answer = await client.request({ method: "HEAD", path });
      assert.deepEqual([answer.headers.get("content-length"), answer.text], [length, ""], path);
    }
    assert.equal((await client.request({ path: "/computed" })).text, "hello €!", "nothing is left over");
  });

  test("204 has no length, 205 a length of 0, 304 that of what it stands for; none has content", async (t) => {
    const client = await connect(t, mode, Answering);
    for (const [path, length] of [
      ["/204", null],
      ["/204/5", null],
      ["/205", "0"],
      ["/205/5", "0"],
      ["/304", null],
      ["/304/5", "5"],
    ] as const) {
      const answer = await client.request({ method: "STATUS", path });
      assert.equal(answer.status, Number(path.slice(1, 4)));
      assert.deepEqual([answer.headers.get("content-length"), answer.text], [length, ""], path);
    }
    assert.equal((await client.request({ method: "STATUS", path: "/200/5" })).text, "hello", "nothing is left over");
  });

  test("mistakes with the head throw at the call: what comes too early, too late or twice, and what is no status", async (t) => {
    const client = await connect(t, mode, Answering);
    const [early, statuses, late] = [3, 7, 5];
    assert.deepEqual((await client.request({ path: "/mistakes-with-the-head" })).json(), [
      ...Array.from({ length: early }, () => "Error"),
      ...Array.from({ length: statuses }, () => "RangeError"),
      ...Array.from({ length: late }, () => "Error"),
    ]);
  });

  test("a chunk that is neither bytes nor a string throws at the call", async (t) => {
    const client = await connect(t, mode, Answering);
    const thrown = (await client.request({ path: "/mistakes-with-content" })).json() as string[];
    assert.deepEqual(
      thrown,
      thrown.map(() => "TypeError"),
    );
    assert.equal(thrown.length, 6);
  });

  test("content past the announced length throws at the call, and does the rest no harm", async (t) => {
    const served = await mode.serve(t, Answering);
    const client = await served.client();
    assert.equal((await client.request({ path: "/too-much" })).text, "hello");
    assert.equal((await logged(served, /too much: (.*)/))[1], "RangeError,RangeError");
    assert.equal((await client.request({ path: "/too-much" })).text, "hello", "nothing is left over");
  });

  test("what is written after the end throws at the call, and does not leave", async (t) => {
    const served = await mode.serve(t, Answering);
    const client = await served.client();
    assert.equal((await client.request({ path: "/after-the-end" })).text, "hello");
    assert.equal((await logged(served, /after the end: (.*)/))[1], "Error,Error,Error");
    assert.equal((await client.request({ path: "/empty" })).text, "");
  });

  test("Content-Length is a number of bytes, and one; Transfer-Encoding is not the handler's to send", async (t) => {
    const client = await connect(t, mode, Answering);
    for (const path of ["/lengths", "/coding"]) {
      const answer = await client.request({ path });
      const thrown = answer.json() as string[];
      assert.ok(thrown.length > 0 && thrown.every((name) => name === "TypeError"), `${path}: ${thrown.join()}`);
      assert.equal(answer.headers.get("content-length"), String(answer.body.length));
    }
    const two = await client.request({ path: "/two-lengths" });
    assert.deepEqual([two.headers.get("x-thrown"), two.text], ["nothing,Error", "hello"]);
  });

  for (const what of ["values", "names", "no-text", "trailers", "interim", "reason"]) {
    test(`what would split a message throws a TypeError, and does not leave (${what})`, async (t) => {
      const client = await connect(t, mode, Answering);
      const answer = await client.request({ path: `/split/${what}` });
      const thrown = answer.json() as string[];
      assert.ok(thrown.length > 5 && thrown.every((name) => name === "TypeError"), thrown.join());
      assert.deepEqual([answer.status, answer.trailers, answer.informational], [200, undefined, []]);
      assert.doesNotMatch(JSON.stringify(answer.headers.lines), /injected/i);
      assert.equal((await client.request({ path: "/computed" })).text, "hello €!", "and nothing is left over");
    });
  }

  testEarly(
    "interim answers leave at once, before the final one, where the server sends them to everybody",
    async (t) => {
      const client = await connect(t, mode, Answering, { informational: "always" });
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
      const answer = await exchange.response();
      assert.deepEqual([answer.status, answer.text, answer.informational.length], [200, "final", 2]);
    },
  );

  test("HTTP/1.1 gets no interim answer otherwise, since proxies mix up what comes behind one", async (t) => {
    for (const options of [{}, { informational: "never" }] as const) {
      const client = await connect(t, mode, Answering, options);
      const answer = await client.request({ method: "POST", path: "/interim", body: "x" });
      const expected = mode.version === "HTTP/1.1" || "informational" in options ? [] : [103, 102];
      assert.deepEqual([answer.status, answer.informational.map(({ status }) => status)], [200, expected]);
    }
  });

  test("an interim answer has a status from 100 to 199, but not 101: others are a RangeError", async (t) => {
    const client = await connect(t, mode, Answering);
    const answer = await client.request({ path: "/interim-statuses" });
    assert.deepEqual(
      answer.json(),
      Array.from({ length: 5 }, () => "RangeError"),
    );
    assert.deepEqual(answer.informational, []);
  });

  test("trailers follow the content, also where its length could have been computed", async (t) => {
    const client = await connect(t, mode, Answering);
    for (const [path, content, trailers] of [
      ["/trailers", "hello", ["x-before: 1", "x-sum: 7"]],
      ["/trailers-later", "hello", ["x-sum: 7"]],
      ["/trailers-without-content", "", ["x-sum: 7"]],
    ] as const) {
      const answer = await client.request({ path });
      const lines = answer.trailers?.lines.map(([name, value]) => `${name.toLowerCase()}: ${value}`);
      assert.deepEqual([answer.text, lines], [content, trailers], path);
      assert.equal(answer.headers.get("x-sum"), null);
    }
  });

  test("trailers behind content whose length was announced do the answer no harm", async (t) => {
    const client = await connect(t, mode, Answering);
    const answer = await client.request({ path: "/trailers-behind-a-length" });
    assert.deepEqual([answer.headers.get("content-length"), answer.text], ["5", "hello"]);
    assert.equal((await client.request({ path: "/trailers" })).text, "hello");
  });

  test("closeConnection is false until it is set, and ends the connection behind the answer", async (t) => {
    const served = await mode.serve(t, Answering);
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

  test("without it the connection goes on, and answers one request after the other", async (t) => {
    const client = await connect(t, mode, Answering);
    for (let i = 0; i < 100; i++) {
      const [path, content] = i % 2 === 0 ? ["/turn", "hello"] : ["/computed", "hello €!"];
      const exchange = await client.open({ path });
      if (path === "/turn") await readText(exchange, 5);
      assert.equal((await exchange.response()).text, path === "/turn" ? "" : content);
    }
  });
}
