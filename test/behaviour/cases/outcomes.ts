/** How requests end: told once for each, whatever became of it; and the limits that a class has of its own. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Router } from "plinth";
import { LargerLimits, Outcomes, OwnLimits } from "../handlers.ts";
import type { Mode, Served } from "../mode.ts";
import { inPieces, type Register, until } from "../tools.ts";

type Outcome = Record<"method" | "path" | "reason", string> &
  Record<"status" | "bytesReceived" | "bytesSent", number> & { timed: boolean; code?: string };

function outcomes(served: Served): Outcome[] {
  const said = served.log().map((line) => line.split("] outcome ", 2)[1]);
  return said.filter((text) => text !== undefined).map((text) => JSON.parse(text.replaceAll("\\\\", "\\")) as Outcome);
}

/** The outcome of the only request so far. */
async function theOutcome(served: Served): Promise<Outcome> {
  await until(() => outcomes(served).length > 0, "an outcome");
  const all = outcomes(served);
  assert.equal(all.length, 1, JSON.stringify(all));
  assert.equal(all[0].timed, true);
  const lines = served.log().filter((line) => / "(?:GET|HEAD|POST|PUT) [^"]+" (?:\d+|-) (?:\d+|-)/.test(line));
  assert.equal(lines.length, 1, `one line of the log for a request: ${JSON.stringify(served.log())}`);
  return all[0];
}

export function outcomesOf(mode: Mode, test: Register): void {
  for (const [method, path, status, bytesSent] of [
    ["GET", "/", 200, 5],
    ["HEAD", "/", 200, 0],
    ["GET", "/empty", 204, 0],
    ["GET", "/error", 422, 61],
    ["GET", "/bug", 500, 47],
    ["GET", "/taken-back", 409, 34],
    ["PUT", "/", 405, 99],
  ] as const) {
    test(`${method} ${path} ends once, with ${status}`, async (t) => {
      const served = await mode.serve(t, Outcomes);
      const response = await (await served.client()).request({ method, path });
      assert.deepEqual([response.status, response.headers.get("access-control-allow-origin")], [status, "*"]);
      const { timed: _, ...outcome } = await theOutcome(served);
      assert.deepEqual(outcome, { method, path, status, bytesReceived: 0, bytesSent, reason: "complete" });
    });
  }

  test("a request whose setup throws ends as well", async (t) => {
    const served = await mode.serve(t, Outcomes);
    await (await served.client()).request({ headers: [["X-Guarded", "1"]] });
    const { status, reason } = await theOutcome(served);
    assert.deepEqual([status, reason], [401, "complete"]);
  });

  test("content is counted", async (t) => {
    const served = await mode.serve(t, Outcomes);
    await (await served.client()).request({ method: "POST", path: "/read", body: inPieces("hello", "you") });
    const { bytesReceived, bytesSent } = await theOutcome(served);
    assert.deepEqual([bytesReceived, bytesSent], [8, 1]);
  });

  test("a response that fails behind its head has failed", async (t) => {
    const served = await mode.serve(t, Outcomes);
    await assert.rejects((await served.client()).request({ path: "/late-bug" }));
    const { status, bytesSent, reason } = await theOutcome(served);
    assert.deepEqual([status, bytesSent, reason], [200, 5, "failed"]);
  });

  test("a client that leaves ends its request", async (t) => {
    const served = await mode.serve(t, Outcomes);
    const client = await served.client();
    const exchange = await client.open({ path: "/endless" });
    await exchange.head();
    await exchange.read();
    client.leave();
    const { status, reason, bytesSent } = await theOutcome(served);
    assert.deepEqual([status, reason], [200, "closed"]);
    assert.ok(bytesSent > 0, `${bytesSent}`);
  });

  for (const [what, body, options, status, reason, code] of [
    [
      "too much in pieces",
      () => inPieces("x".repeat(50), "x".repeat(51)),
      { maxBodySize: 100 },
      413,
      "malformed",
      "BODY_TOO_LARGE",
    ],
    ["too much at once", () => "x".repeat(101), { maxBodySize: 100 }, 413, "complete", undefined],
  ] as const) {
    test(`${what} is refused by the class's own response, and ends once`, async (t) => {
      const served = await mode.serve(t, Outcomes, options);
      const response = await (await served.client()).request({ method: "POST", path: "/read", body: body() });
      assert.deepEqual([response.status, response.headers.get("access-control-allow-origin")], [status, "*"]);
      assert.equal(response.json().code, "BODY_TOO_LARGE");
      assert.equal(response.headers.get("connection"), "close");
      const outcome = await theOutcome(served);
      assert.deepEqual([outcome.status, outcome.reason, outcome.code], [status, reason, code]);
    });
  }

  test("content that does not come is refused by the class's own response, and ends once", async (t) => {
    const served = await mode.serve(t, Outcomes, { bodyTimeout: 100 });
    const exchange = await (await served.client()).open({ method: "POST", path: "/read" }, 10);
    await exchange.send("hello");
    const response = await exchange.response();
    assert.deepEqual([response.status, response.headers.get("access-control-allow-origin")], [408, "*"]);
    const { status, reason, code } = await theOutcome(served);
    assert.deepEqual([status, reason, code], [408, "timeout", "BODY_TIMEOUT"]);
  });

  test("a class may have limits of its own, smaller or larger than the server's", async (t) => {
    const router = new Router({ "/read": Outcomes, "/read/own": OwnLimits, "/read/larger": LargerLimits });
    const served = await mode.serve(t, router, { maxBodySize: 10_000 });
    for (const [path, most] of [
      ["/read", 10_000],
      ["/read/own", 2_000],
      ["/read/larger", 100_000],
    ] as const) {
      for (const inOne of [true, false]) {
        for (const [length, status] of [
          [most, 200],
          [most + 1, 413],
        ] as const) {
          const body = inOne ? "x".repeat(length) : inPieces("x".repeat(length - 1), "x");
          const response = await (await served.client()).request({ method: "POST", path, body });
          assert.equal(response.status, status, `${path}, ${length} bytes`);
        }
      }
    }
  });

  test("a class may give its content less time than the server does, or more", async (t) => {
    const router = new Router({ "/read/own": OwnLimits, "/read/larger": LargerLimits });
    for (const [path, bodyTimeout, status] of [
      ["/read/own", 30_000, 408],
      ["/read/larger", 100, 200],
    ] as const) {
      const served = await mode.serve(t, router, { bodyTimeout });
      const exchange = await (await served.client()).open({ method: "POST", path }, 10);
      await exchange.send("hello");
      await sleep(700); // longer than the shorter time, and two ticks of the clock
      await exchange.send("hello").catch(() => {});
      assert.equal((await exchange.response()).status, status, path);
    }
  });
}
