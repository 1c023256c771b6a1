/** Clients that leave: their handler hears of it, and nobody else does. */
import assert from "node:assert/strict";
import { Leaving } from "../handlers.ts";
import type { Client, Exchange, Mode, RequestHead, Served } from "../mode.ts";
import { logged, type Register, until } from "../tools.ts";

/**
 * A request that has been begun, and whose handler says so.
 * @param missing how much more content is announced than is sent
 */
async function begun(
  served: Served,
  path: string,
  content?: string,
  missing = 10,
): Promise<{ client: Client; exchange: Exchange }> {
  const count = (): number => served.log().filter((line) => line.includes("] begun")).length;
  const before = count();
  const client = await served.client();
  const head: RequestHead = { method: content === undefined ? "GET" : "POST", path };
  const exchange = await client.open(head, content === undefined ? undefined : content.length + missing);
  if (content !== undefined) await exchange.send(content);
  await until(() => count() > before, "the handler");
  return { client, exchange };
}

/** Fails unless the server goes on. */
async function checkServer(served: Served): Promise<void> {
  const client = await served.client();
  for (let i = 0; i < 20; i++) assert.equal((await client.request({ path: "/quick" })).text, "quick");
}

/** The lines that speak of a fault. */
function faults(served: Served): string[] {
  return served.log().filter((line) => /Error\b|cannot/.test(line));
}

