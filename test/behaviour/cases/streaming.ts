/** Responses that are sent while more is to come, and handlers that wait. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Streaming } from "../handlers.ts";
import type { Mode } from "../mode.ts";
import { connect, logged, pattern, readText, type Register } from "../tools.ts";

export function streaming(mode: Mode, test: Register, testEarly: Register): void {
  for (const path of ["/words", "/words/counted"]) {
    testEarly(`the first of a response arrives before the last is written (${path})`, async (t) => {
      const client = await connect(t, mode, Streaming);
      const exchange = await client.open({ method: "POST", path }, 2);
      const head = await exchange.head();
      assert.equal(head.headers.get("content-length"), path === "/words" ? null : "16");
      assert.equal(await readText(exchange, 5), "first");
      await exchange.send("1");
      assert.equal(await readText(exchange, 6), "second");
      await exchange.send("2");
      assert.equal((await exchange.response()).text, "third");
    });
  }

  testEarly("a head without content leaves by itself too", async (t) => {
    const client = await connect(t, mode, Streaming);
    const exchange = await client.open({ method: "POST", path: "/head" }, 1);
    assert.equal((await exchange.head()).headers.get("content-type"), "text/event-stream");
    await exchange.send("1");
    assert.equal((await exchange.response()).text, "data: 1\n\n");
  });

  testEarly("content and response may flow at the same time", async (t) => {
    const client = await connect(t, mode, Streaming);
    const exchange = await client.open({ method: "POST", path: "/echo" }, "unknown");
    for (const piece of ["a", "bcd", "e".repeat(1000)]) {
      await exchange.send(piece);
      assert.equal(await readText(exchange, piece.length), piece);
    }
    await exchange.end();
    assert.equal(await exchange.read(), null);
    const content = pattern(3_000_000);
    assert.ok((await client.request({ method: "POST", path: "/echo", body: content })).body.equals(content));
  });

  test("a response that is written bit by bit comes whole and in order", async (t) => {
    const client = await connect(t, mode, Streaming);
    const wanted = Array.from({ length: 100 }, (_, i) => `${i};`).join("");
    assert.equal((await client.request({ path: "/turns" })).text, wanted);
  });

  testEarly("a handler that waits holds up nobody else", async (t) => {
    const served = await mode.serve(t, Streaming);
    const slow = [];
    for (let i = 0; i < 5; i++) slow.push(await (await served.client()).open({ method: "POST", path: "/slow" }, 4));
    await logged(served, /slow begins/);
    const client = await served.client();
    for (let i = 0; i < 20; i++) assert.equal((await client.request({ path: "/quick" })).text, "quick");
    for (const [i, exchange] of slow.entries()) await exchange.send(`no ${i}`);
    for (const [i, exchange] of slow.entries()) assert.equal((await exchange.response()).text, `no ${i}`);
  });

  test("write gives undefined when taken, else a promise that resolves when there is room; the handler waits for its client", async (t) => {
    const served = await mode.serve(t, Streaming);
    const exchange = await (await served.client()).open({ path: "/much" });
    await logged(served, /much waits/);
    const client = await served.client();
    for (let i = 0; i < 20; i++) assert.equal((await client.request({ path: "/quick" })).text, "quick");
    const isWritten = (line: string): boolean => line.endsWith("much is written");
    assert.ok(!served.log().some(isWritten), "all has been written, though nobody reads");
    const response = await exchange.response();
    assert.equal(response.body.length, 1 + 32 * 1024 * 1024);
    assert.ok(response.body.subarray(1).equals(Buffer.alloc(response.body.length - 1, "y")));
    assert.equal(response.trailers?.get("x-small"), "undefined");
    assert.equal(response.trailers?.get("x-promise"), "true");
    await logged(served, /much is written/);
  });

  for (const path of ["/reuse", "/reuse/counted", "/reuse/large", "/reuse/large/counted"]) {
    test(`a chunk may be used again once it has been taken (${path})`, async (t) => {
      const client = await connect(t, mode, Streaming);
      const size = path.includes("large") ? 100_000 : 6000;
      const wanted = Array.from({ length: 64 }, (_, i) => String.fromCharCode(65 + (i % 26)).repeat(size)).join("");
      const exchange = await client.open({ path });
      await exchange.head();
      await sleep(20); // what the client does not take yet has to wait
      assert.ok((await exchange.response()).text === wanted);
      assert.ok((await client.request({ path })).text === wanted, "and so is the next response");
    });
  }

  test("a promise that a handler has not waited for does not say too early that its chunk may be used again", async (t) => {
    const client = await connect(t, mode, Streaming);
    const exchange = await client.open({ path: "/reuse/later" });
    await exchange.head();
    await sleep(50);
    const { body } = await exchange.response();
    assert.equal(body.length, 16 * 1024 * 1024);
    assert.ok(body.every((byte) => byte === 0x78));
  });

  test("where a class defines do_CONNECT, a tunnel carries bytes both ways until the client ends it", async (t) => {
    const client = await connect(t, mode, Streaming);
    assert.equal((await client.request({ method: "CONNECT", path: "b.example:443" })).status, 403);
    const exchange = await client.open({ method: "CONNECT", path: "a.example:443" }, "unknown");
    const head = await exchange.head();
    assert.deepEqual([head.status, head.headers.get("content-length")], [200, null]);
    for (const piece of ["hello ", "get / http/1.1\r\nhost: a\r\n\r\n"]) {
      await exchange.send(piece);
      assert.equal(await readText(exchange, piece.length), piece.toUpperCase());
    }
    await exchange.end();
    assert.equal((await exchange.response()).text, ".");
  });
}
