/** Times that a handler gives to what it waits for, and those that a server gives to its handlers. */
import assert from "node:assert/strict";
import { Timeouts } from "../handlers.ts";
import { CutOff, type Mode } from "../mode.ts";
import { connect, logged, readText, type Register } from "../tools.ts";

/** How long handlers may take here, in milliseconds. */
const LIMIT = 400;

/** What a client gets whose handler takes too long. */
const PROBLEM = {
  title: "Service Unavailable",
  status: 503,
  detail: "The request took longer than this server allows.",
};

export function timeouts(mode: Mode, test: Register): void {
  test("timeout gives a signal of its own, which aborts with a TimeoutError when its time is over", async (t) => {
    const client = await connect(t, mode, Timeouts);
    assert.deepEqual((await client.request({ path: "/two" })).json(), {
      before: false,
      isInTime: true,
      reason: "TimeoutError",
      isKnown: true,
      others: [false, false, false],
      instance: true,
    });
    assert.equal((await client.request({ path: "/sleep" })).text, "AbortError, TimeoutError");
  });

  test("no garbage collection keeps timeout from its end", async (t) => {
    const client = await connect(t, mode, Timeouts);
    assert.equal((await client.request({ path: "/collected" })).text, "100");
  });

  test("what it makes fail is a fault of the handler's like any other", async (t) => {
    const served = await mode.serve(t, Timeouts);
    const client = await served.client();
    assert.equal((await client.request({ path: "/throws" })).status, 500);
    await logged(served, /AbortError/);
  });

  test("timeout aborts with the client's going as well, all signals with one reason", async (t) => {
    const served = await mode.serve(t, Timeouts);
    const client = await served.client();
    await client.open({ path: "/leaves" });
    await logged(served, /\] begun/);
    client.leave();
    const [, said] = await logged(served, /left: (.*)/);
    assert.match(said, /^PeerGoneError (closed|cancelled)(,PeerGoneError \1){3}$/);
    await logged(served, /one reason: true/);
  });

  test("timeout takes 0 ms or more, or Infinity", async (t) => {
    const client = await connect(t, mode, Timeouts);
    const expected = ["RangeError", "RangeError", "TypeError", "TypeError", "TypeError"];
    assert.deepEqual((await client.request({ path: "/wrong" })).json(), expected);
    assert.deepEqual((await client.request({ path: "/none" })).json(), [false, false]);
  });

  test("a signal takes any number of listeners, without a warning", async (t) => {
    const client = await connect(t, mode, Timeouts);
    assert.deepEqual((await client.request({ path: "/listeners" })).json(), []);
  });

  test("a handler that takes longer than handlerTimeout gets 503, and the server goes on", async (t) => {
    const served = await mode.serve(t, Timeouts, { handlerTimeout: LIMIT });
    for (const [method, path] of [
      ["GET", "/never"],
      ["GET", "/prepared"],
      ["HEAD", "/never"],
    ] as const) {
      const client = await served.client();
      const began = performance.now();
      const response = await client.request({ method, path });
      const took = performance.now() - began;
      assert.ok(took > LIMIT - 10 && took < 8000, `${method} ${path} took ${took} ms`);
      assert.equal(response.status, 503, path);
      assert.equal(response.headers.get("x-prepared"), null);
      assert.equal(response.headers.get("content-type"), "application/problem+json");
      if (method !== "HEAD") assert.deepEqual(response.json(), PROBLEM);
      else assert.deepEqual([response.headers.get("content-length"), response.body.length], ["105", 0]);
      await logged(served, new RegExp(`${method} ${path}\\b.* took more than ${LIMIT} ms`));
    }
    assert.equal((await (await served.client()).request({ path: "/quick" })).text, "quick");
  });

  test("one whose response has begun to leave is cut off, so that its client can tell", async (t) => {
    const served = await mode.serve(t, Timeouts, { handlerTimeout: LIMIT });
    const exchange = await (await served.client()).open({ path: "/streams" });
    assert.equal((await exchange.head()).status, 200);
    assert.equal(await readText(exchange, 13), "the beginning");
    await assert.rejects(exchange.response(), CutOff);
    await logged(served, new RegExp(`GET /streams\\b.* took more than ${LIMIT} ms`));
    assert.equal((await (await served.client()).request({ path: "/quick" })).text, "quick");
  });

  test("one that is in time is left alone", async (t) => {
    const client = await connect(t, mode, Timeouts, { handlerTimeout: 60_000 });
    for (let i = 0; i < 5; i++) {
      assert.equal((await client.request({ path: "/quick" })).text, "quick");
      assert.equal((await client.request({ path: "/sleep" })).text, "AbortError, TimeoutError");
    }
  });
}
