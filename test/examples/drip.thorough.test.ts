/** examples/drip.ts: a response that comes in pieces, and a handler that ends with its client. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, request, until } from "../server/support.ts";
import { startExample } from "./programs.ts";

test("the first line is here before the last is written", async (t) => {
  const { port, log } = await startExample(t, "drip");
  const peer = await connect(t, ["127.0.0.1", port]);
  await peer.send(request("GET", "/?count=3&interval=400"));
  await until(() => peer.text.includes("drip 1\n"), "the first line");
  assert.ok(!peer.text.includes("drip 3\n"), "it came with the last one");
  assert.equal(log().includes("of 3 drips"), false, "the handler has ended already");
  const [response] = await peer.responses(1);
  assert.equal(response.framing, "chunked");
  assert.ok(peer.text.includes("\r\n7\r\ndrip 1\n\r\n7\r\ndrip 2\n\r\n7\r\ndrip 3\n\r\n"), "a line is a chunk");
  assert.equal(response.get("cache-control"), "no-store");
  assert.equal(response.body, "drip 1\ndrip 2\ndrip 3\n");
  await until(() => log().includes("3 of 3 drips"), "the end of the handler");
  // The connection is as good as before.
  peer.text = "";
  assert.equal((await peer.ask(request("GET", "/?count=1"))).body, "drip 1\n");
});

test("a client that leaves ends the handler, and that is no error", async (t) => {
  const { origin, log } = await startExample(t, "drip");
  const controller = new AbortController();
  const response = await fetch(`${origin}/?count=10000&interval=20`, { signal: controller.signal });
  const { value } = await response.body!.getReader().read();
  assert.match(Buffer.from(value!).toString(), /^drip 1\n/);
  controller.abort();
  await until(() => / [0-9]+ of 10000 drips\n/.test(log()), "the end of the handler");
  assert.match(log(), / [0-9]{1,3} of 10000 drips\n/, "it went on for long");
  assert.doesNotMatch(log(), /Error/);
});

test("an interval does not hold up a client that leaves", async (t) => {
  const { port, log } = await startExample(t, "drip");
  const peer = await connect(t, ["127.0.0.1", port]);
  await peer.send(request("GET", "/?interval=60000"));
  await until(() => peer.text.includes("drip 1\n"), "the first line");
  peer.destroy();
  await until(() => log().includes(" 1 of 10 drips\n"), "the end of the handler");
});

test("a server that stops ends the handler, and the response is whole", async (t) => {
  const { port, log, stop } = await startExample(t, "drip");
  const peer = await connect(t, ["127.0.0.1", port]);
  await peer.send(request("GET", "/?interval=60000"));
  await until(() => peer.text.includes("drip 1\n"), "the first line");
  const stopped = stop();
  const [response] = await peer.responses(1);
  assert.equal(response.body, "drip 1\n");
  await peer.endOfConnection();
  await peer.end();
  assert.equal(await stopped, 0);
  assert.match(log(), / 1 of 10 drips\n/);
});

test("a count or an interval out of bounds is refused", async (t) => {
  const { origin } = await startExample(t, "drip");
  for (const query of [
    "count=0",
    "count=-1",
    "count=1.5",
    "count=10001",
    "count=many",
    "interval=60001",
    "interval=x",
  ]) {
    const response = await fetch(`${origin}/?${query}`);
    assert.equal(response.status, 422, query);
    const { detail } = (await response.json()) as { detail: string };
    assert.match(detail, new RegExp(`^${query.split("=")[0]} must be a whole number from 1 to `));
  }
});
