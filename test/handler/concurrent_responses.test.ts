/** Responses that are in the making at the same time: what one says is never said by another, in whatever order they go on. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import { test } from "node:test";
import * as fc from "fast-check";
import { BaseHTTPRequestHandler } from "plinth";
import { MemoryTransport } from "../../src/transport/memory.ts";
import { Gate, GET, inMemory, microtask, request } from "../server/support.ts";
import { takeResponses } from "../support/responses.ts";
import { runs } from "../support/thorough.ts";

/** A request whose handler does what the test says. */
class Puppet extends BaseHTTPRequestHandler {
  static readonly all = new Map<string, Puppet>();
  settle!: () => void;
  fail!: (error: Error) => void;

  do_GET(): Promise<void> {
    Puppet.all.set(this.path, this);
    return new Promise((resolve, reject) => {
      this.settle = resolve;
      this.fail = reject;
    });
  }
}

/** What is done for one response, step by step. It says its own name in each field and in its content. */
function stepsOf(name: string, fields: number, early: boolean): ((handler: Puppet) => void)[] {
  return [
    (handler) => handler.sendResponse(200),
    ...Array.from({ length: fields }, (_, i) => (handler: Puppet) => handler.sendHeader(`X-${i}`, name + i)),
    // With a Content-Length, the head is made at once; without one, when the handler has settled.
    (handler) => early && handler.sendHeader("Content-Length", name.length),
    (handler) => handler.endHeaders(),
    (handler) => void handler.wfile.write(name),
    (handler) => handler.settle(),
  ];
}

const response = fc.record({
  fields: fc.oneof(fc.nat(3), fc.nat(40)),
  early: fc.boolean(),
  /** After so many steps it fails. */
  failsAfter: fc.option(fc.nat(8), { nil: Infinity, freq: 2 }),
});

test("each response has its own fields and content", async (t) => {
  const transport = new MemoryTransport();
  await inMemory(t, Puppet, { transport });
  let requests = 0;
  const run = async (responses: { fields: number; early: boolean; failsAfter: number }[], turns: number[]) => {
    const all = responses.map(({ fields, early, failsAfter }) => {
      const name = `/${requests++}`;
      const steps = stepsOf(name, fields, early);
      const fails = failsAfter < steps.length;
      if (fails) steps.splice(failsAfter, Infinity, (handler) => handler.fail(new Error(name)));
      const client = transport.connect();
      const ask = (): void => void client.send(request("GET", name));
      return { name, fields, fails, client, steps: [ask, ...steps] };
    });
    const goOn = async (index: number): Promise<void> => {
      const { name, steps } = all[index];
      (steps.shift() as ((handler: Puppet | undefined) => void) | undefined)?.(Puppet.all.get(name));
      for (let i = 0; i < 5; i++) await microtask(); // still in this turn
    };
    for (const index of turns) await goOn(index % all.length);
    for (const [index, { steps }] of all.entries()) while (steps.length > 0) await goOn(index);
    await nextTurn();
    for (const { name, fields, fails, client } of all) {
      const { responses, rest } = takeResponses(client.take());
      assert.equal(rest, "");
      assert.deepEqual(
        responses.map(({ status }) => status),
        [fails ? 500 : 200],
      );
      const own = responses[0].fields.filter(([field]) => field.startsWith("X-"));
      const wanted = Array.from({ length: fails ? 0 : fields }, (_, i) => [`X-${i}`, name + i]);
      assert.deepEqual(own, wanted);
      if (!fails) assert.equal(responses[0].body, name);
      client.destroy();
      Puppet.all.delete(name);
    }
  };
  await fc.assert(
    fc.asyncProperty(fc.array(response, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(3), { maxLength: 40 }), run),
    { numRuns: runs(300) },
  );
});

test("one that got another response while it began leaves nothing to the next", async (t) => {
  class Overloaded extends BaseHTTPRequestHandler {
    #refused = false;

    override versionString(): string {
      if (this.path === "/refused" && !this.#refused) {
        this.#refused = true;
        this.sendError(503);
      }
      if (this.path === "/version") {
        this.sendHeader("Content-Length", 0);
        this.endHeaders();
      }
      return super.versionString();
    }

    do_GET(): void {
      this.sendResponse(200);
      if (this.path !== "/") return;
      this.sendHeader("Content-Length", 2);
      this.endHeaders();
      this.wfile.write("ok");
    }
  }
  const { httpd } = await inMemory(t, Overloaded);
  const next = async (): Promise<string[]> => [...(await httpd.inject({ path: "/" })).headers].map(([name]) => name);
  const usual = await next();
  assert.deepEqual(usual, ["Server", "Date", "Content-Length"]);
  for (const [path, status] of [
    ["/refused", 503],
    ["/version", 200],
  ] as const) {
    assert.equal((await httpd.inject({ path })).status, status);
    assert.deepEqual(await next(), usual, `behind ${path}`);
  }
});

test("one that is taken back takes nothing of another with it", async (t) => {
  const [failing, other] = [new Gate(), new Gate()];
  class Late extends BaseHTTPRequestHandler {
    override sendError(...args: Parameters<BaseHTTPRequestHandler["sendError"]>): void {
      const send = async (): Promise<void> => {
        await failing.opened;
        super.sendError(...args);
      };
      return send() as unknown as void; // it may be asynchronous
    }

    do_FAIL(): void {
      this.sendText("never seen");
      throw new Error("it fails");
    }

    async do_GET(): Promise<void> {
      this.sendResponse(200);
      this.sendHeader("X-Own", "own");
      await other.opened;
      this.sendHeader("Content-Length", 0);
      this.endHeaders();
    }
  }
  const transport = new MemoryTransport();
  await inMemory(t, Late, { transport });
  const [one, two] = [transport.connect(), transport.connect()];
  void one.send(request("FAIL"));
  void two.send(GET);
  failing.open();
  await nextTurn();
  assert.deepEqual(
    takeResponses(one.take()).responses.map(({ status }) => status),
    [500],
  );
  other.open();
  await nextTurn();
  assert.equal(takeResponses(two.take()).responses[0].get("x-own"), "own");
});
