/** Both ends of a request's content in one thread, so that what one does can come at any moment of what the other does. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import type { Exchange, Sink } from "../../src/protocol/exchange.ts";
import { Fields } from "../../src/protocol/fields.ts";
import { type ThreadExchangeOwner, ThreadExchange } from "../../src/threads/worker/thread_exchange.ts";
import { ThreadRequest, type ThreadRequestOwner } from "../../src/threads/main/thread_request.ts";
import { PoolMemory } from "../../src/threads/shared/pool_memory.ts";
import { ContentRing, RecordReader, RecordWriter } from "../../src/threads/shared/rings.ts";

const SLOT = 0;

function setUp() {
  const memory = new PoolMemory({ threads: 1, slots: 1, headSize: 1024, ringSize: 64 });
  let nudges = 0;
  const owner: ThreadRequestOwner = {
    memory,
    limitFor: () => 0,
    scratch: Buffer.alloc(1),
    ringsOf: (slot) => ({ content: new ContentRing(memory, slot), response: new RecordReader(memory, slot) }),
    requestReady() {},
    leaveStreams() {},
    requestDropped() {},
    nudge: () => nudges++,
    log() {},
    requestDone() {},
  };
  const fed: number[] = [];
  /** Runs when the event loop finds that there is nothing more to read. */
  let onEmpty: (() => void) | null = null;
  const source = {
    head: { method: "POST", target: "/", authority: null, version: "HTTP/1.1", fields: new Fields("", []) },
    connection: { clientAddress: ["", 0], alpn: null, secure: null },
    bodyLength: -1,
    waitsForContinue: false,
    trailers: undefined,
    sink: null as Sink | null,
    demand() {},
    readInto(to: Uint8Array, at: number, max: number): number {
      const pieces = fed.splice(0, max);
      to.set(pieces, at);
      if (pieces.length === 0) {
        const task = onEmpty;
        onEmpty = null;
        task?.();
      }
      return pieces.length;
    },
  };
  const request = new ThreadRequest(source as unknown as Exchange, owner);
  request.begin();
  assert.ok(request.enter(SLOT, null));
  request.ticket = memory.push(SLOT);
  assert.equal(memory.take(0), SLOT);
  const exchangeOwner: ThreadExchangeOwner = {
    memory,
    writer: new RecordWriter(memory),
    contentOf: (slot) => new ContentRing(memory, slot),
    call: () => request.look(),
    atTurnEnd() {},
    wait() {},
    sendLine() {},
    sendUnsent() {},
    settling() {},
    released() {},
  };
  const exchange = new ThreadExchange(exchangeOwner, SLOT);
  let readable = 0;
  exchange.sink = { onReadable: () => readable++, onWritable() {}, onGone() {} };
  const buffer = Buffer.alloc(64);
  return {
    /** The peer sends bytes. */
    send(count: number): void {
      for (let i = 0; i < count; i++) fed.push(i);
      request.onReadable();
    },
    read: () => exchange.readInto(buffer, 0, buffer.length),
    demand: () => exchange.demand(),
    /** The thread does what a nudge makes it do. @returns whether there was one */
    nudged(): boolean {
      const was = nudges > 0;
      nudges = 0;
      if (was) exchange.poll();
      return was;
    },
    readable: () => readable,
    whenEmpty(task: () => void): void {
      onEmpty = task;
    },
  };
}

test("who reads on while content is put is told of the next as well", () => {
  const ends = setUp();
  ends.demand();
  assert.equal(ends.read(), 0);
  // The thread takes what was put before the event loop has come to tell it so, and waits anew.
  ends.whenEmpty(() => {
    assert.equal(ends.read(), 3);
    assert.equal(ends.read(), 0);
  });
  ends.send(3);
  ends.nudged();
  assert.equal(ends.readable(), 0, "there is nothing to read");
  ends.send(2);
  assert.ok(ends.nudged(), "it still waits");
  assert.equal(ends.readable(), 1);
  assert.equal(ends.read(), 2);
});

test("who does not wait is not told", () => {
  const ends = setUp();
  ends.demand();
  ends.send(3);
  assert.equal(ends.nudged(), false);
  assert.equal(ends.read(), 3);
  assert.equal(ends.read(), 0);
  ends.send(1);
  assert.ok(ends.nudged());
  assert.equal(ends.read(), 1);
  ends.send(1);
  assert.equal(ends.nudged(), false, "it was told, and has not read since");
});

test("what is more than the ring holds follows as there is room", () => {
  const ends = setUp();
  ends.demand();
  ends.send(200);
  let read = 0;
  for (let n = ends.read(); n > 0; n = ends.read()) read += n;
  assert.equal(read, 200);
});
