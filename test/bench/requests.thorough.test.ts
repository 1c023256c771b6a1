/** The requests that the benchmarks send, and what of the responses is looked at: with a wrong one a figure says nothing. */
import assert from "node:assert/strict";
import { HTTPServer } from "plinth";
import { AdditionHandler } from "../../apps/addition/handler.ts";
import { importBench } from "./import.ts";
import { testOnNode as test } from "../support/runtime.ts";

interface Exchange {
  readonly bytes: Buffer;
  readonly sums: readonly number[];
}

const { addition, pipeline, browserRequest, variedRequests, grownHead, upload } = await importBench<{
  addition(more?: readonly (readonly [string, string])[]): Exchange;
  pipeline(exchange: Exchange, depth: number): Exchange;
  browserRequest(): Exchange;
  variedRequests(count: number, seed?: number): Exchange[];
  grownHead(size: number): Exchange;
  upload(size: number): { bytes: Buffer; lengths: readonly number[] };
}>("lib/requests.mjs");

const { checkResponses, fault } = await importBench<{
  checkResponses(server: { port: number }, exchanges: readonly Exchange[], ends?: boolean): Promise<number>;
  fault(response: { status: number; type: string; body: string }, wanted: object): string | undefined;
}>("lib/check.mjs");

const { packRequests } = await importBench<{ packRequests(requests: readonly Uint8Array[]): Buffer }>(
  "lib/requests_file.mjs",
);

const headOf = (bytes: Buffer): string => bytes.toString("latin1", 0, bytes.indexOf("\r\n\r\n") + 4);

test("the addition server understands every request, and its responses are what is expected", async (t) => {
  const httpd = new HTTPServer(["127.0.0.1", 0], AdditionHandler, { log: "none" });
  await httpd.serverActivate();
  const serving = httpd.serveForever();
  t.after(async () => {
    await httpd.shutdown();
    await serving;
  });
  const server = { port: httpd.serverAddress[1] };

  const length = await checkResponses(server, [
    addition(),
    pipeline(addition(), 16),
    browserRequest(),
    grownHead(14_000),
  ]);
  assert.ok(length > 100 && length < 300, `${length} bytes`);
  await checkResponses(server, variedRequests(2048));
  await checkResponses(server, [addition([["Connection", "close"]]), addition([["Connection", "close"]])], true);
  const wrong = { ...addition(), sums: [8] };
  await assert.rejects(
    checkResponses(server, [addition(), wrong]),
    /it has responded 200 .*sum.*7.* where 200 \{"sum":8\}/,
  );
});

test("varied requests differ in all that may vary, and are the same in every run", () => {
  const made = variedRequests(1500);
  const texts = made.map(({ bytes }) => bytes.toString("latin1"));
  assert.equal(new Set(texts).size, 1500);
  assert.deepEqual(
    variedRequests(1500).map(({ bytes }) => bytes.toString("latin1")),
    texts,
  );
  assert.notDeepEqual(variedRequests(1, 2)[0].bytes, made[0].bytes);

  const posts = texts.filter((text) => text.startsWith("POST / "));
  assert.equal(posts.length, 750);
  assert.equal(texts.filter((text) => /^GET \/val_a\/\d+\/val_b\/\d+ /.test(text)).length, 750);
  const orders = new Set(texts.map((text) => text.match(/^[\w-]+(?=: )/gm)?.join()));
  assert.ok(orders.size > 500, `${orders.size} orders of fields`);
  assert.ok(texts.some((text) => text.includes("\r\nhost: ")) && texts.some((text) => text.includes("\r\nHost: ")));
});

test("a browser's head has its 600 bytes, and heads and bodies grow to just the size that was asked for", () => {
  const browser = browserRequest().bytes.length;
  assert.ok(browser > 550 && browser < 650, `${browser} bytes`);
  for (const size of [200, 437, 450, 451, 800, 4_000, 9_000, 14_000]) {
    const { bytes, sums } = grownHead(size);
    const lines = headOf(bytes).split("\r\n");
    assert.equal(headOf(bytes).length, size);
    assert.ok(lines.every((line) => line.length < 350) && lines.length < 60, `${size}: ${lines.length} lines`);
    assert.equal(bytes.toString("latin1", size), '{"val_a":3,"val_b":4}');
    assert.deepEqual(sums, [7]);
  }
  assert.throws(() => grownHead(50), RangeError);
  const { bytes, lengths } = upload(65_536);
  assert.match(headOf(bytes), /^POST \/upload HTTP\/1.1\r\n[^]*\r\nContent-Length: 65536\r\n/);
  assert.equal(bytes.length - headOf(bytes).length, 65_536);
  assert.deepEqual(lengths, [65_536]);
});

test("a pipeline is the same request so many times, with as many sums", () => {
  const one = addition();
  const { bytes, sums } = pipeline(one, 3);
  assert.equal(bytes.toString(), one.bytes.toString().repeat(3));
  assert.deepEqual(sums, [7, 7, 7]);
});

test("a response is right only with its status, its type, and nothing but what was wanted", () => {
  const right = { status: 200, type: "application/json; charset=utf-8", body: '{"sum": 7}\n' };
  assert.equal(fault(right, { sum: 7 }), undefined);
  assert.match(fault({ ...right, status: 500 }, { sum: 7 }) ?? "", /responded 500/);
  assert.match(fault({ ...right, type: "text/plain" }, { sum: 7 }) ?? "", /type "text\/plain"/);
  for (const body of ['{"sum":8}', '{"sum":"7"}', '{"sum":7,"more":1}', "{}", "7", ""])
    assert.match(fault({ ...right, body }, { sum: 7 }) ?? "", /where 200 \{"sum":7\} was right/, body);
});

test("a file of requests tells each one's length before it, in bytes", () => {
  assert.equal(packRequests([Buffer.from("GÄ"), Buffer.from("P\n")]).toString(), "3\nGÄ2\nP\n");
});
