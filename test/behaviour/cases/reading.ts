/** How content is read: what each call of `rfile` gives, and when. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Buffered, GuardedBuffered, Reading } from "../handlers.ts";
import type { Client, Mode, Request, Response } from "../mode.ts";
import { connect, inPieces, logged, pattern, readText, type Register } from "../tools.ts";

function pathOf(steps: readonly string[]): string {
  return `/?${steps.map((step) => `do=${encodeURIComponent(step)}`).join("&")}`;
}

/** What steps give, that a handler takes. */
async function taken(client: Client, body: Request["body"], ...steps: readonly string[]): Promise<unknown[]> {
  const response = await client.request({
    method: "POST",
    path: pathOf(steps),
    ...(body === undefined ? {} : { body }),
  });
  assert.equal(response.status, 200, response.text);
  return response.json() as unknown[];
}

/** The same content in all the ways in which it may come. */
function ways(text: string): [string, () => NonNullable<Request["body"]>][] {
  const half = text.length >> 1;
  return [
    ["at once", () => text],
    ["in pieces", () => inPieces(text.slice(0, half), text.slice(half))],
    ["byte by byte", () => inPieces(...text)],
  ];
}

export function reading(mode: Mode, test: Register, testEarly: Register): void {
  for (const [way, body] of ways("0123456789")) {
    test(`read(n) gives n bytes, fewer only at the end (content ${way})`, async (t) => {
      const client = await connect(t, mode, Reading);
      const given = await taken(client, body(), "read(3)", "read(4)", "read(100)", "read(5)", "read");
      assert.deepEqual(given, ["012", "3456", "789", "", ""]);
      assert.deepEqual(await taken(client, body(), "read(2.9)", "read(Infinity)"), ["01", "23456789"]);
    });

    test(`read() and read(-1) give the rest (content ${way})`, async (t) => {
      const client = await connect(t, mode, Reading);
      assert.deepEqual(await taken(client, body(), "read(1)", "read(-1)", "read"), ["0", "123456789", ""]);
      assert.deepEqual(await taken(client, body(), "read", "read(-1)"), ["0123456789", ""]);
      assert.deepEqual(await taken(client, body(), "bytes", "bytes"), ["0123456789", ""]);
    });

    test(`async iteration and stream() give the rest (content ${way})`, async (t) => {
      const client = await connect(t, mode, Reading);
      for (const step of ["iterate", "stream"])
        assert.deepEqual(await taken(client, body(), "read(2)", step, step, "read"), ["01", "23456789", "", ""]);
    });
  }

  for (const [way, body] of ways("one\ntwo\r\n\nfour, long\nlast")) {
    test(`readLine gives a line with its end, or so much of it (content ${way})`, async (t) => {
      const client = await connect(t, mode, Reading);
      const lines = await taken(client, body(), ...Array.from({ length: 6 }, () => "readLine"));
      assert.deepEqual(lines, ["one\n", "two\r\n", "\n", "four, long\n", "last", ""]);
      const steps = [3, 3, 0, 5, 1, 4, -1, 100, 1].map((limit) => `readLine(${limit})`);
      const limited = await taken(client, body(), ...steps);
      assert.deepEqual(limited, ["one", "\n", "", "two\r\n", "\n", "four", ", long\n", "last", ""]);
    });

    test(`reads may be mixed, each goes on where the last ended (content ${way})`, async (t) => {
      const client = await connect(t, mode, Reading);
      const given = await taken(client, body(), "readLine", "read(2)", "readLine", "read(1)", "read1(1)", "iterate");
      assert.deepEqual(given, ["one\n", "tw", "o\r\n", "\n", "f", "our, long\nlast"]);
      const steps = ["readLine", "read1(3)", "stream", "read"];
      const [line, some, rest, none] = (await taken(client, body(), ...steps)) as string[];
      assert.deepEqual([line, some + rest, none], ["one\n", "two\r\n\nfour, long\nlast", ""]);
      assert.ok(some.length >= 1 && some.length <= 3);
      const [first, behind] = (await taken(client, body(), "first", "read")) as string[];
      assert.ok(first.length > 0, "an iteration that is broken off has taken what it gave, and no more");
      assert.equal(first + behind, "one\ntwo\r\n\nfour, long\nlast");
    });
  }

  for (const [way, body] of ways("0123456789")) {
    test(`readInto1 gives what is there, at most as much as there is room for, wherever it was kept (content ${way})`, async (t) => {
      const client = await connect(t, mode, Reading);
      const steps = Array.from({ length: 11 }, () => "readInto1(4)");
      const pieces = (await taken(client, body(), "read(1)", ...steps)) as string[];
      assert.equal(pieces.join(""), "0123456789");
      assert.ok(pieces.slice(1).every((piece) => piece.length <= 4));
      assert.equal(pieces.at(-1), "", "and nothing at the end");
      assert.deepEqual(await taken(client, body(), "readInto1(0)", "read"), ["", "0123456789"]);
      const [line, some, rest] = (await taken(client, "ab\ncdefg", "readLine", "readInto1(2)", "read")) as string[];
      assert.deepEqual([line, some + rest], ["ab\n", "cdefg"]);
    });
  }

  testEarly("read(0) waits for nothing; read1 waits only when nothing is there, and gives what is", async (t) => {
    const client = await connect(t, mode, Reading);
    const steps = ["read(0)", "read1(10)", "read1", "readLine", "read1(0)", "read1(2)", "read1(2)", "read1"];
    const exchange = await client.open({ method: "STEP", path: pathOf(steps) }, "unknown");
    assert.equal(await readText(exchange, 3), '""\n');
    await exchange.send("a");
    assert.equal(await readText(exchange, 4), '"a"\n');
    await exchange.send("b");
    assert.equal(await readText(exchange, 4), '"b"\n');
    await exchange.send("\n");
    assert.equal(await readText(exchange, 8), '"\\n"\n""\n');
    await exchange.send("cd");
    assert.match(await readText(exchange, 5), /^"cd"\n$/);
    await exchange.send("e");
    assert.equal(await readText(exchange, 4), '"e"\n');
    await exchange.end();
    assert.equal((await exchange.response()).text, '""\n');
  });

  for (const way of ["iteration", "stream"]) {
    testEarly(`by ${way}, pieces come as they are sent`, async (t) => {
      const client = await connect(t, mode, Reading);
      const exchange = await client.open({ method: "PIECES", path: `/?${way}` }, "unknown");
      await exchange.head();
      for (const piece of ["a", "b", "c"]) {
        await exchange.send(piece);
        assert.equal(await readText(exchange, 4), `"${piece}"\n`);
      }
      await exchange.end();
      assert.equal(await exchange.read(), null);
    });
  }

  test("a number of bytes that is none is a RangeError, and takes nothing", async (t) => {
    const client = await connect(t, mode, Reading);
    for (const name of ["read", "read1", "readLine"]) {
      const steps = [NaN, -2, -0.5, -Infinity].map((n) => `${name}(${n})`);
      const given = await taken(client, "hello", "read(1)", ...steps, "read");
      assert.deepEqual(given, ["h", ...steps.map(() => ({ failure: "RangeError" })), "ello"]);
    }
  });

  test("where there is no content, every read gives nothing at once", async (t) => {
    const client = await connect(t, mode, Reading);
    const steps = ["read(0)", "read(10)", "read", "read1", "readLine", "iterate", "stream", "bytes", "text", "read(1)"];
    for (const method of ["GET", "POST"]) {
      const response = await client.request({ method, path: pathOf([...steps, "trailers"]) });
      assert.deepEqual(response.json(), [...steps.map(() => ""), null]);
    }
    assert.deepEqual(
      await taken(client, inPieces(), ...steps),
      Array.from(steps, () => ""),
    );
  });

  testEarly("a read while another waits throws, and does the other no harm", async (t) => {
    const client = await connect(t, mode, Reading);
    const exchange = await client.open({ method: "TWICE" }, 5);
    assert.equal(await readText(exchange, 6), "Error\n");
    await exchange.send("hel");
    await exchange.send("lo");
    assert.equal((await exchange.response()).text, "hello\n");
  });

  test("much content comes whole, whichever way it is read", async (t) => {
    const client = await connect(t, mode, Reading);
    const content = pattern(300_000);
    const text = content.toString("latin1");
    const body = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < content.length; at += 70_001) yield content.subarray(at, at + 70_001);
    };
    for (const step of ["read", "bytes", "iterate", "stream", "read(300000)", "lines"]) {
      assert.ok((await taken(client, content, step))[0] === text, step);
      assert.ok((await taken(client, body(), step))[0] === text, step);
    }
  });

  test("text() is UTF-8, and content that is not is a 400", async (t) => {
    const client = await connect(t, mode, Reading);
    for (const text of ["5 €, \u{1f600}\0", "", "\ufeffwith a mark"])
      assert.equal((await client.request({ method: "TEXT", body: text })).text, text);
    for (const bytes of [[0xff], [0x61, 0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80]]) {
      const response = await client.request({ method: "TEXT", body: Uint8Array.from(bytes) });
      assert.equal(response.status, 400);
      assert.match(response.json().detail, /UTF-8/);
    }
  });

  test("trailers are undefined before the end of the content, there behind it, and never among the headers", async (t) => {
    const client = await connect(t, mode, Reading);
    const ask = (trailers: Request["trailers"]): Promise<Response> =>
      client.request({
        method: "POST",
        path: pathOf(["trailers", "read(2)", "trailers", "read", "trailers", "list"]),
        body: inPieces("he", "llo"),
        ...(trailers === undefined ? {} : { trailers }),
      });
    const name = (given: string): string => (mode.has.nameCase ? given : given.toLowerCase());
    const lines = [
      ["X-Sum", "7,9"],
      ["x-sum", "8"],
    ] as const;
    const seen = (await ask(lines)).json();
    assert.deepEqual(seen, [
      null,
      "he",
      null,
      "llo",
      lines.map(([given, value]) => [name(given), value]),
      ["7", "9", "8"],
    ]);
    assert.deepEqual((await ask(undefined)).json(), [null, "he", null, "llo", null, null]);
    assert.deepEqual(await taken(client, "hello", "read", "trailers"), ["hello", null]);
  });

  test("who expects 100 Continue gets it when the content is first asked for, once; and not where nobody asks", async (t) => {
    const served = await mode.serve(t, Reading);
    const headers = [["Expect", "100-continue"]] as const;
    const exchange = await (await served.client()).open({ method: "POST", path: "/?do=read(2)&do=read", headers }, 5);
    assert.equal((await exchange.next()).status, 100);
    await exchange.send("hello");
    const response = await exchange.response();
    assert.deepEqual(response.json(), ["he", "llo"]);
    assert.equal(response.informational.length, 1);
    if (!mode.has.earlyHandlers) return; // then it is told before there is a handler

    const ignored = await (await served.client()).open({ method: "IGNORE", headers }, 5);
    assert.equal((await ignored.next()).status, 200);
    assert.equal((await ignored.response()).text, "ignored");
  });

  test("a handler that does not read keeps its client from sending, until it does", async (t) => {
    const client = await connect(t, mode, Reading, { maxBodySize: Infinity });
    const size = 1024 * 1024;
    const exchange = await client.open({ method: "LATE" }, 32 * size);
    const piece = Buffer.alloc(size);
    let sent = 0;
    const sending = (async () => {
      for (; sent < 32; sent++) await exchange.send(piece);
    })();
    for (let before = -1; before !== sent;) {
      before = sent;
      await sleep(50);
    }
    assert.ok(sent < 32, "all has been sent, though nobody reads");
    const response = await exchange.response();
    assert.equal(response.body.length, 32 * size);
    await sending;
    assert.equal(response.trailers?.get("x-count"), String(32 * size));
  });

  for (const [way, body] of ways("ab\ncd\nefg")) {
    test(`with bufferedBody the content is there when the method is called, and reads need not wait (content ${way})`, async (t) => {
      const client = await connect(t, mode, Buffered);
      for (let i = 0; i < 2; i++) {
        const response = await client.request({ method: "POST", body: body() });
        assert.deepEqual(response.json(), ["ab", "\n", "cd\nefg", "", null]);
        assert.deepEqual((await client.request({ method: "AWAIT", body: body() })).json(), ["ab\n", "cd\nefg"]);
        assert.equal((await client.request({ method: "IGNORE", body: body() })).text, "false");
      }
      assert.deepEqual((await client.request({ method: "POST" })).json(), ["", "", "", "", null], "or there is none");
    });
  }

  test("with bufferedBody trailers are there, too", async (t) => {
    const client = await connect(t, mode, Buffered);
    const trailers = [["X-Sum", "7"]] as const;
    const response = await client.request({ method: "POST", body: inPieces("ab\n", "c"), trailers });
    assert.deepEqual(response.json(), ["ab", "\n", "c", "", "7"]);
  });

  test("with bufferedBody more content is 413, whether it was announced or not, and the method is not called", async (t) => {
    const served = await mode.serve(t, Buffered);
    for (const body of ["0123456789abcdef", () => inPieces("01234567", "89abcdef")])
      assert.equal((await (await served.client()).request({ method: "IGNORE", body: contentOf(body) })).status, 200);
    for (const body of [
      "0123456789abcdefg",
      () => inPieces("01234567", "89abcdefg"),
      () => inPieces("x".repeat(100_000)),
    ]) {
      const response = await (await served.client()).request({ method: "IGNORE", body: contentOf(body) });
      assert.equal(response.status, 413);
      assert.match(response.text, /at most 16 bytes/);
    }
    await logged(served, /IGNORE was called: 413/);
    assert.equal(served.log().filter((line) => line.includes("was called: 200")).length, 2);
  });

  test("with bufferedBody who expects 100 Continue gets it at once, unless it announces too much", async (t) => {
    const served = await mode.serve(t, Buffered);
    const headers = [["Expect", "100-continue"]] as const;
    const exchange = await (await served.client()).open({ method: "IGNORE", headers }, 5);
    assert.equal((await exchange.next()).status, 100);
    await exchange.send("hello");
    assert.equal((await exchange.response()).status, 200);
    const refused = await (await served.client()).open({ method: "IGNORE", headers }, 17);
    assert.equal((await refused.next()).status, 413);
  });

  testEarly("with bufferedBody setup comes before the content", async (t) => {
    const served = await mode.serve(t, GuardedBuffered);
    const refused = await (await served.client()).open({ method: "POST" }, 5);
    assert.equal((await refused.next()).status, 403);
    const headers = [["X-Key", "1"]] as const;
    const exchange = await (await served.client()).open({ method: "POST", headers }, 5);
    await exchange.send("ab");
    await exchange.send("\ncd");
    assert.deepEqual((await exchange.response()).json(), ["ab", "\n", "cd", "", null]);
  });

  test("with bufferedBody a client that leaves in the middle is not handled, and nobody else is held up", async (t) => {
    const served = await mode.serve(t, Buffered);
    const leaving = await served.client();
    const exchange = await leaving.open({ method: "POST" }, 10);
    await exchange.send("abc");
    const response = await (await served.client()).request({ method: "POST", body: "ab\nc" });
    assert.deepEqual(response.json(), ["ab", "\n", "c", "", null]);
    leaving.leave();
    await (await served.client()).request({ method: "IGNORE" });
    await logged(served, /IGNORE was called/);
    assert.equal(served.log().filter((line) => line.includes("POST was called")).length, 1);
  });
}

function contentOf(body: string | (() => AsyncIterable<string>)): NonNullable<Request["body"]> {
  return typeof body === "string" ? body : body();
}
