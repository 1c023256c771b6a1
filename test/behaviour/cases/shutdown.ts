/** How a server ends: gracefully with shutdown, also from inside a handler, and at once with serverClose. */
import assert from "node:assert/strict";
import { Stopping } from "../handlers.ts";
import { type Client, CutOff, type Exchange, type Mode, type Served } from "../mode.ts";
import { logged, readText, type Register, until } from "../tools.ts";

/** A request that its handler has begun with, and whose content is still to come. */
async function begun(served: Served, path: string): Promise<{ client: Client; exchange: Exchange }> {
  const count = (): number => served.log().filter((line) => line.endsWith("] begun")).length;
  const before = count();
  const client = await served.client();
  const exchange = await client.open({ method: "POST", path }, "unknown");
  await until(() => count() > before, "the handler");
  return { client, exchange };
}

/** Fails when a promise does not resolve. Well before the ten seconds that a shutdown waits for handlers that hang. */
async function soon(promise: Promise<unknown>, what: string): Promise<void> {
  let done = false;
  void promise.then(() => (done = true));
  await until(() => done, what, 5000);
}

export function shutdown(mode: Mode, test: Register, testEarly: Register): void {
  testEarly("shutdown lets what runs finish, closes what idles, takes nothing new, and resolves then", async (t) => {
    const served = await mode.serve(t, Stopping);
    const [fresh, idle] = [await served.client(), await served.client()];
    assert.equal((await idle.request({ path: "/quick" })).text, "quick");
    const client = await served.client();
    const exchange = await client.open({ method: "POST", path: "/hold" }, "unknown");
    await exchange.send("be");
    await logged(served, /\] begun/);

    let isDown = false;
    const down = served.shutdown().then(() => (isDown = true));
    await Promise.all([fresh.ended(), idle.ended()]);
    await assert.rejects(served.client(), "nobody listens");
    assert.equal(isDown, false, "a handler still runs");
    await exchange.send("fore");
    await exchange.end();
    const response = await exchange.response();
    assert.deepEqual([response.status, response.text], [200, "before"]);
    await client.ended();
    await soon(down, "shutdown");
    await soon(served.done, "serveForever");
  });

  testEarly("shutdown is one thing, however often it is asked for", async (t) => {
    const served = await mode.serve(t, Stopping);
    const { client, exchange } = await begun(served, "/hold");
    const downs = [served.shutdown(), served.shutdown(), served.done];
    await exchange.end();
    assert.equal((await exchange.response()).status, 200);
    await client.ended();
    await soon(Promise.all([...downs, served.shutdown()]), "shutdown");
    await served.shutdown();
    await served.close();
    await served.close();
    await served.done;
  });

  test("a server without connections shuts down at once", async (t) => {
    const served = await mode.serve(t, Stopping);
    await soon(served.shutdown(), "shutdown");
    await soon(served.done, "serveForever");
  });

  testEarly("serverClose cuts what runs; the signal says shutdown", async (t) => {
    const served = await mode.serve(t, Stopping);
    const { exchange } = await begun(served, "/stay");
    await served.close();
    await soon(served.done, "serveForever");
    await assert.rejects(exchange.response(), CutOff);
    await logged(served, /signal: shutdown/);
    await assert.rejects(served.client(), "nobody listens");
  });

  testEarly("serverClose cuts while shutdown waits", async (t) => {
    const served = await mode.serve(t, Stopping);
    const { exchange } = await begun(served, "/stay/deaf");
    const down = served.shutdown();
    await served.close();
    await soon(down, "shutdown");
    await assert.rejects(exchange.response(), CutOff);
  });

  testEarly("what does not finish within shutdownTimeout is cut", async (t) => {
    const served = await mode.serve(t, Stopping, { shutdownTimeout: 50 });
    const running = [await begun(served, "/stay"), await begun(served, "/stay/deaf")];
    await soon(served.shutdown(), "shutdown");
    for (const { exchange } of running) await assert.rejects(exchange.response(), CutOff);
    await logged(served, /signal: shutdown/);
  });

  for (const path of ["/down", "/down/later", "/down/unawaited", "/down/dispose"]) {
    test(`a handler may shut its server down, and responds (${path})`, async (t) => {
      const served = await mode.serve(t, Stopping);
      const client = await served.client();
      const response = await client.request({ method: "POST", path });
      assert.deepEqual([response.status, response.text], [200, "down"]);
      await client.ended();
      await soon(served.done, "serveForever");
      await assert.rejects(served.client(), "nobody listens");
    });
  }

  testEarly("a handler that waits for shutdown waits for the others", async (t) => {
    const served = await mode.serve(t, Stopping);
    const { client, exchange } = await begun(served, "/hold");
    const idle = await served.client();
    assert.equal((await idle.request({ path: "/quick" })).text, "quick");
    const down = await (await served.client()).open({ method: "POST", path: "/down" });
    let hasResponse = false;
    const responded = down.head().then(() => (hasResponse = true));
    await idle.ended();
    assert.equal(hasResponse, false, "the other handler still runs");
    await exchange.send("first");
    await exchange.end();
    assert.equal((await exchange.response()).text, "first");
    await client.ended();
    await responded;
    assert.equal((await down.response()).text, "down");
  });

  testEarly("handlers that wait for the same shutdown do not wait for each other", async (t) => {
    const served = await mode.serve(t, Stopping);
    const path = "/down/later";
    const running = [await begun(served, path), await begun(served, path), await begun(served, path)];
    for (const { exchange } of running) await exchange.end();
    for (const { client, exchange } of running) {
      assert.equal((await exchange.response()).text, "down");
      await client.ended();
    }
    await soon(served.done, "serveForever");
  });

  testEarly("a handler may close its server at once", async (t) => {
    const served = await mode.serve(t, Stopping);
    const { exchange: other } = await begun(served, "/stay");
    const exchange = await (await served.client()).open({ method: "POST", path: "/down/now" });
    await assert.rejects(exchange.response(), CutOff);
    await assert.rejects(other.response(), CutOff);
    await soon(served.done, "serveForever");
  });

  test("a handler that streams hears by stopping that its server shuts down, and comes to a good end", async (t) => {
    const served = await mode.serve(t, Stopping);
    const client = await served.client();
    const exchange = await client.open({ path: "/events" });
    await exchange.head();
    assert.equal(await readText(exchange, "event 1\n".length), "event 1\n");
    const down = served.shutdown();
    assert.equal(await readText(exchange, "bye\n".length), "bye\n");
    assert.equal(await exchange.read(), null);
    await client.ended();
    await soon(down, "shutdown");
  });

  test("so does one that waits; stopping is one AbortSignal, for any number of listeners", async (t) => {
    const served = await mode.serve(t, Stopping);
    const polls = [await served.client(), await served.client()];
    const responses = polls.map((client) => client.request({ path: "/poll" }));
    await until(() => served.log().filter((line) => line.endsWith("] begun")).length === 2, "the handlers");
    const down = served.shutdown();
    for (const response of await Promise.all(responses)) {
      assert.deepEqual(response.json(), {
        before: false,
        name: "AbortError",
        message: "The server is stopping.",
        isKnown: true,
        same: true,
        late: [true, true],
        context: "",
      });
    }
    for (const client of polls) await client.ended();
    await soon(down, "shutdown");
  });

  test("stopping aborts in no request's context, also where a handler shuts the server down", async (t) => {
    const served = await mode.serve(t, Stopping);
    const poll = (await served.client()).request({ path: "/poll" });
    await logged(served, /\] begun/);
    const down = (await served.client()).request({ method: "POST", path: "/down/context" });
    assert.equal((await poll).json().context, "");
    assert.equal((await down).text, "down");
  });

  test("what a handler throws because its server stops is a 503 that says when to come back, and no fault", async (t) => {
    const served = await mode.serve(t, Stopping);
    const client = await served.client();
    const response = client.request({ path: "/poll/throws" });
    await logged(served, /\] begun/);
    const down = served.shutdown();
    const { status, headers, json } = await response.then((response) => ({ ...response, json: response.json() }));
    assert.deepEqual([status, headers.get("retry-after"), json.detail], [503, "1", "The server is stopping."]);
    await client.ended();
    await soon(down, "shutdown");
    await logged(served, /"GET \/poll\/throws HTTP\/[0-9.]+" 503 /);
    assert.doesNotMatch(served.log().join("\n"), /AbortError/);
  });

  for (const [path, status, line] of [
    ["/poll/fails", 500, /broken/],
    ["/poll/wraps", 500, /rollback failed/],
    ["/poll/502", 502, /no news|Bad Gateway/],
  ] as const) {
    test(`any other error is one, at that time too (${path})`, async (t) => {
      const served = await mode.serve(t, Stopping);
      const client = await served.client();
      const response = client.request({ path });
      await logged(served, /\] begun/);
      const down = served.shutdown();
      assert.equal((await response).status, status);
      await client.ended();
      await soon(down, "shutdown");
      await logged(served, line);
    });
  }

  test("serverClose is a stop as well", async (t) => {
    const served = await mode.serve(t, Stopping);
    const exchange = await (await served.client()).open({ path: "/stay/stopping" });
    await logged(served, /\] begun/);
    await served.close();
    await assert.rejects(exchange.response(), CutOff);
    await logged(served, /stopping: true/);
  });

  test("signalWith adds one listener to a signal, however many wait for it, and none behind the request's end", async (t) => {
    const served = await mode.serve(t, Stopping);
    const client = await served.client();
    assert.equal((await client.request({ path: "/with/many" })).text, "sent");
    await logged(served, /listeners: 1, 0; $/);
  });

  test("signalWith aborts with the first that does, and takes signals alone", async (t) => {
    const served = await mode.serve(t, Stopping);
    const client = await served.client();
    assert.deepEqual((await client.request({ path: "/with" })).json(), {
      before: false,
      seen: ["two"],
      late: "one",
      none: false,
      wrong: Array<string>(5).fill("TypeError"),
    });
  });
}
