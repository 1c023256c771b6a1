/** Who is woken for a request: a thread that will look for itself is counted on, one with a handler to run is not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ReceivedResponse, type MemoryClient, request, turn } from "../server/support.ts";
import { BEGUN, Queued } from "./handlers.ts";
import { serve } from "./support.ts";

/** Waits without timers. */
async function turnsUntil(isSo: () => boolean, what: string): Promise<void> {
  for (const begun = performance.now(); !isSo(); await turn())
    assert.ok(performance.now() - begun < 8000, `waited in vain: ${what}`);
}

async function ask(client: MemoryClient, path: string): Promise<ReceivedResponse> {
  await client.send(request("GET", path));
  await turnsUntil(() => client.reading.responses.length > 0, `a response to ${path}`);
  const [response] = client.reading.responses;
  client.text = "";
  return response;
}

test("a request is given to a thread that rests, and not left to one whose handler runs, however quick handlers were", async (t) => {
  // What a timer would find out a moment later is not found out here.
  const { setTimeout: real } = globalThis;
  const never = { unref: () => never, refresh: () => never };
  globalThis.setTimeout = ((task: () => void, delay: number) =>
    delay > 5 ? real(task, delay) : never) as unknown as typeof real;
  t.after(() => (globalThis.setTimeout = real));
  const server = await serve(t, Queued, { threads: 2 });
  const client = server.connect();
  const holder = server.connect();
  for (let i = 1; i <= 5; i++) {
    for (let j = 0; j < 200; j++) await ask(client, "/quick");
    await holder.send(request("GET", "/held"));
    await turnsUntil(() => server.words[BEGUN] === i, "the handler to begin");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    assert.equal((await ask(client, "/quick")).body, "quick");
    server.release(1);
    await turnsUntil(() => holder.reading.responses.length > 0, "the handler to end");
    holder.text = "";
  }
});
