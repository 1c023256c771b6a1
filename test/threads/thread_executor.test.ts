/** What the event loop's end does with an exchange, whatever comes in whatever order: each is released once. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { MemoryTransport, ThreadingHTTPServer } from "plinth";
import type { Exchange, Executor, GoneReason, Sink } from "../../src/protocol/exchange.ts";
import { Fields } from "../../src/protocol/fields.ts";
import type { ExecutorServices } from "../../src/handler/loop_executor.ts";
import { MAKE_EXECUTOR } from "../../src/server/internal_members.ts";
import { until } from "../server/support.ts";
import { Queued, WORDS } from "./handlers.ts";

let executor!: Executor;

/** A server whose executor a test may use as a protocol does. */
class Server extends ThreadingHTTPServer {
  override [MAKE_EXECUTOR](services: ExecutorServices): Executor {
    return (executor = super[MAKE_EXECUTOR](services));
  }
}

const httpd = new Server(["memory", 80], Queued, {
  transport: new MemoryTransport(),
  threads: 1,
  log: "none",
  threadData: new Int32Array(new SharedArrayBuffer(4 * WORDS)),
});
after(async () => {
  httpd.serverClose();
  await httpd.shutdown();
});
await httpd.serverActivate();

/** An exchange of a made-up protocol, whose peer goes when the test says so. */
class Made implements Exchange {
  readonly head;
  readonly connection = { clientAddress: ["", 0], alpn: null, secure: null } as const;
  readonly bodyLength = 0;
  readonly waitsForContinue = false;
  readonly trailers = undefined;
  readonly status = 0;
  readonly bytesReceived = 0;
  readonly bytesSent = 0;
  sink!: Sink;
  released = 0;
  /** How often it was used behind that. */
  late = 0;
  written = 0;
  ended = false;
  /** Called for each write. */
  onWrite: () => boolean = () => true;

  constructor(target: string) {
    this.head = { method: "GET", target, version: "HTTP/1.1", authority: null, fields: new Fields("", []) };
  }

  #touch(): void {
    if (this.released > 0) this.late++;
  }

  gone(kind: GoneReason["kind"]): void {
    if (this.released === 0) this.sink.onGone({ kind });
  }

  limitBody(): void {}
  demand(): void {}
  readInto(): number {
    return -1;
  }
  inform(): void {}
  respond(): void {
    this.#touch();
  }
  write(bytes: Uint8Array): boolean {
    this.#touch();
    this.written += bytes.length;
    return this.onWrite();
  }
  end(): void {
    this.#touch();
    this.ended = true;
  }
  flush(): void {}
  retract(): boolean {
    return false;
  }
  closeConnection(): void {}
  abort(): void {}
  release(): void {
    this.released++;
  }
}

/** Starts an exchange, if it has not been, and waits for its end. */
async function run(exchange: Made): Promise<Made> {
  if (exchange.sink === undefined) executor.start(exchange);
  await until(() => exchange.released > 0, "the exchange to be released");
  return exchange;
}

test("a response that does not fit into shared memory comes whole, and then the exchange is released", async () => {
  const { released, written, ended } = await run(new Made("/large/1000000"));
  assert.deepEqual([released, written, ended], [1, 1_000_000, true]);
});

test("a peer that goes while the rest of its response is on its way changes nothing of that", async () => {
  const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const sleepers = new Int32Array(new SharedArrayBuffer(4));
  for (let i = 0; i < 15; i++) {
    const exchange = new Made("/large/1000000");
    const goes = (): boolean => {
      queueMicrotask(() => exchange.gone(i % 3 === 0 ? "half-closed" : "closed"));
      return true;
    };
    executor.start(exchange);
    await endOfTurn(); // the thread is awake
    // The handler settles meanwhile, and the event loop sees that at the end of this turn, before it gets messages.
    setImmediate(() => {
      Atomics.wait(sleepers, 0, 0, 15);
      exchange.onWrite = goes;
    });
    await run(new Made("/quick"));
    await run(exchange);
    await run(new Made("/quick")); // behind all that the thread had to say
    assert.deepEqual([exchange.released, exchange.late, executor.running], [1, 0, 0]);
  }
});

test("nor does one that goes at any other time", async () => {
  for (let i = 0; i < 60; i++) {
    const exchange = new Made("/large/600000");
    executor.start(exchange);
    const wait = [queueMicrotask, setImmediate, process.nextTick][i % 3];
    for (let turns = 0; turns < i / 3; turns++) await new Promise<void>((resolve) => wait(resolve));
    exchange.gone("closed");
    await run(exchange);
    assert.deepEqual([exchange.released, executor.running], [1, 0]);
  }
});

test("a peer that takes nothing more when the handler has settled gets the rest all the same", async () => {
  const exchange = new Made("/large/300000");
  exchange.onWrite = () => false;
  const { released, written } = await run(exchange);
  assert.deepEqual([released, written], [1, 300_000]);
});

test("all are drained when none runs", async () => {
  const exchanges = Array.from({ length: 100 }, () => new Made("/quick"));
  for (const exchange of exchanges) executor.start(exchange);
  assert.equal(executor.running, 100);
  await executor.drain();
  assert.deepEqual([executor.running, exchanges.filter(({ released }) => released === 1).length], [0, 100]);
  await executor.drain();
});