export function leaving(mode: Mode, test: Register, testEarly: Register): void {
  for (const way of ["leaves", "gives its request up"]) {
    testEarly(`a client that ${way} aborts the signal, whose reason is a PeerGoneError that says so`, async (t) => {
      const served = await mode.serve(t, Leaving);
      const { client, exchange } = await begun(served, "/signal", "");
      await logged(served, /begun, false/);
      if (way === "leaves") client.leave();
      else exchange.abort();
      await logged(served, /signal: PeerGoneError (closed|cancelled)$/);
      await logged(served, /first read: PeerGoneError (closed|cancelled)$/);
      await checkServer(served);
    });
  }

  for (const path of ["/unread", "/unread/asks"]) {
    test(`it is heard of though less than 64 KiB of content lie unread (${path})`, async (t) => {
      const served = await mode.serve(t, Leaving);
      const heard = (): number => served.log().filter((line) => line.includes("] unread: PeerGoneError")).length;
      for (const length of [10, 20_000, 64 * 1024 - 1]) {
        for (const leave of mode.has.halfClose ? (["leave", "end"] as const) : (["leave"] as const)) {
          const before = heard();
          const { client } = await begun(served, path, "x".repeat(length), 0);
          await client[leave]();
          await until(() => heard() > before, `the handler hears of ${leave} behind ${length} bytes`);
        }
      }
    });
  }

  testEarly(
    "reads that wait, and later ones, reject with PeerGoneError; a signal first asked for then is aborted",
    async (t) => {
      const served = await mode.serve(t, Leaving);
      const { client } = await begun(served, "/read", "hel");
      client.leave();
      const [, first, second, signal] = await logged(
        served,
        /reads: PeerGoneError (.*), PeerGoneError (.*); signal: (.*)/,
      );
      assert.match(first, /^(closed|cancelled)$/);
      assert.deepEqual([second, signal], [first, `PeerGoneError ${first}`]);
      await checkServer(served);
    },
  );

  testEarly("a stream of content fails with PeerGoneError as well", async (t) => {
    const served = await mode.serve(t, Leaving);
    const { client } = await begun(served, "/read/stream", "hel");
    await logged(served, /piece: hel/);
    client.leave();
    await logged(served, /reads: PeerGoneError (closed|cancelled)$/);
  });

  testEarly("reads and writes that nobody awaits bring nothing down", async (t) => {
    const served = await mode.serve(t, Leaving);
    const { client } = await begun(served, "/unawaited", "hel");
    client.leave();
    await logged(served, /\] over/);
    await checkServer(served);
    assert.deepEqual(faults(served), []);
  });

  test("a write that waits does not wait for ever, and writes reject with PeerGoneError", async (t) => {
    const served = await mode.serve(t, Leaving);
    const { client } = await begun(served, "/write");
    await checkServer(served);
    assert.ok(!served.log().some((line) => line.includes("writes:")));
    client.leave();
    await logged(served, /writes: PeerGoneError, PeerGoneError; signal: PeerGoneError (closed|cancelled)$/);
    await checkServer(served);
  });

  test("a handler that writes without an end is ended by its client's leaving, and that is no fault", async (t) => {
    const served = await mode.serve(t, Leaving);
    const over = (): number => served.log().filter((line) => line.includes("] over")).length;
    // Writes of 64 KiB wait for room, those of 10 bytes only for a turn now and then.
    const paths = ["?size=65536", "?size=10", "/announced", "/stream", "/writer", "/caught", "/caught?text"];
    for (const [i, path] of paths.entries()) {
      const { client } = await begun(served, `/endless${path}`);
      client.leave();
      await until(() => over() > i, `the end of ${path}`);
    }
    await checkServer(served);
    assert.deepEqual(faults(served), []);
  });

  test("who goes on, though each write rejects, does not keep the server from the others", async (t) => {
    const served = await mode.serve(t, Leaving);
    const other = await served.client();
    const { client } = await begun(served, "/stubborn");
    client.leave();
    assert.equal((await logged(served, /stubborn: (.*)/))[1], "alone", "the server hears of it before the writer ends");
    assert.equal((await other.request({ path: "/quick" })).text, "quick");
    await checkServer(served);
    assert.ok(
      !served.log().some((line) => line.includes("stubborn: over")),
      "it had its response before that was over",
    );
    await logged(served, /stubborn: over, true/);
  });

  test("a response without content ends a handler that writes without an end, and its connection is kept", async (t) => {
    const served = await mode.serve(t, Leaving);
    const client = await served.client();
    for (const [method, path, status, length] of [
      ["HEAD", "?size=65536", 200, null],
      ["HEAD", "?size=10", 200, null],
      ["HEAD", "/announced", 200, "1000000000000"],
      ["HEAD", "/stream", 200, null],
      ["HEAD", "/caught", 200, null],
      ["HEAD", "/204", 204, null],
      ["GET", "/204", 204, null],
    ] as const) {
      const response = await client.request({ method, path: `/endless${path}` });
      assert.deepEqual(
        [response.status, response.text, response.headers.get("Content-Length")],
        [status, "", length],
        path,
      );
      assert.equal((await client.request({ path: "/quick" })).text, "quick", "the handler has ended");
    }
    await logged(served, /\] over/);
    assert.deepEqual(faults(served), []);
  });

  test("a HEAD whose method writes up to 64 KiB gets its length, and hears of nothing; with one byte more, writes reject", async (t) => {
    const served = await mode.serve(t, Leaving);
    const client = await served.client();
    const sized = (): string | undefined => served.log().findLast((line) => line.includes("] sized"));
    for (const size of [1, 1000, 20_000, 65_536, 65_537]) {
      const response = await client.request({ method: "HEAD", path: `/sized?size=${size}` });
      const isTooMuch = size > 65_536;
      assert.equal(response.headers.get("Content-Length"), isTooMuch ? null : String(size));
      const said = isTooMuch ? "PeerGoneError, true, PeerGoneError head-only" : "nothing, false, nothing";
      await until(() => sized()?.endsWith(`] sized ${size}: ${said}`) === true, `${size}: ${said}`);
    }
    assert.equal((await client.request({ path: "/sized?size=65538" })).body.length, 65_538, "GET has all of it");
    await logged(served, /sized 65538: nothing, false, nothing$/);
  });

  testEarly("the content of a HEAD can be read behind that", async (t) => {
    const served = await mode.serve(t, Leaving);
    const client = await served.client();
    const exchange = await client.open({ method: "HEAD", path: "/reads-on" }, "unknown");
    await exchange.head();
    await exchange.send("all ");
    await exchange.send("of it");
    await exchange.end();
    await logged(served, /reads on: PeerGoneError, all of it$/);
  });

  test("a real fault behind that is logged", async (t) => {
    const served = await mode.serve(t, Leaving);
    const client = await served.client();
    await client.request({ method: "HEAD", path: "/late-error" });
    await logged(served, /RangeError: a bug/);
  });

  for (const path of [
    "/throws/signal",
    "/throws/read",
    "/throws/sleep",
    "/throws/wrapped",
    "/responses",
    "/responses-not",
  ]) {
    testEarly(`a handler that gives up, or goes on, because its client has left is no fault (${path})`, async (t) => {
      const served = await mode.serve(t, Leaving);
      const { client } = await begun(served, path, "");
      client.leave();
      await logged(served, /\] over/);
      await checkServer(served);
      assert.deepEqual(faults(served), []);
    });
  }

  test("a real fault is logged, though its client has left", async (t) => {
    const served = await mode.serve(t, Leaving);
    const { client } = await begun(served, "/throws/bug");
    client.leave();
    await logged(served, /RangeError: a bug/);
    await checkServer(served);
  });

  testEarly("nobody else notices: requests that are under way go on", async (t) => {
    const served = await mode.serve(t, Leaving);
    const staying = await Promise.all(
      Array.from({ length: 4 }, async (_, i) => {
        const exchange = await (await served.client()).open({ method: "POST", path: "/echo" }, "unknown");
        await exchange.send(`${i}: before, `);
        return exchange;
      }),
    );
    for (const path of ["/signal", "/throws/read", "/throws/bug", "/write"]) {
      const { client } = await begun(served, path, "");
      client.leave();
    }
    for (const [i, exchange] of staying.entries()) {
      await exchange.send("after");
      await exchange.end();
      assert.equal((await exchange.response()).text, `${i}: before, after`);
    }
  });

  if (!mode.has.halfClose) return;

  test("a client that only ends its side gets its response, whole and as fast as it reads; the signal says half-closed", async (t) => {
    const served = await mode.serve(t, Leaving);
    const { client, exchange } = await begun(served, "/half");
    await client.end();
    await logged(served, /half waits/);
    await checkServer(served);
    assert.ok(!served.log().some((line) => line.includes("half is written")), "though nobody reads");
    const response = await exchange.response();
    assert.equal(response.status, 200);
    const said = "PeerGoneError half-closed";
    assert.equal(response.body.toString("latin1", 0, said.length), said);
    assert.ok(response.body.subarray(said.length).equals(Buffer.alloc(32 * 1024 * 1024, "x")));
    await client.ended();
    assert.deepEqual(faults(served), []);
  });

  test("content that has come before the client ends its side is all there", async (t) => {
    const served = await mode.serve(t, Leaving);
    const client = await served.client();
    const exchange = await client.open({ method: "POST", path: "/half/content" }, 5);
    await exchange.send("hello");
    await logged(served, /\] begun/);
    await client.end();
    assert.equal((await exchange.response()).text, "hello");
  });

  testEarly("a client that ends its side in the middle of its content is told so: 400", async (t) => {
    const served = await mode.serve(t, Leaving);
    const { client, exchange } = await begun(served, "/throws/read", "hel");
    await client.end();
    assert.equal((await exchange.response()).status, 400);
    await client.ended();
  });
}
