/** Responses that are held back to the end of a turn (flush_scheduler.ts), through a server: many connections that ask in the same turn. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import { test, type TestContext } from "node:test";
import { BaseHTTPRequestHandler, type RequestHandlerClass } from "plinth";
import { MemoryTransport, type MemoryClient } from "../../src/transport/memory.ts";
import { GET, inMemory, post, request } from "../server/support.ts";
import { takeResponses } from "../support/responses.ts";

const CLIENTS = 32;
const CLOSING = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

async function clientsOf(t: TestContext, Handler: RequestHandlerClass): Promise<MemoryClient[]> {
  const transport = new MemoryTransport();
  await inMemory(t, Handler, { transport });
  return Array.from({ length: CLIENTS }, () => transport.connect());
}

/** All ask before this turn is over. */
function askAll(clients: readonly MemoryClient[], text: (i: number) => string): void {
  clients.forEach((client, i) => void client.send(text(i)));
}

function bodiesOf(clients: readonly MemoryClient[]): string[][] {
  return clients.map((client) => takeResponses(client.take()).responses.map(({ body }) => body));
}

/** Makes turns that have many responses, so that those of the next are held back. */
async function load(clients: readonly MemoryClient[]): Promise<void> {
  for (let round = 0; round < 3; round++) {
    askAll(clients, () => GET);
    await nextTurn();
    bodiesOf(clients);
  }
}

class Echo extends BaseHTTPRequestHandler {
  do_GET(): void {
    this.sendText(this.path);
  }

  async do_POST(): Promise<void> {
    this.sendText(this.path + (await this.text()));
  }

  /** Has its head ready long before its content. */
  async do_SLOW(): Promise<void> {
    this.sendResponse(200);
    this.sendHeader("Content-Length", 4);
    this.endHeaders();
    this.wfile.write("sl");
    await nextTurn();
    await nextTurn();
    this.wfile.write("ow");
  }

  do_COMPUTE(): void {
    const until = performance.now() + 5;
    while (performance.now() < until);
    this.sendText("computed");
  }
}

test("each connection gets its own responses, once, at the end of the turn at the latest", async (t) => {
  const clients = await clientsOf(t, Echo);
  let held = 0;
  for (let round = 0; round < 20; round++) {
    const once = (i: number): string => request("GET", `/${round}/${i}`);
    askAll(clients, (i) => once(i));
    const early = clients.map((client) => client.take());
    if (early.every((text) => text === "")) held++;
    await nextTurn();
    const late = clients.map((client) => client.take());
    const bodies = early.map((text, i) => takeResponses(text + late[i]).responses.map(({ body }) => body));
    assert.deepEqual(
      bodies,
      clients.map((_, i) => [`/${round}/${i}`]),
    );
    // Two in a packet, a second packet in the same turn, and handlers that are async.
    askAll(clients, (i) => once(i) + post(`${i} in ${round}`));
    askAll(clients, (i) => once(i));
    await nextTurn();
    await nextTurn();
    assert.deepEqual(
      bodiesOf(clients),
      clients.map((_, i) => [`/${round}/${i}`, `/${i} in ${round}`, `/${round}/${i}`]),
    );
  }
  // Where the machine has something else to do, handlers seem slow, and then none are.
  assert.ok(held > 0, "under load they wait for the end of the turn");
});

test("one whose content comes later, one that leaves and one that closes are no trouble to the others", async (t) => {
  const clients = await clientsOf(t, Echo);
  await load(clients);
  askAll(clients, (i) => [GET, request("SLOW"), CLOSING][i % 3]);
  for (let i = 0; i < CLIENTS; i += 6) clients[i].destroy();
  for (let i = 0; i < 6; i++) await nextTurn();
  clients.forEach((client, i) => {
    const bodies = takeResponses(client.take()).responses.map(({ body }) => body);
    if (i % 6 !== 0) assert.deepEqual(bodies, [i % 3 === 1 ? "slow" : "/"]);
    assert.equal(client.ended, i % 6 !== 0 && i % 3 === 2);
  });
});

test("they do not wait for handlers that compute", async (t) => {
  const clients = await clientsOf(t, Echo);
  await load(clients);
  // The first ones are held back; when the clock is looked at, it is late already.
  askAll(clients, (i) => (i === 4 ? request("COMPUTE") : GET));
  const early = bodiesOf(clients).filter((bodies) => bodies.length > 0).length;
  assert.ok(early >= CLIENTS - 8, `only ${early} of ${CLIENTS} have left before the end of the turn`);
  await nextTurn();
  bodiesOf(clients);
});
