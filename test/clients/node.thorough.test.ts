/** The clients of Node itself: http.request, fetch, and undici with pipelining. */
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { Client } from "undici";
import { testOn } from "../support/runtime.ts";
import { startAdder, startSeed } from "./seed.ts";

const SUM = JSON.stringify({ val_a: 3, val_b: 4 });

interface Received {
  response: http.IncomingMessage;
  body: string;
  interim: number[];
}

function send(options: http.RequestOptions, write: (request: http.ClientRequest) => void): Promise<Received> {
  return new Promise((resolve, reject) => {
    const interim: number[] = [];
    const request = http.request({ host: "127.0.0.1", timeout: 20_000, ...options }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ response, body, interim }));
      response.on("error", reject);
    });
    request.on("information", ({ statusCode }) => interim.push(statusCode));
    request.on("error", reject);
    request.on("timeout", () => request.destroy(new Error("nothing came")));
    write(request);
  });
}

test("http.request: 200 sums on one connection of an agent's, from the post's program", async (t) => {
  const { port } = await startSeed(t);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const ports = new Set<number | undefined>();
  for (let i = 0; i < 200; i++) {
    const content = JSON.stringify({ val_a: i, val_b: -1 });
    // Without this field, a GET's content would be sent without any framing by this client.
    const headers = { "Content-Length": content.length };
    const { response, body } = await send({ port, agent, headers }, (request) => {
      request.on("socket", (socket) => {
        const add = () => ports.add(socket.localPort);
        if (socket.connecting) socket.once("connect", add);
        else add();
      });
      request.end(content);
    });
    assert.equal(response.statusCode, 200);
    assert.deepEqual(JSON.parse(body), { sum: i - 1 });
  }
  assert.equal(ports.size, 1);
});

test("http.request: interim responses, chunks and trailers both ways", async (t) => {
  const { port } = await startAdder(t);
  const { response, body, interim } = await send(
    { port, method: "PUT", headers: { Trailer: "Sum", "X-Hint": "1" } },
    (request) => {
      for (let i = 0; i < 100; i++) request.write("0123456789".repeat(i));
      request.addTrailers({ Sum: "7" });
      request.end();
    },
  );
  assert.deepEqual(interim, [103]);
  assert.equal(response.headers["transfer-encoding"], "chunked");
  assert.equal(body.length, 49_500);
  assert.deepEqual(response.trailers, { length: "49500", "came-with": "Sum,7" });
});

test("http.request: Expect: 100-continue waits for a handler that wants the content", async (t) => {
  const { port } = await startAdder(t);
  const headers = { Expect: "100-continue", "Content-Length": SUM.length };
  const { body, interim } = await send({ port, method: "POST", headers }, (request) => {
    request.flushHeaders();
    request.on("continue", () => request.end(SUM));
  });
  assert.deepEqual(interim, [100]);
  assert.deepEqual(JSON.parse(body), { sum: 7 });
});

test("http.request: a response that is refused while the content is on its way is read", async (t) => {
  const { port } = await startAdder(t);
  const headers = { Expect: "100-continue", "Content-Length": 1_000_000 };
  const { response, interim } = await send({ port, method: "DELETE", headers }, (request) => {
    request.flushHeaders();
  });
  assert.deepEqual([response.statusCode, response.headers["connection"], interim], [405, "close", []]);
});

// Bun's fetch sends a GET in place of a method that it does not know.
const testFetch = testOn("node", "deno");

testFetch("fetch: POST, a stream of unknown length, HEAD, and a method of nobody's", async (t) => {
  const { port } = await startAdder(t);
  const url = `http://127.0.0.1:${port}/`;
  assert.deepEqual(await (await fetch(url, { method: "POST", body: SUM })).json(), { sum: 7 });

  const pieces = [SUM.slice(0, 5), SUM.slice(5)].map((piece) => new TextEncoder().encode(piece));
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
  });
  const streamed = await fetch(url, { method: "POST", body, duplex: "half" } as RequestInit);
  assert.deepEqual(await streamed.json(), { sum: 7 });

  const head = await fetch(url, { method: "HEAD" });
  assert.deepEqual([head.status, head.headers.get("content-length"), await head.text()], [200, "9", ""]);
  const egg = await fetch(url, { method: "RICKROLL" });
  assert.equal(await egg.text(), "Never gonna give you up\n");
});

testFetch("fetch: many at a time", async (t) => {
  const { port } = await startSeed(t);
  const asked = Array.from({ length: 100 }, async () => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: "RICKROLL" });
    return response.text();
  });
  for (const text of await Promise.all(asked)) assert.equal(text, "Never gonna give you up\n");
});

// Bun puts a stand-in for undici, whose responses are undefined.
testOn("node", "deno")("undici: 1,000 GETs with content, ten on their way at a time on one connection", async (t) => {
  const { port } = await startSeed(t);
  const client = new Client(`http://127.0.0.1:${port}`, { pipelining: 10 });
  t.after(() => client.destroy());
  let connections = 0;
  client.on("connect", () => connections++);
  let most = 0;
  const asked = Array.from({ length: 1000 }, async (_, i) => {
    const { statusCode, body } = await client.request({
      path: "/",
      method: "GET",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ val_a: i, val_b: i }),
      blocking: false, // the next may be sent before the response to this one begins
      reset: false, // it distrusts servers that are given content with a GET, and would not use the connection again
    });
    most = Math.max(most, client.stats.running);
    assert.equal(statusCode, 200);
    assert.deepEqual(await body.json(), { sum: 2 * i });
  });
  await Promise.all(asked);
  assert.equal(connections, 1);
  assert.ok(most > 1, "they were pipelined");
});
