/** What a client may not do: send too much, too many, or too slowly. */
import assert from "node:assert/strict";
import { Limited } from "../handlers.ts";
import { CutOff, type Mode } from "../mode.ts";
import { inPieces, logged, type Register, until } from "../tools.ts";

const PROBLEM = "application/problem+json";

export function limits(mode: Mode, test: Register, testEarly: Register): void {
  test("content may have maxBodySize bytes, announced or not; from one more on it is 413", async (t) => {
    const served = await mode.serve(t, Limited, { maxBodySize: 1000 });
    for (const method of ["POST", "STREAM"]) {
      for (const body of ["x".repeat(1000), inPieces("x".repeat(999), "x")]) {
        const response = await (await served.client()).request({ method, body });
        assert.deepEqual(response.json(), method === "POST" ? { length: 1000 } : 1000);
      }
    }
    for (const body of ["x".repeat(1001), inPieces("x".repeat(1000), "x"), inPieces("x".repeat(2000))]) {
      const response = await (await served.client()).request({ method: "POST", body });
      assert.deepEqual([response.status, response.headers.get("content-type")], [413, PROBLEM]);
      assert.equal(response.json().title, "Content Too Large");
    }
    assert.equal((await (await served.client()).request({ path: "/" })).status, 200, "the server goes on");
  });

  testEarly("too much that was announced is refused before any handler runs, else under its read", async (t) => {
    const served = await mode.serve(t, Limited, { maxBodySize: 1000 });
    const begun = (): number => served.log().filter((line) => line.endsWith("] begun")).length;
    const announced = await (await served.client()).open({ method: "POST" }, 1001);
    assert.equal((await announced.response()).status, 413);
    assert.equal(begun(), 0);
    const body = inPieces("x".repeat(1000), "x");
    assert.equal((await (await served.client()).request({ method: "POST", body })).status, 413);
    await logged(served, /read: malformed, signal: true/);
    assert.equal(begun(), 1);
    // Each is one line, with its request line: nobody refuses a request without a trace.
    await logged(served, /"POST [^"]+" 413 \d+ BODY_TOO_LARGE$/);
    assert.equal(served.log().filter((line) => /" 413 /.test(line)).length, 2);
  });

  testEarly("when the response has begun, too much content cuts it off", async (t) => {
    const served = await mode.serve(t, Limited, { maxBodySize: 1000 });
    const exchange = await (await served.client()).open({ method: "STREAM" }, "unknown");
    assert.equal((await exchange.head()).status, 200);
    await exchange.send("x".repeat(1001)).catch(() => {});
    await assert.rejects(exchange.response(), CutOff);
  });

  test("a target, a head and fields have limits: 414, 431", async (t) => {
    const served = await mode.serve(t, Limited, { maxTargetSize: 100, maxHeadSize: 1000, maxFields: 10 });
    for (const [path, headers, status] of [
      [`/${"x".repeat(99)}`, [], 200],
      [`/${"x".repeat(100)}`, [], 414],
      ["/", [["X-A", "x".repeat(800)]], 200],
      ["/", [["X-A", "x".repeat(1001)]], 431],
      ["/", Array.from({ length: 7 }, () => ["X-A", "1"] as const), 200],
      ["/", Array.from({ length: 11 }, () => ["X-A", "1"] as const), 431],
    ] as const) {
      const response = await (await served.client()).request({ path, headers });
      assert.equal(response.status, status, `${path}, ${headers.length} fields`);
    }
  });

  test("by default a target may have 8 KiB, and a head 32 KiB in 100 fields", async (t) => {
    const served = await mode.serve(t, Limited);
    const path = `/${"x".repeat(8191)}`;
    assert.equal((await (await served.client()).request({ path })).status, 200);
    assert.equal((await (await served.client()).request({ path: `${path}x` })).status, 414);
    const headers = (count: number): [string, string][] =>
      Array.from({ length: count }, () => ["X-A", "x".repeat(200)]);
    assert.equal((await (await served.client()).request({ headers: headers(95) })).status, 200);
    assert.equal((await (await served.client()).request({ headers: headers(101) })).status, 431);
  });

  testEarly("content that a handler waits for in vain is 408, and the read rejects", async (t) => {
    const served = await mode.serve(t, Limited, { bodyTimeout: 100 });
    const exchange = await (await served.client()).open({ method: "POST" }, 10);
    await exchange.send("hello");
    assert.equal((await exchange.response()).status, 408);
    await logged(served, /read: timeout, signal: true/);
  });

  test("connections past maxConnections are closed at once; those that are there go on", async (t) => {
    const served = await mode.serve(t, Limited, { maxConnections: 2 });
    const clients = [await served.client(), await served.client()];
    for (const client of clients) assert.equal((await client.request()).status, 200);
    await (await served.client()).ended();
    for (const client of clients) assert.equal((await client.request()).status, 200);
    clients[0].leave();
    // The server may hear of that a little later.
    await until(async () => {
      const client = await served.client();
      return (await client.request().catch(() => undefined))?.status === 200;
    }, "room for another connection");
  });
}
