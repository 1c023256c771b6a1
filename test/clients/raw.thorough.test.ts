/** What no client library sends, against the post's program: HTTP/1.0 that keeps its connection, pipelines, bytes one by one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../server/support.ts";
import { startSeed } from "./seed.ts";

function sum(a: number, b: number, version = "1.1", fields = ""): string {
  const content = JSON.stringify({ val_a: a, val_b: b });
  return `GET / HTTP/${version}\r\nHost: a\r\nContent-Length: ${content.length}\r\n${fields}\r\n${content}`;
}

test("HTTP/1.0 with keep-alive, many requests on one connection", async (t) => {
  const { port } = await startSeed(t);
  const peer = await connect(t, ["127.0.0.1", port]);
  for (let i = 0; i < 50; i++) {
    const response = await peer.ask(sum(i, 1, "1.0", "Connection: keep-alive\r\n"));
    assert.deepEqual(JSON.parse(response.body), { sum: i + 1 });
    assert.equal(response.get("connection"), "keep-alive");
  }
  const last = await peer.ask(sum(1, 1, "1.0"));
  assert.equal(last.get("connection"), "close");
  await peer.endOfConnection();
});

test("1,000 pipelined requests get responses in their order", async (t) => {
  const { port } = await startSeed(t);
  const peer = await connect(t, ["127.0.0.1", port]);
  await peer.send(Array.from({ length: 1000 }, (_, i) => sum(i, 1)).join(""));
  const responses = await peer.responses(1000);
  for (const [i, { body }] of responses.entries()) assert.deepEqual(JSON.parse(body), { sum: i + 1 });
});

test("a request that comes byte by byte", async (t) => {
  const { port } = await startSeed(t);
  const peer = await connect(t, ["127.0.0.1", port]);
  peer.socket.setNoDelay(true);
  for (const byte of sum(3, 4)) await peer.send(byte);
  assert.deepEqual(JSON.parse((await peer.response()).body), { sum: 7 });
});

test("what is no JSON is a 500 in this program, which the next request does not feel", async (t) => {
  const seed = await startSeed(t);
  const peer = await connect(t, ["127.0.0.1", seed.port]);
  await peer.send(
    `GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n{GET / HTTP/1.1\r\nHost: a\r\n\r\n${sum(1, 2)}`,
  );
  const [noJson, nothing, good] = await peer.responses(3);
  assert.deepEqual([noJson.status, nothing.status, good.status], [500, 500, 200]);
  assert.doesNotMatch(noJson.body + nothing.body, /JSON/);
});
